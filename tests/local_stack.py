"""The local stack as a user has it, in a directory and on ports of its own: commands, rows, deaths of its parts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deploy.accounts import reader
from deploy.stack.layout import Layout
from deploy.stack.state import PartState, holder, running
from schemas.config import Config, load
from streams.clickhouse import connect
from tests.broker import free_ports

ROOT = Path(__file__).parent.parent
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
Row = dict[str, Any]


class LocalStack:
    """One stack, up or down."""

    def __init__(self, root: Path, **collector: str) -> None:
        kafka, controller, clickhouse = free_ports(3)
        self.place = Layout(root)
        self.environment = os.environ | {
            "SBISCOPE_STACK_DIRECTORY": str(root),
            "SBISCOPE_STACK_KAFKA_PORT": str(kafka),
            "SBISCOPE_STACK_KAFKA_CONTROLLER_PORT": str(controller),
            "SBISCOPE_STACK_CLICKHOUSE_PORT": str(clickhouse),
            **collector,
        }

    @property
    def config(self) -> Config:
        config = load(None)
        ports = {
            name: int(self.environment[f"SBISCOPE_STACK_{name.upper()}"])
            for name in ("kafka_port", "kafka_controller_port", "clickhouse_port")
        }
        return replace(config, stack=replace(config.stack, directory=str(self.place.root), **ports))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        command = [sys.executable, "-m", "deploy.cli", *words]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Have a command run; whatever happens, it is gone afterwards."""
        with self.start(*words) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command to its end; return its code, output and complaints."""
        with self.running(*words) as process:
            out, complaints = process.communicate(timeout=300)
        return process.returncode, out, complaints

    def up(self) -> None:
        code, out, complaints = self.run("up")
        assert code == 0, out + complaints

    def down(self) -> None:
        code, out, complaints = self.run("down")
        assert code == 0, out + complaints
        assert holder(self.place) is None

    def part(self, name: str) -> PartState:
        """Return a part as the supervisor sees it."""
        state = running(self.place)
        assert state is not None
        return next(one for one in state.parts if one.name == name)

    def is_up(self, name: str) -> bool:
        """Tell whether a part answers."""
        return self.part(name).state == "up"

    def kill(self, name: str) -> None:
        """Kill -9 a part's process; the supervisor starts it again."""
        pid = self.part(name).pid
        assert pid, f"{name} has no process just now"  # 0 would be every process of ours
        os.kill(pid, signal.SIGKILL)

    def rows(self, sql: str) -> list[Row]:
        """Return rows as the stream's records have them: times as microseconds since the epoch."""
        client = connect(reader(self.config))
        try:
            found = client.query(sql)
            return [dict(zip(found.column_names, map(_plain, row), strict=True)) for row in found.result_rows]
        finally:
            client.close()

    def count(self, sql: str) -> int:
        return int(next(iter(self.rows(sql)[0].values())))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=timezone.utc)  # noqa: UP017
        return round((value - EPOCH).total_seconds() * 1_000_000)
    return list(value) if isinstance(value, tuple) else value


@contextmanager
def local_stack(root: Path, **environment: str) -> Iterator[LocalStack]:
    """Have a stack up; whatever happens, nothing of it is left."""
    stack = LocalStack(root, **environment)
    try:
        stack.up()
        yield stack
    finally:
        stack.run("down")


def until(is_so: Callable[[], bool], within_s: float = 90.0, pause_s: float = 0.2) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, f"not within {within_s:.0f} s"
        time.sleep(pause_s)
