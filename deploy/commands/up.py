"""`sbiscope up`: start the local stack, each part of it healthy before the command returns."""

import argparse
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.stack.layout import Layout
    from deploy.stack.state import StackState
    from schemas.config import Config

LONGEST_S = 300.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `up` takes: nothing but the configuration."""


def run(options: argparse.Namespace) -> int:
    """Start what is not up yet; a stack that is up already is left as it is."""
    from schemas.config import load

    for line in bring(load(options.config), options.config, _tell):
        _tell(line)
    return 0


def _tell(text: str) -> None:
    print(text, flush=True)


def bring(config: "Config", file: str | None, tell: "Callable[[str], None]") -> list[str]:
    """Bring up what is not up, `tell` hears of each part; return where a user finds what. Raises Refusal."""
    from deploy.stack.state import holder

    place = _place(config)
    if holder(place) is None:
        _can_start(config, tell)
        _launch(place, file)
    return addresses(config, wait(place, tell))


def _place(config: "Config") -> "Layout":
    """Return the stack's layout, its directory made: for its owner alone."""
    from deploy.stack.layout import layout

    place = layout(config.stack)
    try:
        place.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (place.logs, place.clickhouse):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        seen = f"{error.filename}: {error.strerror}"
        raise Refusal("cannot use the stack's directory", seen, "name another: [stack] directory") from error
    return place


def _can_start(config: "Config", tell: "Callable[[str], None]") -> None:
    """Raise Refusal where something is missing that every start needs: a free port, Java, jars."""
    from deploy.stack import kafka, parts

    stack = config.stack
    ports = []
    if not config.kafka.bootstrap:
        ports += [("kafka_port", stack.kafka_port), ("kafka_controller_port", stack.kafka_controller_port)]
    if not config.clickhouse.url:
        ports.append(("clickhouse_port", stack.clickhouse_port))
    for key, port in ports:
        if not parts.is_free(port):
            advice = f"end what listens there, or set SBISCOPE_STACK_{key.upper()}"
            raise Refusal("a port is taken", f"127.0.0.1:{port} ({key})", advice)
    if not config.kafka.bootstrap:
        kafka.prepare(tell)


def _launch(place: "Layout", config: str | None) -> None:
    """Start the supervisor as a process of its own, which outlives this command and its terminal."""
    from deploy.stack.parts import environment
    from deploy.stack.process import shorten
    from deploy.stack.state import holder

    log = place.logs / "supervisor.log"
    shorten(log)
    place.state.unlink(missing_ok=True)
    words = [sys.executable, "-m", "deploy.stack.supervisor", *(["--config", config] if config else [])]
    with log.open("ab") as file:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment(place), start_new_session=True
        )
    while process.poll() is None and holder(place) is None:
        time.sleep(0.02)
    process.returncode = 0  # it is nobody's child from now on


def wait(place: "Layout", tell: "Callable[[str], None]") -> "StackState":
    """Wait until the stack is up; `tell` hears of each part that is. Raises Refusal where it cannot start."""
    from deploy.stack.state import holder, last, running

    told: set[str] = set()
    began = time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        state = running(place)
        if state is None and holder(place) is None:
            before = last(place)
            failed = before.failed if before and before.failed else f"look into {place.logs / 'supervisor.log'}"
            raise Refusal("the stack did not start", failed)
        for part in state.parts if state else ():
            if part.state == "up" and part.name not in told:
                told.add(part.name)
                port = f" on 127.0.0.1:{part.port}" if part.port else ""
                tell(f"{part.name:<10} up{port} after {time.monotonic() - began:.1f} s")
        if state is not None and state.ready:
            return state
        time.sleep(0.05)
    raise Refusal("the stack is not up yet", f"after {LONGEST_S:.0f} s", "see what it lacks with: sbiscope status")


def addresses(config: "Config", state: "StackState") -> list[str]:
    """Return where a user finds what."""
    return [
        f"Kafka        {state.bootstrap or config.kafka.bootstrap}",
        f"ClickHouse   {state.clickhouse_url or config.clickhouse.url}",
        f"everything   {os.path.relpath(config.stack.directory)}",
    ]
