"""Where the marks of a chart stand: geometry for the inline SVG of the page, which writes and escapes it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.report.content import Figures, Moment
from streams.report.units import count, duration, moment, percent

WIDE, NARROW, HEIGHT = 1_060, 516, 220  # the traffic, and the two beside each other
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 10, 24


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place in pixels and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `kind` is its style."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line, broken where there is no value; `kind` is its style, points are single values without neighbours."""

    path: str
    points: tuple[tuple[float, float], ...]
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One step of time as a hover area with its figures in words."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, ready to be written."""

    title: str
    label: str
    width: int
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    curves: tuple[Curve, ...]
    slots: tuple[Slot, ...]


def traffic(moments: Sequence[Moment], step_us: int) -> Chart:
    """Return requests in each step, stacked by what became of them."""
    steps = filled(moments, step_us)
    high = nice(max(one.figures.requests if one.figures else 0 for one in steps))
    bars = []
    for place, one in enumerate(steps):
        base = 0
        for kind, value in _stack(one.figures):
            if value:
                bars.append(_bar(WIDE, place, len(steps), base, base + value, high, kind))
                base += value
    up = _up(0, high, lambda value: count(round(value)))
    slots = _slots(WIDE, steps, _traffic_text)
    return Chart("Traffic", f"requests every {_step(step_us)}", WIDE, _across(WIDE, steps), up, tuple(bars), (), slots)


def success(moments: Sequence[Moment], step_us: int) -> Chart:
    """Return the success ratio in each step; the axis begins below the worst."""
    steps = filled(moments, step_us)
    ratios = [one.figures.success_ratio if one.figures else None for one in steps]
    worst = min((ratio for ratio in ratios if ratio is not None), default=0.0)
    low = next((bound for bound in (0.99, 0.95, 0.9, 0.8, 0.5) if worst >= bound + (1 - bound) * 0.1), 0.0)
    curve = _curve(ratios, low, 1.0, "success", "success ratio")
    up = _up(low, 1.0, lambda value: f"{value:.1%}".replace(".0%", "%").replace("%", " %"))
    label, slots = "of requests with a known outcome", _slots(NARROW, steps, _success_text)
    return Chart("Success ratio", label, NARROW, _across(NARROW, steps), up, (), (curve,), slots)


def latency(moments: Sequence[Moment], step_us: int) -> Chart:
    """Return the percentiles of the duration in each step."""
    steps = filled(moments, step_us)
    wanted: tuple[tuple[str, str, Callable[[Figures], int | None]], ...] = (
        ("p99", "99 %", lambda figures: figures.p99_us),
        ("p95", "95 %", lambda figures: figures.p95_us),
        ("p50", "median", lambda figures: figures.p50_us),
    )
    columns = [[of(one.figures) if one.figures else None for one in steps] for _, _, of in wanted]
    high = nice(max((value for column in columns for value in column if value is not None), default=1))
    curves = tuple(_curve(column, 0, high, kind, name) for column, (kind, name, _) in zip(columns, wanted, strict=True))
    up = _up(0, high, lambda value: duration(round(value)) if value else "0")
    label, slots = "until the response begins", _slots(NARROW, steps, _latency_text)
    return Chart("Latency", label, NARROW, _across(NARROW, steps), up, (), curves, slots)


@dataclass(frozen=True, slots=True)
class Step:
    """A moment, or a step in which nothing was seen."""

    start_us: int
    figures: Figures | None


def filled(moments: Sequence[Moment], step_us: int) -> list[Step]:
    """Return every step from the first moment to the last, at most 400; those between moments are empty."""
    known = {one.start_us: one.figures for one in moments}
    first, last = moments[0].start_us, moments[-1].start_us
    total = min((last - first) // step_us + 1, 400)
    return [Step(start, known.get(start)) for start in range(first, first + total * step_us, step_us)]


def nice(value: float) -> float:
    """Return the next number above `value` (at least 1) that divides well: 1, 2, 2.5 or 5 times a power of ten."""
    value = max(value, 1)
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if factor * power >= value)


def _stack(figures: Figures | None) -> list[tuple[str, int]]:
    return [] if figures is None else [("bad", figures.failed), ("dim", figures.unknown), ("good", figures.succeeded)]


def _x(full: int, place: int, steps: int) -> float:
    return round(LEFT + (full - LEFT - RIGHT) * place / steps, 2)


def _y(value: float, low: float, high: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low)), 2)


def _bar(full: int, place: int, steps: int, base: float, top: float, high: float, kind: str) -> Bar:
    x, y, width = _x(full, place, steps), _y(top, 0, high), (full - LEFT - RIGHT) / steps
    gap = 1 if width > 4 else 0
    return Bar(x, y, round(max(width - gap, 0.5), 2), round(max(_y(base, 0, high) - y, 0.4), 2), kind)


def _curve(values: Sequence[float | None], low: float, high: float, kind: str, name: str) -> Curve:
    path, points, pen = [], [], False
    width = (NARROW - LEFT - RIGHT) / len(values)
    for place, value in enumerate(values):
        if value is None:
            pen = False
            continue
        x, y = round(_x(NARROW, place, len(values)) + width / 2, 2), _y(value, low, high)
        path.append(f"{'L' if pen else 'M'}{x} {y}")
        alone = not pen and (place + 1 == len(values) or values[place + 1] is None)
        points += [(x, y)] if alone else []
        pen = True
    return Curve("".join(path), tuple(points), kind, name)


def _across(full: int, steps: Sequence[Step]) -> tuple[Tick, ...]:
    """Return about a time each 120 pixels; with the date where the steps span days."""
    days = moment(steps[0].start_us)[:10] != moment(steps[-1].start_us)[:10]
    every = max(1, math.ceil(len(steps) * 120 / full))
    shown = slice(5, 16) if days else slice(11, None)
    places = [place for place in range(0, len(steps), every) if _x(full, place, len(steps)) < full - 70]
    return tuple(Tick(_x(full, place, len(steps)), moment(steps[place].start_us)[shown]) for place in places)


def _up(low: float, high: float, text: Callable[[float], str]) -> tuple[Tick, ...]:
    values = [low + (high - low) * part / 4 for part in range(5)]
    return tuple(Tick(_y(value, low, high), text(value)) for value in values)


def _slots(full: int, steps: Sequence[Step], text: Callable[[Figures], str]) -> tuple[Slot, ...]:
    width = round((full - LEFT - RIGHT) / len(steps), 2)
    said = [f"{moment(one.start_us)} · {text(one.figures) if one.figures else 'nothing seen'}" for one in steps]
    return tuple(Slot(_x(full, place, len(steps)), width, words) for place, words in enumerate(said))


def _traffic_text(figures: Figures) -> str:
    return f"{count(figures.requests)} requests: {count(figures.failed)} failed, {count(figures.unknown)} unknown"


def _success_text(figures: Figures) -> str:
    return f"{percent(figures.success_ratio)} of {count(figures.succeeded + figures.failed)}"


def _latency_text(figures: Figures) -> str:
    return f"median {duration(figures.p50_us)}, 95 % {duration(figures.p95_us)}, 99 % {duration(figures.p99_us)}"


def _step(step_us: int) -> str:
    seconds = step_us // 1_000_000
    for unit, factor in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % factor == 0:
            return unit if seconds == factor else f"{seconds // factor} {unit}s"
    return "second" if seconds == 1 else f"{seconds} seconds"
