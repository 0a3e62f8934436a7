"""`sbiscope status`: each part of the stack, its port, how far it is behind, how many rows there are."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from deploy.stack.health import Health


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `status` takes."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(options: argparse.Namespace) -> int:
    """Show the stack; 1 when a part of it is down or no stack is up."""
    from deploy.stack.health import health
    from deploy.stack.layout import layout
    from deploy.stack.state import running
    from schemas.config import load

    config = load(options.config)
    state = running(layout(config.stack))
    if state is None:
        raise Refusal("no stack is up", config.stack.directory, "start it with: sbiscope up")
    found = health(config, state)
    for line in [as_json(found)] if options.json else shown(found):
        print(line)
    return 0 if found.is_up else 1


def as_json(found: "Health") -> str:
    """Return everything as JSON."""
    from dataclasses import asdict

    return json.dumps({"is_up": found.is_up, **asdict(found)})


def shown(found: "Health") -> Iterator[str]:
    """Yield everything as tables for a terminal."""
    from streams.report.inert import visible
    from streams.report.terminal import table

    cells = [
        [part.name, part.state, str(part.port or ""), str(part.pid or ""), str(part.restarts), visible(part.told)]
        for part in found.parts
    ]
    yield from table(
        ["part", "state", "port", "process", "restarts", "told"], cells, [True, True, False, False, False, True]
    )
    if found.lags:
        yield ""
        behind = [[one.stage, one.topic, f"{one.messages:,}"] for one in found.lags]
        yield from table(["stage", "reads", "messages behind"], behind, [True, True, False])
    if found.rows:
        yield ""
        yield from table(["table", "rows"], [[name, f"{count:,}"] for name, count in found.rows.items()], [True, False])
