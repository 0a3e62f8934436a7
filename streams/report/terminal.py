"""The report as text for a terminal: no control byte of a captured string gets through."""

from collections.abc import Sequence

from streams.report.content import Figures, Line, Report
from streams.report.inert import visible
from streams.report.sentences import change, completeness, points
from streams.report.units import count, duration, moment, percent, size, span

HEAD = ("requests", "success", "failed", "unanswered", "unknown", "median", "95 %", "99 %", "max")


def terminal(report: Report) -> str:
    """Return the report's main tables as lines of text."""
    total = report.total
    numbers = f"{count(total.requests)} requests ({count(report.logical_requests)} without proxy hops)"
    fate = f"success {percent(total.success_ratio)}, {count(total.failed)} failed, {count(total.unknown)} unknown"
    waits = f"median {duration(total.p50_us)}, 95 % {duration(total.p95_us)}, 99 % {duration(total.p99_us)}"
    period = f"{moment(report.start_us)} to {moment(report.stop_us)} UTC ({span(report.stop_us - report.start_us)})"
    parts = [
        f"SBI report, {period}",
        "",
        f"  {numbers}, {fate}",
        f"  latency {waits}, bodies {size(total.body_bytes)}",
        *_compared(report),
        "",
        *(f"  {sentence}" for sentence in completeness(report)),
        *_section(f"By {report.by}", report.lines[:20]),
        *_section("Operations that fail most", report.failing()),
        *_causes(report),
        *_section("Slowest operations", report.slowest()),
        *_procedures(report),
    ]
    return "\n".join(parts) + "\n"


def _compared(report: Report) -> list[str]:
    if report.previous is None:
        return []
    now, before = report.total, report.previous.total
    period = f"{moment(report.previous.start_us)} to {moment(report.previous.stop_us)} UTC"
    asked, waits = change(now.requests, before.requests), change(now.p95_us, before.p95_us)
    return [f"  against {period}: {asked} requests, success {points(now, before)}, 95 % {waits}"]


def _procedures(report: Report) -> list[str]:
    if not report.procedures:
        return []
    rows = [
        [
            visible(one.kind.replace("_", " ")),
            count(one.begun),
            percent(one.success_ratio),
            *map(count, (one.failed, one.superseded, one.unknown)),
            *map(duration, (one.p50_us, one.p95_us)),
        ]
        for one in report.procedures
    ]
    head = ["", "begun", "success", "failed", "begun anew", "unknown", "median", "95 %"]
    breaks = [
        [_name(one.kind.replace("_", " ")), _name(one.step), one.outcome, str(one.status or "–"), count(one.count)]
        for one in report.breaks[:10]
    ]
    where = table(["", "at step", "how", "status", "count"], breaks, [True] * 4 + [False]) if breaks else []
    return ["", "Procedures", *table(head, rows, [True] + [False] * 7), *([""] if where else []), *where]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[bool]) -> list[str]:
    """Return aligned lines; `texts` tells which columns are text, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [
            text.ljust(width) if texts[place] else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _section(title: str, lines: Sequence[Line]) -> list[str]:
    if not lines:
        return []
    rows = [[_name(line.name), *_cells(line.figures)] for line in lines]
    return ["", title, *table(["", *HEAD], rows, [True] + [False] * len(HEAD))]


def _causes(report: Report) -> list[str]:
    rows = [
        [
            _name(one.operation),
            one.outcome,
            "–" if one.status is None else str(one.status),
            "–" if one.cause is None else _name(one.cause),
            count(one.count),
        ]
        for one in report.causes[:10]
    ]
    if not rows:
        return []
    return ["", "Why they fail", *table(["", "outcome", "status", "cause", "count"], rows, [True] * 4 + [False])]


def _cells(figures: Figures) -> list[str]:
    return [
        count(figures.requests),
        percent(figures.success_ratio),
        count(figures.failed),
        count(figures.unanswered),
        count(figures.unknown),
        *map(duration, (figures.p50_us, figures.p95_us, figures.p99_us, figures.max_us)),
    ]


def _name(text: str | None) -> str:
    shown = "(not known)" if text is None else visible(text)
    return shown if len(shown) <= 60 else shown[:59] + "…"
