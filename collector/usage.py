"""What processes use, by /proc (proc(5)), which any user may read."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
FULL = 0.2  # of the node's CPU time: less of it is idle. Processes that wait for one held up idle on a full node too
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NAME_ENDS = ")"  # a process's name may hold spaces, and brackets
ENDED = frozenset("ZX")  # states of a process whose memory is gone, until its parent asks


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time so far, resident memory now."""

    cpu_us: int = 0
    rss_bytes: int = 0


def usage_of(process_id: int, mapped_bytes: int = 0, proc: Path = PROC) -> Usage | None:
    """Return what a process uses, None where it has ended; `mapped_bytes` of the kernel's are not counted as its."""
    try:
        stat = (proc / str(process_id) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(NAME_ENDS)[2].split()
    if fields[0] in ENDED:
        return None
    user, system, pages = int(fields[11]), int(fields[12]), int(fields[21])
    return Usage((user + system) * TICK_US, max(0, pages * PAGE_BYTES - mapped_bytes))


@dataclass(frozen=True, slots=True)
class NodeTime:
    """CPU time of all CPUs since the node's start, in ticks."""

    idle: int = 0
    total: int = 0

    def is_full_since(self, before: "NodeTime") -> bool:
        """Tell whether little of the time in between was idle; not where there was none."""
        return self.total > before.total and self.idle - before.idle < FULL * (self.total - before.total)


def node_time(proc: Path = PROC) -> NodeTime:
    """Return the node's time by its first line of stat: user, nice, system, idle, iowait, irq, softirq, steal."""
    try:
        ticks = [int(word) for word in (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        return NodeTime(ticks[3] + ticks[4], sum(ticks))
    except (OSError, ValueError, IndexError):
        return NodeTime()
