"""When events become a numbered batch, and what its header promises: the watermark, the loss so far, the end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from collector.avro import BatchHeader

Event = tuple[Any, ...] | bytes  # an SbiEvent: the fields of the schema, in its order, or itself in Avro


@dataclass(frozen=True, slots=True)
class Batch:
    """One message for sbi.events."""

    header: BatchHeader
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When a batch leaves (DESIGN 6): at `max_events`, else after `interval_ms`, later while there is little to say."""

    max_events: int = 200
    interval_ms: int = 100
    sparse_events: int = 20  # fewer wait for `sparse_ms`
    sparse_ms: int = 500
    silent_ms: int = 1_000  # an empty batch carries the watermark on


class Batcher:
    """Gathers the events of one shard. It knows no clock: a capture gives packet time and always the same batches.

    A batch bears a new watermark only if nothing gathered stays behind it.
    """

    def __init__(self, first: BatchHeader, rules: BatchRules) -> None:
        """`first` is the header of the first batch: its numbering, identity and watermark are carried on from."""
        self._header = first
        self._sequence = first.sequence
        self._rules = rules
        self._events: list[Event] = []
        self._left_ms: int | None = None

    def add(self, events: Sequence[Event], watermark_us: int, loss: dict[str, int], now_ms: int) -> list[Batch]:
        """Take events and how far they reach; return the batches that are due at `now_ms`."""
        self._events.extend(events)
        if self._left_ms is None:
            self._left_ms = now_ms
        batches = self._full(watermark_us, loss, now_ms * 1_000)
        waited_ms = now_ms - self._left_ms
        if self._due(waited_ms):
            self._left_ms = now_ms
            batches.append(self._batch(self._events, watermark_us, loss, now_ms * 1_000, final=False))
            self._events = []
        elif batches:
            self._left_ms = now_ms
        return batches

    def finish(self, events: Sequence[Event], watermark_us: int, loss: dict[str, int]) -> list[Batch]:
        """Return what is left, the last batch marked final: nothing follows in this incarnation."""
        self._events.extend(events)
        batches = self._full(watermark_us, loss, watermark_us)
        batches.append(self._batch(self._events, watermark_us, loss, watermark_us, final=True))
        self._events = []
        return batches

    def _due(self, waited_ms: int) -> bool:
        rules = self._rules
        if waited_ms >= rules.silent_ms:
            return True
        wait_ms = rules.interval_ms if len(self._events) >= rules.sparse_events else rules.sparse_ms
        return bool(self._events) and waited_ms >= wait_ms

    def _full(self, watermark_us: int, loss: dict[str, int], clock_us: int) -> list[Batch]:
        size = self._rules.max_events
        batches = []
        while len(self._events) >= size:
            events, self._events = self._events[:size], self._events[size:]
            mark_us = self._header.watermark_us if self._events else watermark_us
            batches.append(self._batch(events, mark_us, loss, clock_us, final=False))
        return batches

    def _batch(
        self, events: Sequence[Event], watermark_us: int, loss: dict[str, int], clock_us: int, final: bool
    ) -> Batch:
        header = replace(
            self._header,
            sequence=self._sequence,
            watermark_us=max(watermark_us, self._header.watermark_us),
            final=final,
            loss={reason: count for reason, count in sorted(loss.items()) if count},
            clock_us=max(clock_us, watermark_us, self._header.clock_us),
        )
        self._header = header
        self._sequence += 1
        return Batch(header, events)
