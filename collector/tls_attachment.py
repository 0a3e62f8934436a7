"""The attacher as the observer holds it: a process of its own, told to end by a closing socket."""

import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from collector.own_process import command

ROOT = Path(__file__).parent.parent
SCAN_S = 10.0  # until the first look at every process is over
END_S = 5.0  # closing a link takes up to 85 ms
# Programs of 60 MB are read once: what that took goes back to the system (mallopt(3)).
MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
PROGRAMS = ("tls_enter", "tls_leave", "go_enter", "go_leave", "http2_enter", "http2_leave", "tls_programs")
GIVEN = (*PROGRAMS, "tls_uses", "shown_processes", "counters")


class TlsAttachment:
    """A running attacher, by the one that keeps it running."""

    def __init__(self, descriptors: Mapping[str, int]) -> None:
        """Start it with its part of what was loaded."""
        given = {name: one for name, one in descriptors.items() if name in GIVEN or name.startswith("cpu")}
        self._control, theirs = socket.socketpair()
        words = [str(theirs.fileno()), *(f"{name}={one}" for name, one in given.items())]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        with theirs:
            self._process = subprocess.Popen(
                command("collector.tls_keeper_start", *words),
                pass_fds=[theirs.fileno(), *given.values()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, **MEMORY},
            )
        self.is_alive = True

    def await_scan(self) -> bool:
        """Wait until it has looked at every process that runs, not for ever on a busy machine; tell whether it has."""
        with suppress(OSError):  # in time it said nothing, or `end` was called meanwhile
            self._control.settimeout(SCAN_S)
            self.is_alive = self._control.recv(1) == b"."
            return self.is_alive
        return False

    @property
    def processes(self) -> list[int]:
        """The one that keeps it, and it."""
        keeper = self._process.pid
        try:
            children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text()
        except OSError:  # it has ended, or the kernel does not tell (CONFIG_PROC_CHILDREN)
            return [keeper]
        return [keeper, *map(int, children.split())]

    @property
    def has_died(self) -> bool:
        """Whether it has ended: nobody is left with the right to follow TLS."""
        return self._process.poll() is not None

    def end(self) -> None:
        """End it; with it the probes go."""
        self._control.close()
        self.is_alive = False
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
