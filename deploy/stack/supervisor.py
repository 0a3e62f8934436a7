"""The process behind `sbiscope up`: starts the parts in order, keeps them running, ends them in order.

It holds the stack's lock as long as it lives; its parts die with it, even when it is killed.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.stack import parts
from deploy.stack.layout import Layout, layout
from deploy.stack.process import Part, Watched, last_line, shorten
from deploy.stack.state import PartState, StackState, held, write
from schemas.config import Config, load
from schemas.refusal import Refusal

PAUSE_S = 0.1
START_DEATHS = 3  # of one part while the stack starts: then it is not going to
SHORTEN_S = 60.0


class EndedError(Exception):
    """Somebody asked the stack to end."""


@dataclass(slots=True)
class Supervisor:
    """The parts of one stack."""

    config: Config
    place: Layout
    words: list[str]
    state: StackState
    watched: list[Watched] = field(default_factory=list)
    _told: str = ""
    _shortened: float = 0.0

    def run(self) -> None:
        """Run until a signal comes. Raises Refusal when the stack cannot start."""
        with self._ending():
            self._start(parts.servers(self.config, self.place))
            self._schema()
            self._start(parts.workers(self.config, self.place, self.words))
            self.state.ready = True
            while True:
                self._round()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        def end(*_: object) -> None:
            raise EndedError

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        try:
            yield
        except EndedError:
            pass
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)  # asked once is enough: it ends
            self.state.ready = False
            for one in reversed(self.watched):
                one.stop()
                self._tell()

    def _start(self, many: Sequence[Part]) -> None:
        """Start parts together and wait until each serves."""
        new = []
        for part in many:
            log = self.place.logs / f"{part.name}.log"
            if part.name == "kafka":
                log = self.place.logs / "kafka.out.log"  # it keeps its own log beside
            state = PartState(part.name, "starting", part.port)
            one = Watched(part, log, parts.environment(self.place), state)
            self.watched.append(one)
            self.state.parts.append(state)
            one.start()
            new.append(one)
        while not all(one.is_up for one in new):
            self._round()
            for one in self.watched:
                if one.deaths >= START_DEATHS or one.has_failed:
                    raise Refusal(f"{one.part.name} does not start", one.state.told, f"look into {one.log}")

    def _schema(self) -> None:
        log = self.place.logs / "schema.log"
        shorten(log)
        with log.open("ab") as file:
            process = subprocess.Popen(
                parts.schema(self.words), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env=parts.environment(self.place),
            )  # fmt: skip
        try:
            while process.poll() is None:
                self._round()
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise Refusal("topics and tables could not be made", last_line(log), f"look into {log}")

    def _round(self) -> None:
        for one in self.watched:
            one.look()
        self._tell()
        if time.monotonic() - self._shortened > SHORTEN_S:
            self._shortened = time.monotonic()
            for one in self.watched:
                shorten(one.log)
        time.sleep(PAUSE_S)

    def _tell(self) -> None:
        """Tell the state where it changed."""
        if repr(self.state) != self._told:
            self._told = repr(self.state)
            write(self.place, self.state)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a stack; 0 when asked to end, 1 when it could not start: the reason stands in its state."""
    parser = argparse.ArgumentParser(prog="python -m deploy.stack.supervisor")
    parser.add_argument("--config", metavar="FILE")
    options = parser.parse_args(arguments)
    config = load(options.config)
    place = layout(config.stack)
    words = ["--config", os.path.abspath(options.config)] if options.config else []  # noqa: PTH100
    local = f"{parts.HOST}:{config.stack.kafka_port}"
    bootstrap = "" if config.kafka.bootstrap else local
    scheme = "https" if config.stack.clickhouse_certificate else "http"
    url = "" if config.clickhouse.url else f"{scheme}://{parts.HOST}:{config.stack.clickhouse_port}"
    with held(place):
        state = StackState(bootstrap, url)
        write(place, state)
        try:
            Supervisor(config, place, words, state).run()
        except Refusal as refusal:
            state.failed = str(refusal)
            write(place, state)
            print(refusal, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
