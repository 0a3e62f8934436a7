"""The report for other programs: JSON, CSV and Markdown, all from the same figures."""

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from schemas.json_text import silent
from streams.report.content import Line, Report
from streams.report.flat import COLUMNS, rows
from streams.report.inert import cell, markdown, visible
from streams.report.sentences import completeness, summary
from streams.report.units import count, duration, moment, percent


def as_json(report: Report) -> str:
    """Return the whole report; times and durations in microseconds, ratios as numbers."""
    whole = _whole(report)
    whole["summary"] = summary(report)
    return silent(json.dumps(whole, ensure_ascii=False, indent=1).encode()).decode() + "\n"


def _whole(report: Report) -> dict[str, Any]:
    whole = asdict(report)
    whole["completeness"] = completeness(report)
    whole["total"]["success_ratio"] = report.total.success_ratio
    for name in ("moments", "lines", "operations", "pairs"):
        for written, line in zip(whole[name], getattr(report, name), strict=True):
            written["figures"]["success_ratio"] = line.figures.success_ratio
    for written, one in zip(whole["procedures"], report.procedures, strict=True):
        written["success_ratio"] = one.success_ratio
    whole["previous"] = None if report.previous is None else _whole(report.previous)
    return whole


def as_csv(report: Report) -> str:
    """Return the rows of streams/report/flat.py; text that a spreadsheet would take for a formula starts with '.

    Control characters are visible, as such a file is also looked at in a terminal.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([_shown(value) for value in row.values()] for row in rows(report))
    return out.getvalue()


def _shown(value: object) -> object:
    return cell(visible(value)) if isinstance(value, str) else value


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
        *(f"- {markdown(sentence)}" for sentence in summary(report)),
        "",
        "## What these figures rest on",
        "",
        *(f"- {markdown(sentence)}" for sentence in completeness(report)),
        *_lines(f"By {report.by}", list(report.lines[:50])),
        *_lines("Operations that fail most", report.failing()),
        *_section("Why they fail", ["", "outcome", "status", "cause", "count"], 1, _causes(report)),
        *_lines("Slowest operations", report.slowest()),
        *_section("Who talks to whom", ["consumer", "producer", "requests", "success"], 2, _pairs(report)),
        *_section(
            "Procedures", ["", "begun", "success", "failed", "unknown", "median", "95 %"], 1, _procedures(report)
        ),
        *_section("Where they break", ["", "at step", "how", "status", "cause", "count"], 5, _breaks(report)),
    ]
    return "\n".join(parts) + "\n"


def _lines(title: str, lines: list[Line]) -> list[str]:
    head = ["", "requests", "success", "failed", "unanswered", "unknown", "median", "95 %", "99 %"]
    rows = [
        [
            _text(line.name),
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
    return _section(title, head, 1, rows)


def _causes(report: Report) -> list[list[str]]:
    return [
        [
            _text(one.operation),
            one.outcome.replace("_", " "),
            str(one.status or "–"),
            _text(one.cause),
            count(one.count),
        ]
        for one in report.causes[:15]
    ]


def _pairs(report: Report) -> list[list[str]]:
    return [
        [_text(one.consumer), _text(one.producer), count(one.figures.requests), percent(one.figures.success_ratio)]
        for one in report.pairs[:50]
    ]


def _procedures(report: Report) -> list[list[str]]:
    return [
        [
            _text(one.kind.replace("_", " ")),
            count(one.begun),
            percent(one.success_ratio),
            count(one.failed),
            count(one.unknown),
            duration(one.p50_us),
            duration(one.p95_us),
        ]
        for one in report.procedures
    ]


def _breaks(report: Report) -> list[list[str]]:
    return [
        [_text(one.kind.replace("_", " ")), _text(one.step), one.outcome, str(one.status or "–"), _text(one.cause),
         count(one.count)]
        for one in report.breaks[:20]
    ]  # fmt: skip


def _text(text: str | None) -> str:
    return markdown(text or "(not known)")


def _section(title: str, head: list[str], texts: int, rows: list[list[str]]) -> list[str]:
    """Return a table, its first `texts` columns set left; nothing without rows."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return ["", f"## {title}", "", *(f"| {' | '.join(row)} |" for row in [head, rule, *rows])] if rows else []
