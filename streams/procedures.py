"""The procedure fold: transactions in, procedures out, one state a partition of sbi.transactions.

A subscriber's requests are looked at, in the order they began, once nothing more came for SETTLE_MS, or for the longest
deadline that its requests had: an unanswered one is told no earlier. How long a procedure waits for its next step is
event time. What is live goes by append time, which a silent subscriber's event
time follows; a capture goes by its own clock, however fast and in however many pieces it is loaded, until it is silent
for EDGE_MS.
"""

import heapq
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from schemas.config import Streams
from streams.fold import Facts, Held, Numbering, Rows, Taken
from streams.procedure_instance import Closed
from streams.procedure_kinds import steps_by_operation
from streams.procedure_row import encode, record
from streams.procedure_rows import NAMES as FIELDS
from streams.procedure_rows import RowReader
from streams.procedure_step import Seen, seen
from streams.procedure_timeline import Ended, Timeline

PROCEDURES, PROCEDURES_JSON = "sbi.procedures", "sbi.procedures.json"
SETTLE_MS = 11_000  # of silence at least, then nothing earlier is expected: the default deadline is 10 s
TOLD_MS = 1_000  # within which an unanswered request is told behind its deadline
LONGEST_MS = 20_000  # nobody waits longer, however much a subscriber does
PAUSE_MS = 5_000  # of append time, that a capture's requests wait: two loads of one time may run beside each other
EDGE_MS = 30_000  # of append time without anything of a capture: it has ended
MAX_WAITING, MAX_SUBSCRIBERS, MAX_CAPTURES = 200_000, 100_000, 64
MAX_ANSWERLESS = 50_000  # beginnings told without an answer, of which one may still come
FORM = 1
INCARNATION, OPERATION = FIELDS.index("incarnation"), FIELDS.index("operation")
REQUEST_US, RESPONSE_US = FIELDS.index("request_us"), FIELDS.index("response_us")
NAMES = (
    "rows",
    "rows_repeated",
    "steps",
    "procedures",
    "procedures_unnamed",
    "subscribers_evicted",
    "answerless_evicted",
)
OUTCOMES = ("success", "partial", "failed", "abandoned", "superseded", "incomplete")


class State(msgspec.Struct, array_like=True):
    """What the fold is made of."""

    form: int
    numbers: list[tuple[str, int, int]]
    taken: dict[int, int]
    forgiven: list[int] | None
    counts: dict[str, int]
    reached: list[tuple[str, int, int]]
    subscribers: list[tuple[str, Timeline]]
    wakes: list[tuple[int, str]]
    answerless: list[tuple[str, int]] = []


class Procedures:
    """Finds the procedures in one partition of sbi.transactions (streams.fold.Fold)."""

    def __init__(self, facts: Facts, rules: Streams | None = None) -> None:
        self.facts = facts
        self._corrected_ms = (rules or Streams()).correction_ms  # so long pairing may still tell an answer
        self.taken = Taken()
        self.numbering = Numbering()
        self.counts = dict.fromkeys((*NAMES, *(f"ended_{name}" for name in OUTCOMES)), 0)
        self._subscribers: OrderedDict[str, Timeline] = OrderedDict()  # heard of longest ago first
        self._wakes: list[tuple[int, str]] = []  # a heap of (append time in ms, subscriber)
        self._reached: OrderedDict[str, tuple[int, int]] = OrderedDict()  # captures: up to when, heard of when (ms)
        self._answerless: OrderedDict[str, int] = OrderedDict()  # of procedures that were told; told when (ms)
        self._waiting = 0
        self._operations = steps_by_operation()
        self._reader = RowReader()

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message (streams.fold.Fold)."""
        if schema is not None and body:
            batch = self._reader.read(schema, body)
            repeated = self.taken.fresh(batch.input_partition, batch.first_number, len(batch.rows))
            self.counts["rows_repeated"] += repeated
            for row in batch.rows[repeated:]:
                self._take(row, append_time_ms)
        ended = [*self._bound(), *self._wake(append_time_ms)]
        self._remember(ended, append_time_ms)
        return self._rows(ended)

    def pass_over(self) -> None:
        """Accept that each writer's numbers jump once."""
        self.taken.forgiven = set()

    def finish(self) -> list[Rows]:
        """Close everything, where nothing more can come: a capture without Kafka."""
        ended = []
        for timeline in self._subscribers.values():
            ended += timeline.run(self._answerless) + self._close_all(timeline)
        self._subscribers.clear()
        return self._rows(ended)

    def held(self) -> Held:
        """Return what waits (streams.fold.Holding)."""
        return Held({"subscribers": len(self._subscribers), "requests_waiting": self._waiting})

    def dump(self) -> bytes:
        """Return the state."""
        state = State(
            form=FORM,
            numbers=[(topic, partition, number) for (topic, partition), number in self.numbering.last.items()],
            taken=self.taken.last,
            forgiven=None if self.taken.forgiven is None else sorted(self.taken.forgiven),
            counts=self.counts,
            reached=[(name, *both) for name, both in self._reached.items()],
            subscribers=list(self._subscribers.items()),
            wakes=self._wakes,
            answerless=list(self._answerless.items()),
        )
        return msgspec.msgpack.encode(state)

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        told = msgspec.msgpack.decode(state, type=State)
        self.numbering.last = {(topic, partition): number for topic, partition, number in told.numbers}
        self.taken.last = told.taken
        self.taken.forgiven = None if told.forgiven is None else set(told.forgiven)
        self.counts.update(told.counts)
        self._reached = OrderedDict((name, (reached_us, heard_ms)) for name, reached_us, heard_ms in told.reached)
        self._subscribers = OrderedDict(told.subscribers)
        for timeline in self._subscribers.values():
            timeline.keep_defined()
        self._wakes = list(told.wakes)
        self._answerless = OrderedDict(told.answerless)
        self._waiting = sum(len(timeline.waiting) for timeline in self._subscribers.values())

    # In

    def _take(self, row: Sequence[Any], append_time_ms: int) -> None:
        self.counts["rows"] += 1
        if row[INCARNATION].startswith("capture:"):
            self._reach(row[INCARNATION], row[RESPONSE_US] or row[REQUEST_US], append_time_ms)
        step = seen(dict(zip(FIELDS, row, strict=True))) if row[OPERATION] in self._operations else None
        if step is None:
            return
        self.counts["steps"] += 1
        name = step.whose or f"/{step.operation}"  # without subscriber only requests that stand alone
        timeline = self._subscribers.get(name)
        if timeline is None:
            timeline = self._subscribers[name] = Timeline()
        self._subscribers.move_to_end(name)
        before = len(timeline.waiting)
        timeline.add(step, append_time_ms)
        self._waiting += len(timeline.waiting) - before
        if timeline.next_ms <= append_time_ms:
            self._set_wake(name, timeline, append_time_ms + (PAUSE_MS if timeline.capture else SETTLE_MS))

    def _reach(self, incarnation: str, reached_us: int, append_time_ms: int) -> None:
        before_us, _ = self._reached.get(incarnation, (0, 0))
        self._reached[incarnation] = max(reached_us, before_us), append_time_ms
        self._reached.move_to_end(incarnation)
        if len(self._reached) > MAX_CAPTURES:
            self._reached.popitem(last=False)

    # Time passes

    def _wake(self, append_time_ms: int) -> list[Ended]:
        ended: list[Ended] = []
        while self._wakes and self._wakes[0][0] <= append_time_ms:
            _, name = heapq.heappop(self._wakes)
            timeline = self._subscribers.get(name)
            if timeline is not None:
                ended += self._look(timeline, append_time_ms)
                if timeline.is_idle:
                    del self._subscribers[name]
                else:
                    self._wake_again(name, timeline, append_time_ms)
        return ended

    def _look(self, timeline: Timeline, append_time_ms: int) -> list[Ended]:
        """See what has become of a subscriber's requests by now."""
        quiet_ms, is_at_edge = self._quiet(timeline, append_time_ms)
        ended: list[Ended] = []
        settle_ms = max(SETTLE_MS, timeline.deadline_ms + TOLD_MS)
        longest_ms = max(LONGEST_MS, settle_ms)
        has_waited = not timeline.capture and append_time_ms - timeline.waiting_since_ms > longest_ms
        if timeline.waiting and (quiet_ms >= settle_ms or is_at_edge or has_waited):
            ended += self._run(timeline)
        if is_at_edge:
            ended += self._close_all(timeline)
        elif quiet_ms >= settle_ms:
            ended += timeline.close_due(timeline.last_us + quiet_ms * 1_000, Closed.OVER)
        return ended

    def _quiet(self, timeline: Timeline, append_time_ms: int) -> tuple[int, bool]:
        """Return for how long nothing came of a subscriber, and whether nothing more can."""
        silent_ms = append_time_ms - timeline.last_ms
        reached_us, heard_ms = self._reached.get(timeline.capture, (0, 0))
        if not timeline.capture:
            return silent_ms, False
        if append_time_ms - heard_ms >= EDGE_MS:
            return silent_ms, True
        return ((reached_us - timeline.last_us) // 1_000 if silent_ms >= PAUSE_MS else 0), False

    def _wake_again(self, name: str, timeline: Timeline, append_time_ms: int) -> None:
        ahead_ms = PAUSE_MS
        if not timeline.capture and not timeline.waiting:
            ahead_ms = max((timeline.next_us - timeline.last_us) // 1_000 - (append_time_ms - timeline.last_ms), 1_000)
        self._set_wake(name, timeline, append_time_ms + ahead_ms)

    def _set_wake(self, name: str, timeline: Timeline, at_ms: int) -> None:
        timeline.next_ms = at_ms
        heapq.heappush(self._wakes, (at_ms, name))

    def _run(self, timeline: Timeline) -> list[Ended]:
        self._waiting -= len(timeline.waiting)
        return timeline.run(self._answerless)

    def _close_all(self, timeline: Timeline) -> list[Ended]:
        ended: list[Ended] = []
        for one in sorted([*timeline.given_up, *timeline.open], key=lambda one: (one.due_us, one.kind)):
            is_at_edge = self._is_at_edge(one.first, one.due_us)
            ended += timeline.close(one, Closed.EDGE if is_at_edge else Closed.OVER)
        return ended

    def _is_at_edge(self, first: Seen, due_us: int) -> bool:
        return first.is_captured and self._reached.get(first.incarnation, (due_us, 0))[0] < due_us

    def _bound(self) -> list[Ended]:
        """Let go of whom was heard of longest ago, where there are too many."""
        ended: list[Ended] = []
        while self._waiting > MAX_WAITING or len(self._subscribers) > MAX_SUBSCRIBERS:
            _, timeline = self._subscribers.popitem(last=False)
            self.counts["subscribers_evicted"] += 1
            ended += self._run(timeline)
            for one in [*timeline.given_up, *timeline.open]:
                ended += timeline.close(one, Closed.EDGE)
        return ended

    # Out

    def _remember(self, ended: list[Ended], append_time_ms: int) -> None:
        """Keep which beginnings had no answer when they were told: a correction must not begin the same anew."""
        for one in ended:
            self._answerless.update(dict.fromkeys(one.answerless, append_time_ms))
        while self._answerless and append_time_ms - next(iter(self._answerless.values())) > self._corrected_ms:
            self._answerless.popitem(last=False)
        while len(self._answerless) > MAX_ANSWERLESS:
            self._answerless.popitem(last=False)
            self.counts["answerless_evicted"] += 1

    def _rows(self, ended: list[Ended]) -> list[Rows]:
        found: dict[tuple[str, int], tuple[list[bytes], list[bytes]]] = {}
        for one in ended:
            if not one.is_told:
                self.counts["procedures_unnamed"] += 1
                continue
            row = record(one)
            self.counts["procedures"] += 1
            self.counts[f"ended_{row['outcome']}"] += 1
            key = row["procedure_id"].encode()
            for topic, encoded in ((PROCEDURES, encode), (PROCEDURES_JSON, msgspec.json.encode)):
                if topic in self.facts.outputs:
                    place = topic, crc32(key) % self.facts.outputs[topic]
                    octets, keys = found.setdefault(place, ([], []))
                    octets.append(encoded(row))
                    keys.append(key)
        return [self.numbering.rows(*place, *both) for place, both in sorted(found.items())]
