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
from collector.workload import Container

ROOT = Path(__file__).parent.parent
MOST_KNOWN = 4_096
FRESH_S = 30.0  # then it is asked again: a container may be given another name
NEVER_S = float("-inf")
SOON_S = 1.0  # of one that nobody named yet
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
        """Return what the container of a process is called, None where nobody says it."""
        until_s, container = self._known.get(container_id, (NEVER_S, None))
        if until_s >= self._clock_s():
            return container
        name = name_above(self._proc, process_id, container_id)
        found = Container(name, None) if name else self._of_docker(container_id)
        if found is None and container is not None:
            found = container  # the process has ended, or its container is removed already
        self._known[container_id] = (self._clock_s() + (SOON_S if found is None else FRESH_S), found)
        self._known.move_to_end(container_id)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return found

    def close(self) -> None:
        """End the process."""
        self._leave()
        self._process.wait(WAIT_S * 10)

    def _of_docker(self, container_id: str) -> Container | None:
        if self._link is None:
            return None
        try:
            self._link.send(container_id.encode())
            while answer := self._link.recv(MOST_ANSWER_BYTES):
                found = msgspec.json.decode(answer, type=Named)
                if found.container_id == container_id:  # else the answer to one that was not waited for any more
                    return Container(found.name, found.image or None) if found.name else None
        except TimeoutError:
            return None
        except (OSError, msgspec.DecodeError):
            pass
        self._leave()  # there is no Docker, or who reads its files is gone
        return None

    def _leave(self) -> None:
        if self._link is not None:
            with suppress(OSError):
                self._link.close()
            self._link = None
            self._process.poll()  # where it has ended, so that nothing of it is left
