"""Which schema wrote a message: found by its mark among our own, then among the published, else in the registry."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.fields import document
from schemas.framing import SINGLE_OBJECT, Unframed, body_begins, confluent_id, mark_of, published, single_object_mark
from schemas.topics import SCHEMAS
from streams.runtime.reader import Reader

AGAIN_S = 10.0  # an unknown mark makes us read the topic; a flood of them must not make us read it for ever
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A message, where its body begins and the schema it was written with; `bad` says why it cannot be read, if so.

    Without schema and fault it is a tick.
    """

    schema: Schema | None
    value: bytes
    begins: int = 0
    bad: str = ""

    @property
    def body(self) -> bytes:
        """Its octets behind the mark."""
        return self.value[self.begins :]

    @property
    def seen(self) -> memoryview:
        """The same, not copied: for who passes them on as they are."""
        return memoryview(self.value)[self.begins :]


TICK = Opened(None, b"")


class Writers:
    """The writers' schemas seen so far, the same object each time."""

    def __init__(self, reader: Reader, registered: Callable[[int], Awaitable[str]] | None = None) -> None:
        """Begin with our own; `registered` gives the text of a registry's schema by its id or raises LookupError."""
        self._reader = reader
        self._registered = registered
        self._known: dict[bytes, Schema] = {single_object_mark(name): document(name) for name in published()}
        self._read_at = -AGAIN_S

    async def open(self, value: bytes) -> Opened:
        """Return what `value` holds."""
        if not value:
            return TICK
        try:
            begins = body_begins(value)
        except Unframed as unframed:
            return Opened(None, b"", bad=str(unframed))
        mark = value[:begins]
        schema = self._known.get(mark) or await self._find(mark)
        return Opened(schema, value, begins, "" if schema else f"its schema {mark.hex()} is not published")

    async def _find(self, mark: bytes) -> Schema | None:
        """Return the schema, asking Kafka or the registry; None where it was never published."""
        number = confluent_id(mark)
        if number is not None:
            await self._ask(mark, number)
        elif time.monotonic() - self._read_at >= AGAIN_S:
            await self._read()
            self._read_at = time.monotonic()
        return self._known.get(mark)

    async def _ask(self, mark: bytes, number: int) -> None:
        if self._registered is None:
            return
        try:
            self._known[mark] = json.loads(await self._registered(number))
        except LookupError:
            return

    async def _read(self) -> None:
        for key, value in await self._reader.all(SCHEMAS):
            mark = SINGLE_OBJECT + key
            if value and mark not in self._known:
                self._learn(mark, value)

    def _learn(self, mark: bytes, value: bytes) -> None:
        try:
            if mark_of(value.decode()) == mark:
                self._known[mark] = json.loads(value)
        except Exception:  # noqa: BLE001, S110 (whatever stands in the topic under a wrong key is no schema)
            pass
