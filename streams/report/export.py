"""The report for other programs: JSON, CSV and Markdown, all from the same figures."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, fields

from streams.report.content import Figures, Line, Report
from streams.report.inert import cell, markdown
from streams.report.units import count, duration, moment, percent

COLUMNS = tuple(field.name for field in fields(Figures))


def as_json(report: Report) -> str:
    """Return the whole report; times and durations in microseconds, ratios as numbers."""
    whole = asdict(report)
    whole["completeness"] = report.completeness()
    whole["total"]["success_ratio"] = report.total.success_ratio
    for name in ("moments", "lines", "operations", "pairs"):
        for written, line in zip(whole[name], getattr(report, name), strict=True):
            written["figures"]["success_ratio"] = line.figures.success_ratio
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def as_csv(report: Report) -> str:
    """Return one row a set of figures: the total, each step, line of the dimension, operation and pair of NFs."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["part", "name", "consumer_nf", "producer_nf", "start_us", *COLUMNS, "success_ratio"])

    for keys, figures in _sets(report):
        values = [getattr(figures, column) for column in COLUMNS]
        writer.writerow([cell(value) for value in (*keys, *values, figures.success_ratio)])
    return out.getvalue()


def _sets(report: Report) -> Iterator[tuple[tuple[str | int | None, ...], Figures]]:
    yield ("total", None, None, None, None), report.total
    yield from ((("step", None, None, None, one.start_us), one.figures) for one in report.moments)
    yield from (((f"by {report.by}", one.name, None, None, None), one.figures) for one in report.lines)
    yield from ((("operation", one.name, None, None, None), one.figures) for one in report.operations)
    yield from ((("pair", None, one.consumer, one.producer, None), one.figures) for one in report.pairs)


def as_markdown(report: Report) -> str:
    """Return the main tables as Markdown."""
    total = report.total
    ratio = f"success **{percent(total.success_ratio)}**"
    fate = f"{count(total.failed)} failed, {count(total.unknown)} unknown"
    figures = f"**{count(total.requests)}** requests, {ratio}, {fate}."
    parts = [
        "# SBI report",
        "",
        f"{moment(report.start_us)} to {moment(report.stop_us)} UTC",
        "",
        figures,
        "",
        *(f"- {markdown(sentence)}" for sentence in report.completeness()),
        *_section(f"By {report.by}", list(report.lines[:50])),
        *_section("Operations that fail most", report.failing()),
        *_section("Slowest operations", report.slowest()),
    ]
    return "\n".join(parts) + "\n"


def _section(title: str, lines: list[Line]) -> list[str]:
    head = ["", "requests", "success", "failed", "unanswered", "unknown", "median", "95 %", "99 %"]
    rows = [
        [
            markdown(line.name or "(not known)"),
            count(line.figures.requests),
            percent(line.figures.success_ratio),
            count(line.figures.failed),
            count(line.figures.unanswered),
            count(line.figures.unknown),
            duration(line.figures.p50_us),
            duration(line.figures.p95_us),
            duration(line.figures.p99_us),
        ]
        for line in lines
    ]
    written = [f"| {' | '.join(row)} |" for row in [head, ["---", *["---:"] * 8], *rows]]
    return ["", f"## {title}", "", *written]
