"""The requests of one subscriber in the order they began, and the procedures that they make."""

from collections.abc import Container, Iterable, Iterator

import msgspec

from streams.procedure_instance import Closed, Instance, Outcome
from streams.procedure_kinds import Key, Kind, Step, steps_by_operation
from streams.procedure_step import Seen, together

MAX_RECENT = 32
LONGEST_DEADLINE_US = 61_000_000  # so long after its beginning any request is told (DESIGN 6: at most 60 s)


class Ended(msgspec.Struct, frozen=True):
    """A procedure that is over."""

    instance: Instance
    outcome: Outcome

    @property
    def is_told(self) -> bool:
        """Whether it is published; else the end that knows the subscriber tells it."""
        return not self.instance.is_unnamed or self.outcome is Outcome.FAILED

    @property
    def answerless(self) -> list[str]:
        """What names its requests that have no answer and may begin a procedure of its kind (`beginning`)."""
        one = self.instance
        begins = one.definition.begins if self.is_told else {}
        return [
            beginning(one.kind, seen) for step, seen in one.steps.values() if seen.status is None and step in begins
        ]


def beginning(kind: str, seen: Seen) -> str:
    """Return what names a request as the beginning of a procedure of a kind."""
    return f"{kind}/{seen.logical}"


class Timeline(msgspec.Struct):
    """One subscriber. `waiting`: requests not looked at yet, since earlier ones may still come, by logical request.

    `last_us`: the latest event time heard of; `last_ms`: the append time of that message. `capture`: the incarnation of
    the capture that it comes from, empty where it is live. `next_ms`: when it is looked at next.
    `deadline_ms`: the longest that one of its requests was waited for. `given_up`: procedures whose guard time passed
    without a failure: a request begun in time may still be waited for, then that is why nothing followed.
    """

    waiting: dict[str, Seen] = {}
    waiting_since_ms: int = 0
    open: list[Instance] = []
    recent: list[Seen] = []
    last_us: int = 0
    last_ms: int = 0
    capture: str = ""
    next_ms: int = 0
    deadline_ms: int = 0
    given_up: list[Instance] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waited for."""
        return not (self.waiting or self.open or self.given_up)

    @property
    def next_us(self) -> int:
        """When the next procedure is over if nothing more comes."""
        late = [one.due_us + LONGEST_DEADLINE_US for one in self.given_up]
        return min([one.due_us for one in self.open] + late)

    def keep_defined(self) -> None:
        """Let go of procedures that a changed procedures.yaml no longer defines as they were begun."""
        self.open = [one for one in self.open if one.is_defined]
        self.given_up = [one for one in self.given_up if one.is_defined]

    def add(self, seen: Seen, append_time_ms: int) -> None:
        """Note a request; `run` looks at it."""
        if not self.waiting:
            self.waiting_since_ms = append_time_ms
        known = self.waiting.get(seen.logical)
        self.waiting[seen.logical] = seen if known is None else together(known, seen)
        self.last_us = max(self.last_us, seen.end_us if seen.is_good else seen.request_us)
        self.last_ms = append_time_ms
        self.deadline_ms = max(self.deadline_ms, seen.deadline_ms)
        self.capture = seen.incarnation if seen.is_captured else ""

    def run(self, told: Container[str]) -> list[Ended]:
        """Look at all that waits, in the order it began; return what is over by that.

        `told`: the answerless beginnings (Ended.answerless) of procedures told before. A late answer to one of them is
        a correction of what is over: it begins nothing and is no step of what is open.
        """
        ended: list[Ended] = []
        told_now: set[str] = set()  # where much came late, what is over and its late answer are looked at together
        for seen in _once(sorted(self.waiting.values(), key=lambda one: (one.request_us, one.logical))):
            over = [*self.close_due(seen.request_us, Closed.OVER), *self._close_ended_by(seen)]
            told_now.update(_answerless(over))
            for kind, step in steps_by_operation().get(seen.operation, ()):
                if step.is_met(seen):
                    name = beginning(kind.name, seen)
                    over += self._meet(kind, step, seen, name in told or name in told_now)
            told_now.update(_answerless(over))
            ended += over
            self.recent = [*self.recent[1 - MAX_RECENT :], seen]
        self.waiting = {}
        return ended

    def close_due(self, now_us: int, closed: Closed) -> list[Ended]:
        """Close what is over by `now_us`."""
        due = sorted((one.due_us, one.kind, place) for place, one in enumerate(self.open) if one.due_us <= now_us)
        ended: list[Ended] = []
        for one in [self.open[place] for _, _, place in due]:
            if one.outcome(closed) is Outcome.ABANDONED:
                self.open.remove(one)
                self.given_up.append(one)
            else:
                ended += self.close(one, closed)
        return ended + self._close_given_up(now_us)

    def _close_given_up(self, now_us: int) -> list[Ended]:
        """Close what was given up so long before `now_us` that nothing of it can still be waited for."""
        over = [one for one in self.given_up if one.due_us + LONGEST_DEADLINE_US <= now_us]
        return [ended for one in over for ended in self.close(one, Closed.OVER)]

    def _close_ended_by(self, seen: Seen) -> list[Ended]:
        """Close what a request says is over: the life of a session or of a registration begins or ends by it."""
        over = [
            one
            for one in self.open
            if seen.operation in one.definition.over_by
            and one.session in (None, seen.pdu_session_id)
            and seen.logical not in one.steps
        ]
        return [ended for one in over for ended in self.close(one, Closed.ANEW)]

    def close(self, instance: Instance, closed: Closed) -> list[Ended]:
        """Close one procedure."""
        (self.open if instance in self.open else self.given_up).remove(instance)
        return [Ended(instance, instance.outcome(closed))]

    def _meet(self, kind: Kind, step: Step, seen: Seen, is_told: bool) -> Iterator[Ended]:
        """Let a request be a step of what is open, or begin a procedure; `is_told`: of a procedure that is over."""
        if kind.key is Key.REQUEST:
            is_known = is_told or any(one.logical == seen.logical for one in self.recent)
            if step.name in kind.begins and not is_known:
                instance = Instance(kind.name, step.name, seen.pdu_session_id, seen)
                instance.take(step.name, seen)
                yield Ended(instance, instance.outcome(Closed.OVER))
            return
        if seen.whose is None or (is_told and not self._has(kind, seen)):
            return
        if (late := self._given_up(kind, seen)) is not None:
            late.take(step.name, seen)
            if late.outcome(Closed.OVER) is not Outcome.ABANDONED:
                yield from self.close(late, Closed.OVER)
            return
        instance_or_none = self._open(kind, seen)
        may_begin = not is_told and self._may_begin(kind, step, seen)
        if may_begin and _begins(kind, instance_or_none, step.name, seen):
            if instance_or_none is not None:
                yield from self.close(instance_or_none, Closed.ANEW)
            instance_or_none = self._begin(kind, step, seen)
        if instance_or_none is not None and not (step.is_failure and instance_or_none.is_complete):
            instance_or_none.take(step.name, seen)

    def _has(self, kind: Kind, seen: Seen) -> bool:
        """Tell whether a request is one of what is not over."""
        return any(one.kind == kind.name and seen.logical in one.steps for one in (*self.open, *self.given_up))

    def _given_up(self, kind: Kind, seen: Seen) -> Instance | None:
        """Return the procedure given up that a request belongs to which began in its time and was told after it."""
        found = [one for one in self.given_up if one.begin_us <= seen.request_us <= one.due_us]
        return _own(found, kind, seen)

    def _open(self, kind: Kind, seen: Seen) -> Instance | None:
        """Return the open procedure that a request belongs to."""
        return _own(self.open, kind, seen)

    def _begin(self, kind: Kind, step: Step, seen: Seen) -> Instance:
        session = seen.pdu_session_id if kind.key is Key.SESSION else None
        instance = Instance(kind.name, step.name, session, seen)
        for before, earlier in self._before(kind, session, seen):
            instance.take(before.name, earlier)
        self.open.append(instance)
        return instance

    def _before(self, kind: Kind, session: int | None, seen: Seen) -> Iterator[tuple[Step, Seen]]:
        """Yield what came shortly before a beginning and belongs to it."""
        for earlier in self.recent:
            is_of_it = session is None or earlier.pdu_session_id in (None, session)
            if is_of_it and earlier.request_us >= seen.request_us - kind.lookback_us:
                for other, step in steps_by_operation().get(earlier.operation, ()):
                    if other is kind and step.before and step.is_met(earlier):
                        yield step, earlier

    def _may_begin(self, kind: Kind, step: Step, seen: Seen) -> bool:
        """Tell whether a step begins a procedure: where another must have come before it, only if that did."""
        if step.name not in kind.begins:
            return False
        found = self._before(kind, seen.pdu_session_id, seen) if step.after else iter(())
        return step.after is None or any(one.name == step.after for one, _ in found)


def _answerless(ended: Iterable[Ended]) -> Iterator[str]:
    return (name for one in ended for name in one.answerless)


def _own(instances: list[Instance], kind: Kind, seen: Seen) -> Instance | None:
    """Return which of these a request belongs to: without a session id, the only one of its kind."""
    found = [one for one in instances if one.kind == kind.name]
    if kind.key is Key.SESSION and seen.pdu_session_id is not None:
        found = [one for one in found if one.session == seen.pdu_session_id]
    return found[0] if len(found) == 1 else None


def _once(requests: list[Seen]) -> Iterator[Seen]:
    """Yield the requests without the hops to a proxy whose onward hop is there: begun later, answered earlier."""
    for place, seen in enumerate(requests):
        if not seen.is_hop_without_key or not any(seen.encloses(other) for other in requests[place + 1 :]):
            yield seen


def _begins(kind: Kind, instance: Instance | None, step: str, seen: Seen) -> bool:
    """Tell whether a request that may begin a procedure begins one, beside what is open."""
    if kind.key is Key.SESSION and seen.pdu_session_id is None:
        return False
    if instance is None:
        return True
    if seen.logical in instance.steps or seen.result in kind.again:
        return False
    session = seen.pdu_session_id
    before = [one for name, one in instance.steps.values() if name == step and one.pdu_session_id == session]
    if step == instance.begun_by:
        if not before:  # another PDU session of the same subscriber
            return instance.is_complete
        return before[-1].is_good or not before[-1].may_be_retried
    if kind.is_ordered and kind.rank(step) < kind.rank(instance.begun_by):
        return True
    return bool(before) and instance.is_complete
