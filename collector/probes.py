"""The kernel's probes as the observer holds them: asked of the loader, which has ended by then."""

import json
import mmap
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.privilege import effective_capabilities
from collector.record import BY_PLACE, CHUNKS, CHUNKS_READ, COUNTER_SLOTS, HEAD, OFFSETS
from collector.ring import Ring
from collector.tls_attachment import TlsAttachment
from schemas.refusal import Refusal

ROOT = Path(__file__).parent.parent
LOAD_S = 120.0  # an emulated machine takes 35
REPLY_BYTES = 65_536
MOST_DESCRIPTORS = 250  # SCM_MAX_FD allows 253: one is of each CPU
SLOTS = 65_536
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39
LOCKDOWN = Path("/sys/kernel/security/lockdown")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the loader handed over: descriptors by name, the hook, and why better ones were refused."""

    descriptors: dict[str, int]
    hook: str
    refused: dict[str, str]


MAPS = ("ring", "counters", "verdicts")


class Window:
    """What the observer sees of the kernel: the ring, the counters, the verdicts, as memory; no descriptor is kept."""

    def __init__(self, maps: Mapping[str, int], ring_bytes: int) -> None:
        """Map the descriptors of MAPS; they may then be closed. Raises OSError."""
        self.ring = Ring(maps["ring"], ring_bytes, HEAD.size, OFFSETS["length"])
        self.verdicts = _array(maps["verdicts"], SLOTS)
        self._counters = _array(maps["counters"], COUNTER_SLOTS)

    def counts(self) -> dict[str, int]:
        """Return the kernel's counters by name."""
        return {name: self._counters[place] for place, (name, _) in BY_PLACE.items()}

    @property
    def chunks(self) -> int:
        """How many of the largest records were put into the ring so far."""
        return self._counters[CHUNKS]

    def have_read(self, chunks: int) -> None:
        """Tell the kernel side how many of them are out again: it leaves room for what is short."""
        self._counters[CHUNKS_READ] = chunks


class Dials:
    """What the supervisor tells the kernel side to do, as memory."""

    def __init__(self, maps: Mapping[str, int]) -> None:
        """Map the counters; raises OSError."""
        self._counters = _array(maps["counters"], COUNTER_SLOTS)

    def control(self, place: int, value: int) -> None:
        """Set COPY_AT_MOST, ONE_IN or FLOW_MINUTE of collector.record."""
        self._counters[place] = value


class Probes:
    """Loaded probes: the maps that a Window is made of, and the links that keep them attached until `close`.

    No descriptor here lets its holder load or attach anything.
    """

    def __init__(self, hooks: Sequence[str], ring_bytes: int, ports: Sequence[int], only_own: bool = False) -> None:
        """Load the first of `hooks` that this kernel takes; `ports`: capture only these, none = all.

        `only_own`: leave out what processes beyond this one's namespace of process ids do.
        Raises Refusal: no right to, no bcc, no BTF, no hook.
        """
        loaded = load(hooks, ring_bytes, ports, only_own)
        if not loaded.hook:
            raise nothing_loads(loaded.refused)
        self.hook = loaded.hook
        self.refused = loaded.refused
        self.ring_bytes = ring_bytes
        self.maps = {name: loaded.descriptors[name] for name in MAPS}
        self._links = [descriptor for name, descriptor in loaded.descriptors.items() if name.startswith("held")]
        self._attachment = TlsAttachment(loaded.descriptors) if "tls_enter" in loaded.descriptors else None
        for descriptor in set(loaded.descriptors.values()) - {*self.maps.values(), *self._links}:
            os.close(descriptor)  # the attacher has its own

    @property
    def follows_tls(self) -> bool:
        """Whether TLS is followed: the kernel has the links for it, and the attacher lives."""
        return self._attachment is not None and self._attachment.is_alive

    def await_tls(self) -> None:
        """Wait until every process that ran when the probes were loaded has been looked at."""
        if self._attachment is not None:
            self._attachment.await_scan()

    def window(self) -> Window:
        """Map what was loaded."""
        return Window(self.maps, self.ring_bytes)

    @property
    def mapped_bytes(self) -> int:
        """Memory of the kernel that a Window shows as its process's own: the ring's pages stand in it twice."""
        return 2 * self.ring_bytes + SLOTS * 8

    def detach(self) -> None:
        """Nothing comes into the ring any more; what is in it can be read."""
        if self._attachment is not None:
            self._attachment.end()
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Detach, and let go of the maps."""
        self.detach()
        while self.maps:
            os.close(self.maps.popitem()[1])


def load(hooks: Sequence[str], ring_bytes: int, ports: Sequence[int] = (), only_own: bool = False) -> Loaded:
    """Let a loader try `hooks` in turn; an empty `hook` says that none loads. Raises Refusal."""
    may_load()
    request = json.dumps({"hooks": list(hooks), "ring_bytes": ring_bytes, "ports": list(ports), "only_own": only_own})
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "collector.loader", str(theirs.fileno()), request]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        loader = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        )
        theirs.close()
        ours.settimeout(LOAD_S)
        try:
            message, descriptors, _, _ = socket.recv_fds(ours, REPLY_BYTES, MOST_DESCRIPTORS)
        except TimeoutError as error:
            raise Refusal(
                "the kernel probes do not load", f"nothing in {LOAD_S:g} s", "is the machine busy?"
            ) from error
        finally:
            loader.kill()
            loader.wait()
        if not message:
            raise Refusal("the loader of the kernel probes failed", _last_line(said.fileno()), "see sbiscope doctor")
    reply = json.loads(message)
    if "refusal" in reply:
        raise Refusal(*reply["refusal"])
    return Loaded(dict(zip(reply["names"], descriptors, strict=True)), reply["hook"], reply["refused"])


def nothing_loads(refused: dict[str, str]) -> Refusal:
    """Return what to say when no hook loads."""
    seen = "; ".join(f"{hook}: {why}" for hook, why in refused.items())
    advice = "sbiscope doctor shows what this kernel has"
    if lockdown() == "confidentiality":
        advice = "the kernel is locked down against reading its memory: boot with lockdown=integrity or none"
    return Refusal("no kernel hook loads", seen, advice)


def lockdown() -> str:
    """Return the kernel's lockdown mode (kernel_lockdown(7)), "" if it has none."""
    try:
        text = LOCKDOWN.read_text()
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]


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


def _array(descriptor: int, slots: int) -> memoryview:
    """Map an array of 64-bit values (BPF_F_MMAPABLE)."""
    size = -(-slots * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
    return memoryview(mmap.mmap(descriptor, size, mmap.MAP_SHARED)).cast("Q")


def _last_line(said: int) -> str:
    text = os.pread(said, REPLY_BYTES, max(0, os.fstat(said).st_size - REPLY_BYTES)).decode(errors="replace")
    lines = text.split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
