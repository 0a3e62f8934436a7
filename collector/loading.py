"""The loader as its caller holds it: begun, answering with descriptors once, gone."""

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.hooks import hooks, ports, ring_size
from collector.own_process import command
from collector.privilege import effective_capabilities
from collector.wanted import EVERYTHING, Filters, filters
from schemas.config import Collector
from schemas.refusal import Refusal

ROOT = Path(__file__).parent.parent
LOAD_S = 120.0  # an emulated machine takes 35
REPLY_BYTES = 65_536
MOST_DESCRIPTORS = 250  # SCM_MAX_FD allows 253: one is of each CPU
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the loader handed over: descriptors by name, the hook, and why better ones were refused."""

    descriptors: dict[str, int]
    hook: str
    refused: dict[str, str]


class Loading:
    """A loader at work."""

    def __init__(
        self,
        hooks: Sequence[str],
        ring_bytes: int,
        ports: Sequence[int] = (),
        only_own: bool = False,
        filters: Filters = EVERYTHING,
    ) -> None:
        """Let a loader try `hooks` in turn; `ports`: capture only these, none = all. Raises Refusal.

        `only_own`: leave out what processes beyond this one's namespace of process ids do. `filters`: what else is to
        fit, by collector.wanted.
        """
        may_load()
        self.ring_bytes = ring_bytes
        asked = {"hooks": list(hooks), "ring_bytes": ring_bytes, "ports": list(ports), "only_own": only_own}
        asked["filters"] = dict(filters)
        self._link, theirs = socket.socketpair()
        self._said = os.memfd_create("said")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with theirs:
            self._process = subprocess.Popen(
                command("collector.loader", str(theirs.fileno()), json.dumps(asked)),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                env=environment,
            )

    def loaded(self) -> Loaded:
        """Wait for what it loaded; an empty `hook` says that none loads. Raises Refusal: no bcc, no BTF, silence."""
        self._link.settimeout(LOAD_S)
        try:
            message, descriptors, _, _ = socket.recv_fds(self._link, REPLY_BYTES, MOST_DESCRIPTORS)
            if not message:
                seen = _last_line(self._said)
                raise Refusal("the loader of the kernel probes failed", seen, "see sbiscope doctor")
        except TimeoutError as error:
            seen = f"nothing in {LOAD_S:g} s"
            raise Refusal("the kernel probes do not load", seen, "is the machine busy?") from error
        finally:
            self.end()
        reply = json.loads(message)
        if "refusal" in reply:
            raise Refusal(*reply["refusal"])
        return Loaded(dict(zip(reply["names"], descriptors, strict=True)), reply["hook"], reply["refused"])

    def end(self) -> None:
        """End it, if it has not ended by itself."""
        if self._said >= 0:
            self._process.kill()
            self._process.wait()
            self._link.close()
            os.close(self._said)
            self._said = -1


def begun(config: Collector) -> Loading:
    """Begin to load the probes as configured. Raises Refusal: wrong configuration, or no right to."""
    size, own = ring_size(config.ring_bytes), config.only_own_processes
    return Loading(hooks(config.hook), size, ports(config.ports), own, filters(config))


def missing_rights() -> list[str]:
    """Return the capabilities that loading needs and this process lacks."""
    held = effective_capabilities()
    if held >> CAP_SYS_ADMIN & 1:
        return []
    return [name for name, bit in (("CAP_BPF", CAP_BPF), ("CAP_PERFMON", CAP_PERFMON)) if not held >> bit & 1]


def may_load() -> None:
    """Raise Refusal where the kernel cannot be observed: another machine, or no right to."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        seen = f"{platform.system()} on {platform.machine()}"
        raise Refusal("the kernel cannot be observed", seen, "the probes know Linux on x86-64; captures work anywhere")
    if lacking := missing_rights():
        seen = f"this process lacks {' and '.join(lacking)}"
        raise Refusal("the kernel cannot be observed", seen, "run as root, or grant these")


def _last_line(said: int) -> str:
    text = os.pread(said, REPLY_BYTES, max(0, os.fstat(said).st_size - REPLY_BYTES)).decode(errors="replace")
    lines = text.split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
