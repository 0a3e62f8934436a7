"""Reads the batches of one topic as our schema has them, whoever of our releases wrote them."""

from collections.abc import Mapping
from typing import Any

from streams.records import Cursor, Plan, plan
from streams.reframe import Malformed


class BatchReader:
    """Keeps the plans of the writers' schemas."""

    def __init__(self, ours: Mapping[str, Any], what: str) -> None:
        """Read into `ours`, which may lack fields that nobody needs; `what` its rows are called in a fault."""
        self._ours = ours
        self._what = what
        self._plans: dict[int, tuple[Mapping[str, Any], Plan]] = {}

    def read(self, schema: Mapping[str, Any], body: bytes) -> list[Any]:
        """Return the values of a batch. Raises Malformed: the body is none of that schema, or that none of ours."""
        if id(schema) not in self._plans:
            self._plans[id(schema)] = schema, plan(schema, self._ours)  # it keeps the schema, so its id stays its own
        cursor = Cursor(body)
        try:
            values: list[Any] = self._plans[id(schema)][1].read(cursor)
        except (Malformed, UnicodeDecodeError) as error:
            raise Malformed(f"no batch of {self._what}: {error}") from error
        if cursor.at != len(body):
            raise Malformed(f"{len(body) - cursor.at} octets behind its {self._what}")
        return values
