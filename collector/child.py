"""One observer process as its parent holds it: given the maps' descriptors and nothing else of ours."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from collector.channel import Channel
from collector.own_process import command
from collector.window import MAPS

ROOT = Path(__file__).parent.parent
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # secrets may stand in others
END_S = 30.0
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (a name that nobody guesses, made anew); the module tempfile is 0.6 MB


class Child:
    """An observer: it may be started before there are maps, and loads what it needs meanwhile."""

    def __init__(self, lines: int | None) -> None:
        """Start it; `lines`: the descriptor that takes JSON lines. Raises OSError."""
        self._link, theirs = socket.socketpair()
        self._empty = _empty_directory()
        written = [] if lines is None else [lines]
        words = [str(theirs.fileno()), self._empty, *map(str, written)]
        with theirs:
            self._process = subprocess.Popen(
                command("collector.observer_start", *words),
                pass_fds=[theirs.fileno(), *written],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
            )
        self.channel = Channel(self._link)

    @property
    def process_id(self) -> int:
        """Its number."""
        return self._process.pid

    def give(self, maps: Mapping[str, int]) -> None:
        """Hand it the descriptors of MAPS, the first that it hears of us. Raises OSError where it is gone."""
        socket.send_fds(self._link, [b"."], [maps[name] for name in MAPS])

    def settled(self) -> None:
        """Remove the name of its directory, which it holds by now: nothing can ever be put into it."""
        if self._empty:
            with suppress(OSError):
                Path(self._empty).rmdir()
            self._empty = ""

    def end(self, wait_s: float = END_S) -> int:
        """Wait for its end, or make one after `wait_s`; return its exit status."""
        self.channel.close()
        self.settled()
        try:
            return self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = os.pathsep.join((str(ROOT), *filter(None, sys.path)))  # what `site` would find and more is known already
    return {**kept, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"}


def _empty_directory() -> str:
    """Make a directory that anybody may enter and nobody write; "" where none can be made."""
    for place in filter(None, (os.environ.get("TMPDIR"), *TEMPORARY)):
        path = Path(place) / f"sbiscope-{os.urandom(8).hex()}"
        with suppress(OSError):
            path.mkdir(0o700)
            path.chmod(0o555)
            return str(path)
    return ""
