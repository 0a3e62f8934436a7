"""The report as PDF, for paper: the first page says it in words, the tables behind it say it in figures."""

import io
import re
from collections.abc import Sequence

from reportlab.graphics.shapes import Circle, Drawing, PolyLine, Rect, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from streams.report import chart
from streams.report.content import Line, Report
from streams.report.inert import visible
from streams.report.page import TITLES, heat_rows
from streams.report.sentences import change, completeness, points, summary
from streams.report.units import count, duration, moment, percent, size

INK, SOFT, RULE = colors.HexColor("#1b2330"), colors.HexColor("#5d6878"), colors.HexColor("#e1e5ea")
PAINT = {"good": "#3d85c6", "bad": "#d1495b", "dim": "#a9b2bd", "success": "#3d85c6"}
PAINT |= {"p50": "#8fb8de", "p95": "#3d85c6", "p99": "#17456e"}
BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9.5, leading=13.5, textColor=INK)
TITLE = ParagraphStyle("title", BODY, fontName="Helvetica-Bold", fontSize=18, leading=22)
HEAD = ParagraphStyle("head", BODY, fontName="Helvetica-Bold", fontSize=12, leading=16, spaceBefore=10, spaceAfter=4)
LOOK = TableStyle(
    [
        ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 7.5),
        ("FONT", (0, 1), (-1, -1), "Helvetica", 7.5),
        ("TEXTCOLOR", (0, 0), (-1, 0), SOFT),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
)
WIDEST = 52  # characters of a cell


def as_pdf(report: Report) -> bytes:
    """Return the document; the same report gives the same bytes. No text is markup, a link or a script."""
    out = io.BytesIO()
    paper = SimpleDocTemplate(
        out, pagesize=landscape(A4), title="SBI report", author="sbiscope", invariant=1,
        leftMargin=15 * mm, rightMargin=15 * mm, topMargin=14 * mm, bottomMargin=14 * mm,
    )  # fmt: skip
    paper.build([*_first_page(report), *_tables(report)], onFirstPage=_footer, onLaterPages=_footer)
    return out.getvalue()


def _footer(canvas: Canvas, paper: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", 7.5)
    canvas.setFillColor(SOFT)
    canvas.drawRightString(landscape(A4)[0] - 15 * mm, 8 * mm, f"sbiscope · page {paper.page}")


def _first_page(report: Report) -> list[Flowable]:
    total = report.total
    period = f"{moment(report.start_us)} to {moment(report.stop_us)} UTC, made {moment(report.made_us)} UTC"
    tiles = [
        ["requests", "success ratio", "failed", "unanswered", "unknown", "median", "95 %", "99 %", "bodies"],
        [
            count(total.requests),
            percent(total.success_ratio),
            *map(count, (total.failed, total.unanswered, total.unknown)),
            *map(duration, (total.p50_us, total.p95_us, total.p99_us)),
            size(total.body_bytes),
        ],
    ]
    makers = (chart.traffic, chart.success, chart.latency) if report.moments else ()
    drawings = [drawing(make(report.moments, report.step_us)) for make in makers]
    return [
        _text("Service-Based Interface report", TITLE),
        _text(period, BODY),
        Spacer(0, 8),
        Table(tiles, style=LOOK, hAlign="LEFT"),
        _text("In short", HEAD),
        *(_text(f"· {sentence}", BODY) for sentence in summary(report)),
        _text("What these figures rest on", HEAD),
        *(_text(f"· {sentence}", BODY) for sentence in completeness(report)),
        Spacer(0, 8),
        *drawings[:1],
        *([Table([drawings[1:]], hAlign="LEFT")] if drawings else []),
    ]


def _tables(report: Report) -> list[Flowable]:
    by = TITLES[report.by].capitalize()
    steps = sorted({one.up_to_us for one in report.heat})
    return [
        *_section("Operations that fail most", _lines(report, report.failing(), "Operation", operations=True)),
        *_section("Why they fail", [
            ["Operation", "Outcome", "Status", "Cause", "Count"],
            *([one.operation, one.outcome.replace("_", " "), _number(one.status), one.cause or "–", count(one.count)]
              for one in report.causes[:15]),
        ]),
        *_section("Slowest operations", _lines(report, report.slowest(), "Operation", operations=True)),
        *_section("How long answers take", [
            ["Operation", *(f"≤ {duration(step)}" for step in steps)],
            *([name, *(count(answers[step]) if step in answers else "" for step in steps)]
              for name, answers in heat_rows(report)),
        ]),
        *_section("Procedures", [
            ["Procedure", "Begun", "Success", "Failed", "Begun anew", "Unknown", "Median", "95 %"],
            *([one.kind.replace("_", " "), count(one.begun), percent(one.success_ratio),
               *map(count, (one.failed, one.superseded, one.unknown)), *map(duration, (one.p50_us, one.p95_us))]
              for one in report.procedures),
        ]),
        *_section("Where they break", [
            ["Procedure", "At step", "How", "Asked", "Status", "Cause", "Count"],
            *([one.kind.replace("_", " "), one.step or "–", one.outcome, one.producer or "–", _number(one.status),
               one.cause or "–", count(one.count)] for one in report.breaks[:20]),
        ]),
        *_section("Who talks to whom", [
            ["Consumer", "Producer", "Requests", "Success", "95 %"],
            *([one.consumer or "(not known)", one.producer or "(not known)", count(one.figures.requests),
               percent(one.figures.success_ratio), duration(one.figures.p95_us)] for one in report.pairs[:50]),
        ]),
        *_section(f"By {by}", _lines(report, list(report.lines[:50]), by, operations=False)),
    ]  # fmt: skip


def _lines(report: Report, lines: Sequence[Line], first: str, *, operations: bool) -> list[list[str]]:
    head = [first, "Requests", "Success", "Failed", "Unanswered", "Unknown", "Median", "95 %", "99 %", "Max"]
    rows = []
    for line in lines:
        figures = line.figures
        numbers = [count(figures.requests), percent(figures.success_ratio)]
        numbers += map(count, (figures.failed, figures.unanswered, figures.unknown))
        numbers += map(duration, (figures.p50_us, figures.p95_us, figures.p99_us, figures.max_us))
        if report.previous:
            old = report.before_operation(line.name) if operations else report.before_line(line.name)
            moved = change(figures.requests, old.requests if old else None)
            numbers += [moved, points(figures, old), change(figures.p95_us, old.p95_us if old else None)]
        rows.append([line.name or "(not known)", *numbers])
    return [[*head, *(["Requests +/-", "Success +/-", "95 % +/-"] if report.previous else [])], *rows]


def _section(title: str, rows: list[list[str]]) -> list[Flowable]:
    """Return a heading with its table, whose head is repeated on each page; nothing without rows."""
    if len(rows) < 2:
        return []
    written = [[_short(cell) for cell in row] for row in rows]
    whole = Table(written, style=LOOK, repeatRows=1, hAlign="LEFT")
    return [
        KeepTogether([_text(title, HEAD), whole]) if len(rows) < 20 else _text(title, HEAD),
        *([whole] * (len(rows) >= 20)),
    ]


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)


def _short(text: str) -> str:
    shown = _printable(text)
    return shown if len(shown) <= WIDEST else shown[: WIDEST - 1] + "…"


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    """Return a paragraph; reportlab reads markup in it, so nothing of it may look like that."""
    shown = _printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Paragraph(shown, style)


def _printable(text: str) -> str:
    """Return `text` in the characters of the standard fonts, others as escapes."""
    shown = visible(text).replace("≤", "up to")
    return shown.encode("cp1252", errors="backslashreplace").decode("cp1252")


def drawing(one: chart.Chart) -> Drawing:
    """Return a chart drawn from the geometry of the page's; there y grows downwards, here upwards."""
    scale = 0.72
    made = Drawing(one.width * scale, (chart.HEIGHT + 16) * scale)
    made.scale(scale, scale)
    top = chart.HEIGHT
    made.add(String(0, top + 4, f"{one.title}, {one.label}", fontSize=11, fillColor=INK))
    for tick in one.up:
        made.add(PolyLine([chart.LEFT, top - tick.at, one.width - chart.RIGHT, top - tick.at], strokeColor=RULE))
        made.add(String(chart.LEFT - 6, top - tick.at - 3, tick.text, fontSize=9, fillColor=SOFT, textAnchor="end"))
    for tick in one.across:
        made.add(String(tick.at, 6, tick.text, fontSize=9, fillColor=SOFT))
    for bar in one.bars:
        paint = colors.HexColor(PAINT[bar.kind])
        made.add(Rect(bar.x, top - bar.y - bar.height, bar.width, bar.height, fillColor=paint, strokeColor=None))
    for curve in one.curves:
        paint = colors.HexColor(PAINT[curve.kind])
        for part in filter(None, curve.path.split("M")):
            numbers = [float(number) for number in re.split(r"[L ]", part)]
            flipped = [top - value if place % 2 else value for place, value in enumerate(numbers)]
            made.add(PolyLine(flipped, strokeColor=paint, strokeWidth=1.5))
        for x, y in curve.points:
            made.add(Circle(x, top - y, 2, fillColor=paint, strokeColor=None))
    return made
