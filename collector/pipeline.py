"""From connections to batches: takes finished messages, gives them their meaning, gathers them under the watermark."""

from collections.abc import Callable, Iterable, Mapping

from collector.batch import Batch, Batcher, Event
from collector.connections import Connections
from collector.halves import Message
from collector.message import Endpoints
from collector.repair import Repair

Taken = list[tuple[Endpoints, Message]]


def at_once(taken: Taken) -> Iterable[Taken]:
    """Give all messages in one piece."""
    return (taken,)


class Pipeline:
    """One shard of the collector between its source and its sink; pure, driven by the source's clock."""

    def __init__(
        self,
        connections: Connections,
        meaning: Callable[[Endpoints, Message], Event],
        batcher: Batcher,
        put: Callable[[Batch], None],
        losses: Callable[[], Mapping[str, int]] = dict,
        pieces: Callable[[Taken], Iterable[Taken]] = at_once,
    ) -> None:
        """`meaning` makes an event of a message; `put` takes each batch as it is due and may wait (a full queue).

        `losses`: what the meaning counted so far, to stand in the batches beside what the connections did. `pieces`
        gives the messages a few at a time, and may do something else meanwhile.
        """
        self._connections = connections
        self._repair = Repair()
        self._meaning = meaning
        self._batcher = batcher
        self._put = put
        self._losses = losses
        self._pieces = pieces
        self._lost: Mapping[str, int] = {}

    def tick(self, now_ns: int) -> None:
        """Everything until `now_ns` was given to the connections: let out what is due."""
        self._connections.advance(now_ns)
        events = self._events()
        watermark_ns = self._connections.watermark_ns(now_ns)
        for batch in self._batcher.add(events, watermark_ns // 1_000, self._loss(), now_ns // 1_000_000):
            self._put(batch)

    def finish(self, now_ns: int) -> None:
        """End in order at `now_ns`: everything open ends, the final batch leaves."""
        self._connections.finish(now_ns)
        for batch in self._batcher.finish(self._events(), now_ns // 1_000, self._loss()):
            self._put(batch)

    def _events(self) -> list[Event]:
        meaning = self._meaning
        taken = self._connections.take()
        self._repair.mend(taken)
        events = [meaning(endpoints, message) for piece in self._pieces(taken) for endpoints, message in piece]
        if events:
            self._lost = self._losses()
        return events

    def _loss(self) -> dict[str, int]:
        return {**self._connections.counters.by_reason, **self._lost}
