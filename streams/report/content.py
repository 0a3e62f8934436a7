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
class Report:
    """All of it. `by` names the dimension of `lines`; `step_us` the length of a moment."""

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
    coverage: tuple[Coverage, ...]
    logical_requests: int
    seen_at_both_ends: int

    def failing(self, most: int = 10) -> list[Line]:
        """Return the operations with most failures, worst first."""
        found = [line for line in self.operations if line.figures.failed]
        return sorted(found, key=lambda line: (-line.figures.failed, line.name or ""))[:most]

    def slowest(self, most: int = 10, answers: int = 5) -> list[Line]:
        """Return the operations with the highest 95th percentile among those answered at least `answers` times."""
        found = [line for line in self.operations if line.figures.answered >= answers]
        return sorted(found, key=lambda line: (-(line.figures.p95_us or 0), line.name or ""))[:most]

    def completeness(self) -> list[str]:
        """Return the sentences that say what these figures can be trusted for."""
        orphans = sum(one.orphan_responses for one in self.coverage)
        unreadable = sum(one.partial_headers + one.unreadable_headers for one in self.coverage)
        gaps = sum(one.gaps for one in self.coverage)
        sightings = sum(one.sightings for one in self.coverage)
        total = self.total
        known = _share(total.requests - total.unknown, total.requests)
        said = [f"{known} of {total.requests:,} requests have a known outcome."]
        if total.unknown:
            said.append(f"{total.unknown:,} ended as unknown: what became of them was not seen; they are in no ratio.")
        if unreadable:
            said.append(f"In {unreadable:,} of {sightings:,} sightings header fields could not be read: left empty.")
        if gaps:
            said.append(f"In {gaps:,} sightings bytes are known to be missing.")
        if orphans:
            said.append(f"Responses that came without a request that we saw: {orphans:,}; they are counted here only.")
        nodes = len({(one.site, one.node) for one in self.coverage})
        plural = "s" * (nodes != 1)
        twice = f"{self.seen_at_both_ends:,} exchanges were seen at more than one end and are counted once."
        said.append(f"Seen by {nodes:,} node{plural} or capture{plural}; {twice}")
        return said


def _share(part: int, whole: int) -> str:
    if not whole or part == whole:
        return "100 %"
    return f"{min(100 * part / whole, 99.99):.2f} %"
