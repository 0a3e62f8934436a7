"""The report as one HTML page: charts as inline SVG, nothing loaded, nothing executed, all text escaped."""

import base64
import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from streams.report import chart, units
from streams.report.content import Figures, Report
from streams.report.inert import visible
from streams.report.sentences import change, completeness, points, summary

FOLDER = Path(__file__).parent
MATRIX = 20  # rows and columns of the NF matrix, and rows of the heat map, at most
TITLES = {
    "nf": "producer NF",
    "consumer": "consumer NF",
    "instance": "producer instance",
    "operation": "operation",
    "service": "service",
    "slice": "slice",
    "dnn": "data network",
    "plmn": "PLMN",
    "site": "site",
    "node": "node",
}


def page(report: Report) -> str:
    """Return the page. Its style is the only thing the content security policy admits, by digest."""
    style = (FOLDER / "page.css").read_text()
    pairs = {(one.consumer, one.producer): one.figures for one in report.pairs}
    makers = (chart.traffic, chart.success, chart.latency) if report.moments else ()
    busiest = max((figures.requests for figures in pairs.values()), default=1)
    template = _environment(busiest).get_template("page.html")
    return template.render(
        report=report,
        geometry=chart,
        charts=[make(report.moments, report.step_us) for make in makers],
        by_title=TITLES[report.by],
        matrix=pairs,
        heat_rows=heat_rows(report),
        heat_steps=sorted({one.up_to_us for one in report.heat}),
        sites=sorted({one.site for one in report.coverage}),
        consumers=_order(one.consumer for one in report.pairs),
        producers=_order(one.producer for one in report.pairs),
        style=Markup(style),  # noqa: S704 (our own file)
        style_digest=_digest(style),
    )


def _environment(busiest: int) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": units.count,
        "percent": units.percent,
        "duration": units.duration,
        "size": units.size,
        "moment": units.moment,
        "span": units.span,
        "mood": mood,
        "shown": shown,
        "heat": lambda figures: heat(figures, busiest),
    }
    words = {"summary": summary, "completeness": completeness, "change": change, "points": points, "shade": shade}
    environment.globals |= words
    return environment


def heat_rows(report: Report) -> list[tuple[str, dict[int, int]]]:
    """Return the operations answered most, busiest first, with their answers by step of duration."""
    found: dict[str, dict[int, int]] = {}
    for one in report.heat:
        found.setdefault(one.operation, {})[one.up_to_us] = one.answers
    return sorted(found.items(), key=lambda row: (-sum(row[1].values()), row[0]))[:MATRIX]


def shade(answers: int, row: dict[int, int]) -> int:
    """Return 1 to 4, by the share of the row's answers."""
    return 1 + min(3, int(4 * answers / sum(row.values())))


def shown(text: str | None) -> str:
    """Return captured text as the page shows it; None is a word of ours."""
    return "(not known)" if text is None else visible(text)


def mood(ratio: float | None) -> str:
    """Return how a success ratio is coloured: fine from 99 %, fair from 95 %, else poor."""
    if ratio is None:
        return "none"
    return "fine" if ratio >= 0.99 else "fair" if ratio >= 0.95 else "poor"


def heat(figures: Figures, busiest: int) -> int:
    """Return 1 to 4, by the square root of the requests against the busiest pair."""
    return 1 + min(3, int(4 * math.sqrt(figures.requests / max(busiest, 1))))


def _order(names: Iterable[str | None]) -> list[str | None]:
    """Return the first MATRIX names, in alphabetical order, the unknown one last; they come busiest first."""
    busiest = list(dict.fromkeys(names))[:MATRIX]
    return sorted(busiest, key=lambda name: (name is None, name or ""))


def _digest(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
