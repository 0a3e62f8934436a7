"""What Faust is given to hand over: all messages of one poll as one of its events (streams.runtime.worker runs it).

A message of its own costs Faust some 230 us (four tasks and their cancelling, a queue, decoding, two sensors): a sixth
of what pairing 200 events does.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer

POLLED = 16  # messages unpacked at once: of a fetch the others stay compressed
POLLED_LARGE = {"sbi.events": 8}  # of topics whose messages are ten times as large
READ_AHEAD = 1  # polls that wait for the agent; one more waits to be put there, one is in hand


@dataclass(frozen=True, slots=True)
class Polled:
    """The records of one poll, of any partitions, and how often partitions had been revoked when it was handed over."""

    records: deque[Any]
    revocations: int


class WholePolls(Consumer):  # type: ignore[misc]
    """Faust's consumer, for which one poll is one message: its value is a Polled."""

    revocations = 0

    def is_held(self, polled: Polled) -> bool:
        """Tell whether what was polled is still ours: its partitions may be revoked and come again from the commit."""
        return bool(self.flow_active) and polled.revocations == self.revocations

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Let nothing of earlier polls be taken any more; while this lasts no flow is active."""
        try:
            await super().on_partitions_revoked(revoked)
        finally:
            self.revocations += 1

    async def _getmany(self, active_partitions: Any, timeout: float) -> Mapping[Any, list[deque[Any]]]:
        found = await super()._getmany(active_partitions, timeout)
        records = deque(record for some in found.values() for record in some)
        return {next(iter(found)): [records]} if records else {}

    def _to_message(self, place: Any, records: deque[Any]) -> Any:
        message = super()._to_message(place, records[0])
        # As of now: a fetch may outlast a rebalance and bring the first records of what was assigned anew.
        message.value = Polled(records, self.revocations)
        # Faust would drop what begins below, and with it the other partitions' records; admission looks at each.
        self._read_offset[place] = None
        return message


class AsItIs(faust.Schema):  # type: ignore[misc]
    """Decodes nothing: the records' octets are the stage's."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        """Return the key."""
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        """Return the value."""
        return message.value
