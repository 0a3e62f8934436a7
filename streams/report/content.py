"""What stands in a report: the figures of a period, cut in several ways, and what they rest on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Key figures of a set of exchanges, each exchange once; requests = succeeded + failed + unknown.

    Succeeded: outcome success, redirect or business (a negative answer that is normal). Unknown: we cannot tell,
    because bytes were lost or the collector was not there; it is in no ratio. Durations: last byte of the request to
    first byte of the response, microseconds, nearest rank; null without an answer.
    """

    requests: int
    answered: int
    succeeded: int
    failed: int
    unknown: int
    client_errors: int
    server_errors: int
    hidden_failures: int
    unanswered: int
    late: int
    resets: int
    retransmitted: int
    body_bytes: int
    p50_us: int | None
    p90_us: int | None
    p95_us: int | None
    p99_us: int | None
    max_us: int | None

    @property
    def success_ratio(self) -> float | None:
        """Succeeded of those whose outcome is known; None if none is."""
        known = self.succeeded + self.failed
        return self.succeeded / known if known else None


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of time."""

    start_us: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Line:
    """One member of a dimension: an operation, an NF, a slice …; name None: not known."""

    name: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Pair:
    """One consumer NF type and one producer NF type."""

    consumer: str | None
    producer: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class Cause:
    """One way in which an operation failed."""

    operation: str
    outcome: str
    status: int | None
    cause: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one node saw from one vantage: sightings of exchanges and what was not whole in them."""

    site: str
    node: str
    vantage: str
    sightings: int
    incarnations: int
    orphan_responses: int
    unknown_outcomes: int
    partial_headers: int
    unreadable_headers: int
    gaps: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Heat:
    """Answers of one operation whose duration lies in one step: above half of `up_to_us`, up to it."""

    operation: str
    up_to_us: int
    answers: int


@dataclass(frozen=True, slots=True)
class Procedure:
    """One kind of procedure, each counted where it began; durations are those of the successful ones."""

    kind: str
    begun: int
    succeeded: int
    failed: int
    superseded: int
    unknown: int
    p50_us: int | None
    p95_us: int | None

    @property
    def success_ratio(self) -> float | None:
        """Succeeded of those whose end is known; None if none is."""
        known = self.succeeded + self.failed
        return self.succeeded / known if known else None


@dataclass(frozen=True, slots=True)
class Break:
    """Where procedures of one kind broke: at which step, with which answer of whom."""

    kind: str
    step: str | None
    outcome: str
    producer: str | None
    status: int | None
    cause: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `by` names the dimension of `lines`; `step_us` the length of a moment; `previous`: compared with."""

    start_us: int
    stop_us: int
    made_us: int
    step_us: int
    by: str
    total: Figures
    moments: tuple[Moment, ...]
    lines: tuple[Line, ...]
    operations: tuple[Line, ...]
    pairs: tuple[Pair, ...]
    causes: tuple[Cause, ...]
    heat: tuple[Heat, ...]
    procedures: tuple[Procedure, ...]
    breaks: tuple[Break, ...]
    coverage: tuple[Coverage, ...]
    logical_requests: int
    seen_at_both_ends: int
    previous: "Report | None" = None

    def failing(self, most: int = 10) -> list[Line]:
        """Return the operations with most failures, worst first."""
        found = [line for line in self.operations if line.figures.failed]
        return sorted(found, key=lambda line: (-line.figures.failed, line.name or ""))[:most]

    def slowest(self, most: int = 10, answers: int = 5) -> list[Line]:
        """Return the operations with the highest 95th percentile among those answered at least `answers` times."""
        found = [line for line in self.operations if line.figures.answered >= answers]
        return sorted(found, key=lambda line: (-(line.figures.p95_us or 0), line.name or ""))[:most]

    def before_line(self, name: str | None) -> Figures | None:
        """Return the figures of a line of the dimension in the report compared with; None where there are none."""
        return _of(self.previous.lines, name) if self.previous else None

    def before_operation(self, name: str | None) -> Figures | None:
        """Return those of an operation."""
        return _of(self.previous.operations, name) if self.previous else None

    def before_pair(self, consumer: str | None, producer: str | None) -> Figures | None:
        """Return those of a pair of NF types."""
        pairs = self.previous.pairs if self.previous else ()
        return next((one.figures for one in pairs if (one.consumer, one.producer) == (consumer, producer)), None)


def _of(lines: tuple[Line, ...], name: str | None) -> Figures | None:
    return next((line.figures for line in lines if line.name == name), None)
