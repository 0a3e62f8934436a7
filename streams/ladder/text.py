"""A ladder as text for other programs: Mermaid, PlantUML, JSON."""

import json
import re
from dataclasses import asdict

from streams.ladder.content import Arrow, Ladder
from streams.report import units
from streams.report.inert import visible

# What either language might read as its own; such characters are replaced by their names in angle-free text.
SPECIAL = re.compile(r"[^\w .,:()/+=µ–-]")


def mermaid(ladder: Ladder) -> str:
    """Return a Mermaid sequence diagram; captured text stands in it only as plain words."""
    lines = ["sequenceDiagram", f"  title {_plain(ladder.subscriber)}"]
    lines += [f"  participant L{place} as {_plain(name)}" for place, name in enumerate(ladder.lifelines)]
    for place, arrow in enumerate(ladder.arrows):
        lines += [
            f"  rect rgba(127,127,127,.1)\n  Note over L0: {_plain(one.kind)}"
            for one in ladder.brackets
            if one.first == place
        ]
        source, target = (f"L{ladder.lifelines.index(name)}" for name in (arrow.source, arrow.target))
        lines.append(f"  {source}{'->>' if arrow.is_fine else '-x'}{target}: {_plain(_words(arrow))}")
        lines += ["  end" for one in ladder.brackets if one.last == place]
    return "\n".join(lines) + "\n"


def plantuml(ladder: Ladder) -> str:
    """Return a PlantUML sequence diagram; captured text stands in it only as plain words."""
    lines = ["@startuml", f"title {_plain(ladder.subscriber)}"]
    lines += [f'participant "{_plain(name)}" as L{place}' for place, name in enumerate(ladder.lifelines)]
    for place, arrow in enumerate(ladder.arrows):
        lines += [f"group {_plain(one.kind)} {one.outcome}" for one in ladder.brackets if one.first == place]
        source, target = (f"L{ladder.lifelines.index(name)}" for name in (arrow.source, arrow.target))
        lines.append(f"{source} {'->' if arrow.is_fine else '->x'} {target} : {_plain(_words(arrow))}")
        lines += ["end" for one in ladder.brackets if one.last == place]
    return "\n".join([*lines, "@enduml"]) + "\n"


def as_json(ladder: Ladder) -> str:
    """Return the ladder's own fields."""
    return json.dumps(asdict(ladder), ensure_ascii=True, indent=1).replace("\x7f", "\\u007f") + "\n"


def _words(arrow: Arrow) -> str:
    return f"{arrow.label} {arrow.answer} {units.duration(arrow.duration_us)}"


def _plain(text: str) -> str:
    return SPECIAL.sub("?", visible(text).replace("\\", "/"))
