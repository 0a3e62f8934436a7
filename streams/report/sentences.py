"""What a report says in words: what happened, what changed, and what the figures can be trusted for."""

from streams.report.content import Figures, Report
from streams.report.units import count, duration, moment, percent

NOTABLE = 0.000_05  # a success ratio that moved by less shows no digit of it


def summary(report: Report) -> list[str]:
    """Return the sentences of the first page: fate, change, worst operation, worst cause, procedures, slowest."""
    total = report.total
    fate = f"{count(total.failed)} failed, {count(total.unknown)} are unknown"
    known = f"{percent(total.success_ratio)} of those with a known outcome succeeded"
    said = [f"{count(total.requests)} requests: {known}, {fate}.", *_changes(report)]
    if failing := report.failing(1):
        worst = failing[0]
        share = percent(worst.figures.failed / total.failed)
        said.append(f"{worst.name} fails most: {count(worst.figures.failed)} times, {share} of all failures.")
    if report.causes:
        top = report.causes[0]
        how = " ".join(str(part) for part in (top.outcome.replace("_", " "), top.status, top.cause) if part is not None)
        said.append(f"Most frequent failure: {top.operation}, {how}, {count(top.count)} times.")
    said += _procedures(report)
    if slowest := report.slowest(1):
        worst = slowest[0]
        most, half = duration(worst.figures.p95_us), duration(worst.figures.p50_us)
        said.append(f"{worst.name} is slowest: 95 % of its answers begin within {most}, half within {half}.")
    return said


def _changes(report: Report) -> list[str]:
    if report.previous is None:
        return []
    before = report.previous.total
    period = f"{moment(report.previous.start_us)} to {moment(report.previous.stop_us)}"
    asked, waits = change(report.total.requests, before.requests), change(report.total.p95_us, before.p95_us)
    ratio = points(report.total, before)
    return [f"Against {period}: {asked} requests, success ratio {ratio}, 95th percentile {waits}."]


def _procedures(report: Report) -> list[str]:
    broken = [one for one in report.procedures if one.failed]
    if not report.procedures:
        return []
    if not broken:
        many = sum(one.begun for one in report.procedures)
        return [f"{count(many)} procedures of {len(report.procedures)} kinds were begun, none is known to have failed."]
    worst = max(broken, key=lambda one: (one.failed, one.kind))
    where = next((one.step for one in report.breaks if one.kind == worst.kind), None)
    at = f", most at {where}" if where else ""
    kind, ratio = worst.kind.replace("_", " "), percent(worst.success_ratio)
    return [f"Of {count(worst.begun)} procedures {kind} {count(worst.failed)} failed{at}; {ratio} succeeded."]


def change(now: int | None, before: int | None) -> str:
    """Return how a figure moved, in percent of what it was; a dash where that cannot be told."""
    if now is None or not before:
        return "–"
    moved = 100 * (now - before) / before
    return "±0 %" if now == before else f"{moved:+.1f} %"


def points(now: Figures, before: Figures | None) -> str:
    """Return how a success ratio moved, in percentage points; a dash where that cannot be told."""
    if before is None or now.success_ratio is None or before.success_ratio is None:
        return "–"
    moved = now.success_ratio - before.success_ratio
    return "unchanged" if abs(moved) < NOTABLE else f"{100 * moved:+.2f} points"


def completeness(report: Report) -> list[str]:
    """Return the sentences that say what these figures can be trusted for."""
    orphans = sum(one.orphan_responses for one in report.coverage)
    unreadable = sum(one.partial_headers + one.unreadable_headers for one in report.coverage)
    gaps = sum(one.gaps for one in report.coverage)
    sightings = sum(one.sightings for one in report.coverage)
    total = report.total
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
    nodes = len({(one.site, one.node) for one in report.coverage})
    plural = "s" * (nodes != 1)
    twice = f"{report.seen_at_both_ends:,} exchanges were seen at more than one end and are counted once."
    said.append(f"Seen by {nodes:,} node{plural} or capture{plural}; {twice}")
    unfinished = sum(one.unknown for one in report.procedures)
    if unfinished:
        said.append(f"Of {unfinished:,} procedures we may have missed the rest; they are in no ratio.")
    return said


def _share(part: int, whole: int) -> str:
    if not whole or part == whole:
        return "100 %"
    return f"{min(100 * part / whole, 99.99):.2f} %"
