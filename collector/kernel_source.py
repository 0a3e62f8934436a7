"""The kernel source: what the processes of this node send and receive in cleartext, read from the ring on a timer."""

import time
from collections.abc import Callable
from pathlib import Path

from collector.connections import Connections
from collector.record import BY_PLACE
from collector.sockets import Sockets, nowhere, untold
from collector.turn import PIECE, Turn
from collector.window import Window
from collector.workload import Caller, Workload

RECORDS = 512  # before time goes on, however much there is: what they make of bodies is in memory at once
LONGEST_PAUSES = 5  # of `consume_ms`, between readings while there is little to read: waking costs more than reading
LITTLE = 32  # a reading of less than this share of the ring
# A record's time is taken before its place in the ring: what is not in it by then is younger than this.
UNDERWAY_NS = 20_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class KernelSource:
    """The node as a source, live from the moment it is made. Its clock is the kernel's monotonic one plus an offset."""

    def __init__(
        self,
        window: Window,
        consume_ms: int,
        workload_of: Callable[[Caller], Workload] = nowhere,
        detach: Callable[[], None] = lambda: None,
        tell_flow: Callable[[bytes, int], None] = untold,
        turn: Turn | None = None,
    ) -> None:
        """Read `window` every `consume_ms`, less often while little comes; `detach` is called before the last reading.

        `tell_flow` takes the records of kind FLOW and each socket's verdict; `turn` is begun behind each pause.
        """
        self._window = window
        self._workload_of = workload_of
        self._detach = detach
        self._tell_flow = tell_flow
        self._turn = turn or Turn()
        self._shortest_ns = self._pause_ns = max(1, consume_ms) * 1_000_000
        self.clock_ns = wall_offset_ns()
        self.boot_id = BOOT_ID.read_text().strip()
        self._is_stopping = False
        self._sockets: Sockets | None = None
        self.now_ns = time.monotonic_ns() + self.clock_ns
        self.incarnation = f"{self.boot_id}:{self.now_ns}"

    def stop(self) -> None:
        """Let `run` end after what is in the ring by then; safe in a signal handler."""
        self._is_stopping = True

    def attribute(self, caller: Caller, workload: Workload) -> None:
        """Tell late what `caller` is part of: its connections are told of by it from now on."""
        if self._sockets is not None:
            self._sockets.attribute(caller, workload)

    def run(self, connections: Connections, tick: Callable[[int], None]) -> None:
        """Give what comes to `connections` until `stop`, and `tick` the time up to which everything was given."""
        self._sockets = sockets = Sockets(
            connections, self._window.verdicts, self.boot_id, self.clock_ns, self._workload_of, self._tell_flow
        )
        while True:
            is_last = self._is_stopping
            if is_last:
                self._detach()
            began_ns = time.monotonic_ns()
            is_empty = self._read(sockets, began_ns + self.clock_ns, RECORDS if not is_last else 0)
            sockets.settle(self.now_ns)
            self._count(connections)
            tick(self.now_ns)
            if is_last:
                return
            if not is_empty:
                continue
            self._pace()
            pause_ns = self._pause_ns - (time.monotonic_ns() - began_ns)
            if pause_ns > 0:
                time.sleep(pause_ns / 1e9)
            self._turn.begin()

    def _pace(self) -> None:
        """Choose the next pause by how full the ring was: half or twice the last one."""
        ring = self._window.ring
        if ring.taken_bytes * LITTLE < ring.size:
            self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSES * self._shortest_ns)
        else:
            self._pause_ns = max(self._pause_ns // 2, self._shortest_ns)
        ring.taken_bytes = 0

    def _read(self, sockets: Sockets, began_ns: int, most: int) -> bool:
        """Read until the ring is empty, or `most` records (0 = no bound): False; then set `now_ns`."""
        ring = self._window.ring
        chunks = self._window.chunks
        taken, some = 0, PIECE
        while some == PIECE and (taken < most or not most):
            some = self._take_inherited(sockets) if ring.is_inherited() else sockets.take_from(ring, PIECE)
            taken += some
            self._turn.offer()
        if some == PIECE:
            reached_ns = sockets.last_ns - UNDERWAY_NS
        else:
            self._window.have_read(chunks)
            reached_ns = self.now_ns if ring.is_busy else began_ns - UNDERWAY_NS
        self.now_ns = max(self.now_ns, reached_ns)
        return some < PIECE

    def _take_inherited(self, sockets: Sockets) -> int:
        """Take up to PIECE records, each out of the ring before it is looked at; return how many.

        The process before this one may have died of one of them: the next one must not meet that again.
        """
        for taken in range(PIECE):
            self._window.count_fatal(1)
            records = self._window.ring.read(1)
            sockets.take(records)
            self._window.count_fatal(-1)
            if not records:
                return taken
        return PIECE

    def _count(self, connections: Connections) -> None:
        """Let the kernel's counters stand beside the observer's."""
        counts = self._window.counts()
        for name, is_loss in BY_PLACE.values():
            if counts[name]:
                counters = connections.counters if is_loss else connections.traffic
                counters.by_reason[name] = counts[name]


def wall_offset_ns() -> int:
    """Return what turns CLOCK_MONOTONIC into the time since the epoch, as of now; the best of a few readings."""
    readings = []
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]
