"""What containers are called where no Kubernetes says it: by Podman's monitors, by who may read Docker's files."""

import os
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from collector.attribution import PROC
from collector.child import PASSED_ON
from collector.docker_names import Named
from collector.monitored import name_above
from collector.workload import NOT_YET, Container

ROOT = Path(__file__).parent.parent
MOST_KNOWN = 4_096
SOON_S = 1.0  # of one that nobody named yet
QUIET_S = 10.0  # nobody is asked for so long when answers do not come, as each is waited for; at first for SOON_S
FRESH_S = 30.0  # then it is asked again: a container may be given another name
NEVER_S = float("-inf")
WAIT_S = 0.5  # for an answer; it is one file
MOST_ANSWER_BYTES = 4_096


class ContainerNames:
    """Names by container; asked by the supervisor, which has no right to look by itself."""

    def __init__(
        self, roots: Sequence[str] = (), proc: Path = PROC, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the process that reads Docker's files, while this one still has the rights that it needs."""
        self._proc = proc
        self._clock_s = clock_s
        self._known: OrderedDict[str, tuple[float, Container | None]] = OrderedDict()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(WAIT_S)
        self._link: socket.socket | None = ours
        self._asks_from_s = NEVER_S
        self._quiet_s = SOON_S
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector.docker_names", str(theirs.fileno()), *roots],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**kept, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "1"},
            )

    def of(self, process_id: int, container_id: str) -> Container | None:
        """Return what the container of a process is called, None where nobody says it, NOT_YET where one may still."""
        until_s, container = self._known.get(container_id, (NEVER_S, None))
        if until_s >= self._clock_s():
            return container
        found = self._of_docker(container_id)
        if found in {None, NOT_YET} and (name := name_above(self._proc, process_id, container_id)):
            found = Container(name, None)
        if found in {None, NOT_YET} and container is not None:
            found = container  # the process has ended, or its container is removed already
        self._known[container_id] = (self._clock_s() + (SOON_S if found in {None, NOT_YET} else FRESH_S), found)
        self._known.move_to_end(container_id)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return found

    def close(self) -> None:
        """End the process, by force where it does not; one that the kernel holds ends when that lets it go."""
        self._leave()
        try:
            self._process.wait(WAIT_S * 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(WAIT_S * 10)

    def _of_docker(self, container_id: str) -> Container | None:
        if self._link is None:
            return None
        if self._clock_s() < self._asks_from_s:
            return NOT_YET
        try:
            self._link.send(container_id.encode())
            while answer := self._link.recv(MOST_ANSWER_BYTES):
                found = msgspec.json.decode(answer, type=Named)
                self._quiet_s = SOON_S
                if found.container_id == container_id:  # else the answer to one that was not waited for any more
                    return Container(found.name, found.image or None) if found.name else None
        except TimeoutError:
            self._asks_from_s = self._clock_s() + self._quiet_s
            self._quiet_s = min(2 * self._quiet_s, QUIET_S)
            return NOT_YET
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            pass
        self._leave()  # there is no Docker, or who reads its files is gone
        return None

    def _leave(self) -> None:
        if self._link is not None:
            with suppress(OSError):
                self._link.close()
            self._link = None
            self._process.poll()  # where it has ended, so that nothing of it is left
