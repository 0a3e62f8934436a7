"""The report as rows of one shape, for tables: CSV, Parquet, spreadsheets."""

from collections.abc import Iterator
from dataclasses import fields

from streams.report.content import Figures, Report

FIGURES = tuple(field.name for field in fields(Figures))
KEYS = {
    "part": "total, step, by …, operation, pair, cause, heat, procedure or break",
    "name": "of the line; of a cause or heat its operation; of a break the kind of procedure",
    "consumer_nf": "of a pair",
    "producer_nf": "of a pair or a break",
    "start_us": "of a step",
    "outcome": "of a cause or a break",
    "status": "of a cause or a break",
    "cause": "of a cause or a break",
    "at_step": "of a break",
    "up_to_us": "of heat: answers above half of it, up to it",
}
BEFORE = ("previous_requests", "previous_success_ratio", "previous_p95_us")
COLUMNS = (*KEYS, *FIGURES, "success_ratio", *BEFORE)
TEXTS = frozenset({"part", "name", "consumer_nf", "producer_nf", "outcome", "cause", "at_step"})
RATIOS = frozenset({"success_ratio", "previous_success_ratio"})

Value = str | int | float | None
Row = dict[str, Value]


def rows(report: Report) -> Iterator[Row]:
    """Yield all rows, each with every one of COLUMNS; null where it does not apply or is not known."""
    before = report.previous.total if report.previous else None
    yield _row("total", report.total, before)
    for moment in report.moments:
        yield _row("step", moment.figures, None, start_us=moment.start_us)
    for line in report.lines:
        yield _row(f"by {report.by}", line.figures, report.before_line(line.name), name=line.name)
    for line in report.operations:
        yield _row("operation", line.figures, report.before_operation(line.name), name=line.name)
    for one in report.pairs:
        keys = {"consumer_nf": one.consumer, "producer_nf": one.producer}
        yield _row("pair", one.figures, report.before_pair(one.consumer, one.producer), **keys)
    yield from _counts(report)


def _counts(report: Report) -> Iterator[Row]:
    """Yield what is a count and no set of figures: the columns of what is counted are filled."""
    for cause in report.causes:
        keys = {"name": cause.operation, "outcome": cause.outcome, "status": cause.status, "cause": cause.cause}
        yield _bare("cause", **keys, failed=cause.count)
    for heat in report.heat:
        yield _bare("heat", name=heat.operation, up_to_us=heat.up_to_us, answered=heat.answers)
    for one in report.procedures:
        fates = {"requests": one.begun, "succeeded": one.succeeded, "failed": one.failed, "unknown": one.unknown}
        ratio = one.success_ratio
        yield _bare("procedure", name=one.kind, **fates, p50_us=one.p50_us, p95_us=one.p95_us, success_ratio=ratio)
    for broken in report.breaks:
        answer = {"producer_nf": broken.producer, "status": broken.status, "cause": broken.cause}
        keys = {"name": broken.kind, "at_step": broken.step, "outcome": broken.outcome}
        yield _bare("break", **keys, **answer, failed=broken.count)


def _row(part: str, figures: Figures, before: Figures | None, **keys: Value) -> Row:
    row = _bare(part, **keys) | {name: getattr(figures, name) for name in FIGURES}
    row["success_ratio"] = figures.success_ratio
    if before is not None:
        row |= dict(zip(BEFORE, (before.requests, before.success_ratio, before.p95_us), strict=True))
    return row


def _bare(part: str, **known: Value) -> Row:
    return dict.fromkeys(COLUMNS, None) | {"part": part} | known
