"""A ladder as one HTML page: an inline SVG, nothing loaded, nothing executed, all text escaped."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from streams.ladder.content import Bracket, Ladder
from streams.report import units
from streams.report.inert import visible

FOLDER = Path(__file__).parent
LEFT, TOP, GAP, STEP = 290, 60, 120, 28  # of the drawing, in its units
LANE = 14


def page(ladder: Ladder) -> str:
    """Return the page. Its style is the only thing the content security policy admits, by digest."""
    style = (FOLDER / "page.css").read_text()
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": units.duration, "moment": units.moment, "count": units.count, "shown": visible}
    placed = lanes(ladder.brackets)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        ladder=ladder,
        x={name: LEFT + GAP // 2 + GAP * place for place, name in enumerate(ladder.lifelines)},
        lanes=placed,
        depth=1 + max((lane for lane, _ in placed), default=0),
        left=LEFT,
        top=TOP,
        step=STEP,
        lane_width=LANE,
        width=LEFT + GAP * max(len(ladder.lifelines), 1) + 510,
        height=TOP + STEP * (len(ladder.arrows) + 1),
        style=Markup(style),  # noqa: S704 (our own file)
        style_digest=f"sha256-{digest}",
    )


def lanes(brackets: tuple[Bracket, ...]) -> list[tuple[int, Bracket]]:
    """Return the brackets with the lane of each: those that overlap stand beside each other."""
    ends: list[int] = []
    placed = []
    for one in brackets:
        lane = next((number for number, end in enumerate(ends) if end < one.first), len(ends))
        ends[lane : lane + 1] = [one.last]
        placed.append((lane, one))
    return placed
