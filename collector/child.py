"""One observer process as its parent holds it: started with the maps' descriptors and nothing else of ours."""

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from collector.channel import Channel
from collector.probes import MAPS, Probes

ROOT = Path(__file__).parent.parent
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # secrets may stand in others
END_S = 30.0


class Child:
    """A running observer."""

    def __init__(self, probes: Probes, lines: int | None) -> None:
        """Start it on the maps of `probes`; `lines`: the descriptor that takes JSON lines. Raises OSError."""
        ours, theirs = socket.socketpair()
        self._empty = _empty_directory()
        given = [theirs.fileno(), *(probes.maps[name] for name in MAPS)]
        written = [] if lines is None else [lines]
        words = [*map(str, given), self._empty, *map(str, written)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector.observer", *words],
                pass_fds=[*given, *written],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
            )
        self.channel = Channel(ours)

    @property
    def process_id(self) -> int:
        """Its number."""
        return self._process.pid

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
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"}


def _empty_directory() -> str:
    """Make a directory that anybody may enter and nobody write; "" where none can be made."""
    with suppress(OSError):
        path = tempfile.mkdtemp(prefix="sbiscope-")
        Path(path).chmod(0o555)
        return path
    return ""
