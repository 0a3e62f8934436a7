"""What pairing knows of each collector incarnation: how far it promised, what it lost, whether it still lives.

Event time is each collector's own (DESIGN 6): its watermark alone says what may still come from it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from schemas.loss import HIDES_NO_MESSAGE
from streams.batch_header import Header
from streams.half import Half

SLOT_BITS = 17  # what waits for a time is looked at when the slot of 131 ms around it has passed
MAX_INCARNATIONS = 20_000  # remembered, so that repeats are known; the one silent longest goes first


@dataclass(slots=True)
class Waiting:
    """Halves by the time until which they wait, in slots; taking a half out leaves it here until its slot is due."""

    slots: dict[int, list[Half]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)

    def add(self, half: Half, until_us: int) -> None:
        """Let `half` wait; in constant time, since there are at most some hundred slots."""
        slot = until_us >> SLOT_BITS
        if slot in self.slots:
            self.slots[slot].append(half)
        else:
            self.slots[slot] = [half]
            heappush(self.order, slot)

    def due(self, watermark_us: int) -> Iterator[Half]:
        """Yield the halves whose slot has passed wholly, some of them taken out before."""
        while self.order and (self.order[0] + 1) << SLOT_BITS <= watermark_us:
            yield from self.slots.pop(heappop(self.order))

    def all(self) -> Iterator[Half]:
        """Yield all, as `due` at the end of time."""
        while self.order:
            yield from self.slots.pop(heappop(self.order))


@dataclass(slots=True, eq=False)
class Collector:
    """One incarnation of one collector shard.

    doubt_until_us: until then something of what it saw may be lost; a request begun before it, of which no answer is
    known, is `unknown`. place: site, node, shard, incarnation as Avro, as every transaction has them.
    """

    site: str
    node: str
    shard: int
    incarnation: str
    place: bytes
    since_us: int = 0
    sequence: int = 0
    watermark_us: int = 0
    clock_us: int = 0
    doubt_until_us: int = 0
    heard_ms: int = 0
    over: bool = False  # ended in order, fell silent or was followed by a new incarnation
    loss: dict[str, int] = field(default_factory=dict)
    requests: Waiting = field(default_factory=Waiting)
    responses: Waiting = field(default_factory=Waiting)

    @property
    def key(self) -> "Key":
        """What it is told by."""
        return self.site, self.node, self.shard, self.incarnation

    def lost_since(self, header: Header) -> bool:
        """Tell whether something was lost between the batch before and this one."""
        return header.sequence != self.sequence + 1 or any(
            count > self.loss.get(reason, 0) for reason, count in header.loss.items() if reason not in HIDES_NO_MESSAGE
        )

    def take(self, header: Header, clock_us: int) -> tuple[int, int] | None:
        """Go on to a batch; return from when to when we were blind, if loss shows."""
        blind = None
        if self.lost_since(header):
            blind = self.clock_us or min(header.watermark_us, clock_us), clock_us
            self.doubt_until_us = max(self.doubt_until_us, clock_us)
        if not self.sequence:
            self.since_us = header.watermark_us
        self.sequence = header.sequence
        self.loss = dict(header.loss)
        self.clock_us = max(self.clock_us, clock_us)
        return blind


Key = tuple[str, str, int, str]


@dataclass(slots=True)
class Collectors:
    """All incarnations heard of in one partition, and of these the living ones; the one silent longest first."""

    known: OrderedDict[Key, Collector] = field(default_factory=OrderedDict)
    living: OrderedDict[Key, Collector] = field(default_factory=OrderedDict)
    newest: dict[tuple[str, str, int], Key] = field(default_factory=dict)

    def of(self, header: Header, place: Callable[[Header], bytes]) -> tuple[Collector, Collector | None]:
        """Return the incarnation of a batch, and the one before it on its shard if this is the first of a new one.

        `place` is asked what the transactions of a new one have of it.
        """
        key = header.site, header.node, header.shard, header.incarnation
        collector = self.known.get(key)
        if collector is not None:
            return collector, None
        collector = self.known[key] = Collector(*key, place(header))
        before = self.newest.get(key[:3])
        self.newest[key[:3]] = key
        return collector, self.known.get(before) if before else None

    def heard(self, collector: Collector, append_time_ms: int) -> None:
        """Note that a batch of `collector`, no repeat, stands in the log at that time."""
        collector.heard_ms = append_time_ms
        collector.over = False
        self.known.move_to_end(collector.key)
        self.living[collector.key] = collector
        self.living.move_to_end(collector.key)

    def end(self, collector: Collector) -> None:
        """Nothing more is expected of `collector`."""
        collector.over = True
        self.living.pop(collector.key, None)

    def silent(self, append_time_ms: int, silent_ms: int) -> Iterator[Collector]:
        """Yield the living not heard of for longer than `silent_ms`; to be ended before the next is asked for."""
        while self.living:
            collector = next(iter(self.living.values()))
            if append_time_ms - collector.heard_ms <= silent_ms:
                return
            yield collector

    def forget_oldest(self) -> Collector | None:
        """Return the incarnation silent longest if there are too many, and forget it."""
        if len(self.known) <= MAX_INCARNATIONS:
            return None
        key, collector = self.known.popitem(last=False)
        self.living.pop(key, None)
        if self.newest.get(key[:3]) == key:
            del self.newest[key[:3]]
        return collector
