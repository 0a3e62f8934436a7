"""One procedure while it runs: its steps so far, whether it is finished, and what became of it."""

from enum import Enum
from functools import cached_property

import msgspec

from schemas.identity import content_id
from streams.procedure_kinds import Key, Kind, Step, kinds
from streams.procedure_step import Seen

MAX_STEPS = 256  # requests of one procedure; the others are counted as left out


class Outcome(Enum):
    """What became of a procedure, as in procedure.avsc."""

    SUCCESS = "success"
    PARTIAL = "partial"  # all that was needed went well, something beside did not
    FAILED = "failed"
    ABANDONED = "abandoned"  # no next step within the guard time
    SUPERSEDED = "superseded"  # begun anew before it was finished
    INCOMPLETE = "incomplete"  # we may have missed the rest: the edge of a capture, loss, memory


class Closed(Enum):
    """Why a procedure was closed."""

    OVER = 0  # its time passed
    ANEW = 1
    EDGE = 2  # the capture ended, or it had to go


class Instance(msgspec.Struct, dict=True):
    """A procedure; `steps`: (step, request) by logical request, in the order they came.

    What follows from its steps is asked for more often than they change: it is kept until they do.
    """

    kind: str
    begun_by: str
    session: int | None
    first: Seen
    steps: dict[str, tuple[str, Seen]] = {}
    left_out: int = 0

    @property
    def definition(self) -> Kind:
        """Its kind."""
        return kinds()[self.kind]

    @property
    def is_defined(self) -> bool:
        """Whether its kind and steps are in the definition, which may have changed since it was begun."""
        kind = kinds().get(self.kind)
        return (
            kind is not None
            and self.begun_by in kind.begins
            and {name for name, _ in self.steps.values()} <= set(kind.steps)
        )

    @property
    def name(self) -> str:
        """What it is called: by the last of its requests that says of what sort it is."""
        found = self.kind
        for _, seen in sorted(self.steps.values(), key=lambda one: (one[1].request_us, one[1].logical)):
            found = self.definition.named.get(seen.result or "", found)
        return found

    @property
    def procedure_id(self) -> str:
        """The same for the same procedure, whoever sees it."""
        return content_id(self.kind, str(self.session), self.first.logical)

    @property
    def is_unnamed(self) -> bool:
        """Whether none of its requests told which subscriber it is about, where it is one's."""
        return self.definition.key is not Key.REQUEST and all(seen.supi is None for _, seen in self.steps.values())

    @property
    def begin_us(self) -> int:
        """When its first request began."""
        return min(seen.request_us for _, seen in self.steps.values())

    @property
    def last_us(self) -> int:
        """When it was heard of last."""
        return max(seen.end_us if not seen.is_unknown else seen.request_us for _, seen in self.steps.values())

    def take(self, step: str, seen: Seen) -> None:
        """Add a request, or say better what became of one."""
        if seen.logical not in self.steps and len(self.steps) >= MAX_STEPS:
            self.left_out += 1
        else:
            self.steps[seen.logical] = step, seen
            self.__dict__.clear()

    def is_good(self, step: str) -> bool:
        """Tell whether a step went well: for each PDU session that it was tried for, at last, and was to be."""
        if not all(any(self.went_well(step, seen) for seen in group) for group in self._attempts.get(step, ())):
            return False
        told = {seen.pdu_session_id for name, seen in self.steps.values() if name == step}
        led_to = self.definition.steps[step].follows
        if led_to is None or all(name != led_to for name, _ in self.steps.values()):
            return bool(told) or led_to is not None
        kept = self._kept(led_to, step)
        return bool(kept) and kept <= told

    def _kept(self, led_to: str, step: str) -> set[int | None]:
        """Return the PDU sessions for which `led_to` went well, without those that failed on the way to `step`."""
        lost = {seen.pdu_session_id for name, seen in self.failures if name != step}
        done = {
            seen.pdu_session_id for name, seen in self.steps.values() if name == led_to and self.went_well(name, seen)
        }
        return done - lost

    @cached_property
    def failures(self) -> list[tuple[str, Seen]]:
        """The failed requests for which no other attempt of the step did it, the first to fail first."""
        found = [
            (step, seen)
            for step, groups in self._attempts.items()
            for group in groups
            if not any(self.went_well(step, seen) for seen in group)
            for seen in group
            if not seen.is_unknown
        ]
        return sorted(found, key=lambda one: (one[1].end_us, one[1].request_us, one[0]))

    @cached_property
    def is_complete(self) -> bool:
        """Whether all that was needed went well."""
        return all(any(self.is_good(step) for step in need) for need in self.definition.begins[self.begun_by])

    @cached_property
    def due_us(self) -> int:
        """When it is over if nothing more comes."""
        kind = self.definition
        failures = self.failures
        final = bool(failures) and not all(seen.may_be_retried for _, seen in failures)
        return self.last_us + (kind.settle_us if final or self.is_complete else kind.guard_us)

    def outcome(self, closed: Closed) -> Outcome:
        """Return what became of it."""
        failures = self.failures
        if self.definition.key is Key.REQUEST and self.first.is_redirect:
            return Outcome.SUPERSEDED  # to be asked elsewhere; what becomes of that is a procedure of its own
        if self.is_complete:
            return Outcome.PARTIAL if failures else Outcome.SUCCESS
        if failures:
            return Outcome.FAILED
        if closed is Closed.EDGE or any(seen.is_unknown for _, seen in self.steps.values()):
            return Outcome.INCOMPLETE
        return Outcome.SUPERSEDED if closed is Closed.ANEW else Outcome.ABANDONED

    @cached_property
    def _attempts(self) -> dict[str, list[list[Seen]]]:
        """The requests by step, those for one PDU session (and resource, where each counts) together."""
        found: dict[str, dict[tuple[int | None, str | None], list[Seen]]] = {}
        for step, seen in self.steps.values():
            what = _what(seen) if self.definition.steps[step].is_each else None
            found.setdefault(step, {}).setdefault((seen.pdu_session_id, what), []).append(seen)
        return {step: list(groups.values()) for step, groups in found.items()}

    def went_well(self, step: str, seen: Seen) -> bool:
        """Tell whether a request did what its step is for."""
        kind = self.definition
        definition: Step = kind.steps[step]
        if definition.is_failure or seen.result in definition.fails:
            return False
        return seen.is_good or seen.status in kind.tolerates or seen.status in definition.tolerates


def _what(seen: Seen) -> str | None:
    """Return what was asked for; where that is not known, what nobody would have tried elsewhere stands alone."""
    return seen.resource or (None if seen.is_good or seen.may_be_retried else seen.logical)
