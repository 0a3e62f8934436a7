"""A ladder for the terminal: a column for each lifeline, an arrow a line, procedures as brackets at the left."""

from streams.ladder.content import Arrow, Bracket, Ladder
from streams.report import units
from streams.report.inert import visible

WIDTH = 9  # of a lifeline
TIME = 11


def terminal(ladder: Ladder) -> str:
    """Return the text; captured text can do nothing to the terminal."""
    names = [visible(name)[: WIDTH - 1] for name in ladder.lifelines]
    lines = [f"{visible(ladder.subscriber)}: {units.count(len(ladder.arrows))} requests", ""]
    lines.append(" " * TIME + "".join(f"{name:^{WIDTH}}" for name in names))
    begun_us = ladder.arrows[0].at_us if ladder.arrows else 0
    for place, arrow in enumerate(ladder.arrows):
        lines += [_bracket(one, True) for one in ladder.brackets if one.first == place]
        lines.append(f"{(arrow.at_us - begun_us) / 1e6:9.3f}  {_drawn(ladder, arrow)} {_told(arrow)}")
        lines += [_bracket(one, False) for one in reversed(ladder.brackets) if one.last == place]
    if ladder.left_out:
        lines.append(f"({units.count(ladder.left_out)} later requests are left out; choose a shorter period)")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _drawn(ladder: Ladder, arrow: Arrow) -> str:
    """Return the lifelines with the arrow between two of them."""
    cells = [" "] * (WIDTH * len(ladder.lifelines))
    centres = {name: WIDTH * place + WIDTH // 2 for place, name in enumerate(ladder.lifelines)}
    for centre in centres.values():
        cells[centre] = "│"
    source, target = centres[arrow.source], centres[arrow.target]
    stroke = "─" if arrow.is_fine else "╌"
    for place in range(min(source, target) + 1, max(source, target)):
        cells[place] = stroke
    if source == target:
        cells[source + 1] = "↺"
    elif source < target:
        cells[target - 1] = "▶"
    else:
        cells[target + 1] = "◀"
    if arrow.proxy in centres and arrow.proxy not in (arrow.source, arrow.target):
        cells[centres[arrow.proxy]] = "┼" if min(source, target) < centres[arrow.proxy] < max(source, target) else "○"
    return "".join(cells)


def _told(arrow: Arrow) -> str:
    words = [
        "" if arrow.is_fine else "✗",
        visible(arrow.label),
        f"/{arrow.session}" if arrow.session is not None else "",
        visible(arrow.answer),
        units.duration(arrow.duration_us),
        f"(+{units.duration(arrow.proxy_us)} {arrow.proxy})" if arrow.proxy_us is not None else "",
    ]
    return " ".join(word for word in words if word)


def _bracket(one: Bracket, begins: bool) -> str:
    name = visible(one.kind)
    if begins:
        return f" ┌ {name}"
    where = f" at {visible(one.failed_step)}" if one.failed_step else ""
    return f" └ {name}: {one.outcome}{where}, {units.duration(one.duration_us)}"
