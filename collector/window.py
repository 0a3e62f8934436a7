"""What the loaded probes share as memory: ring, counters and verdicts for the observer, dials for the supervisor."""

import mmap
from collections.abc import Mapping

from collector.record import (
    BY_PLACE,
    CHUNKS,
    CHUNKS_READ,
    COUNTER_SLOTS,
    FATAL_RECORDS,
    HEAD,
    LEFT_OUT,
    OFFSETS,
)
from collector.ring import Ring

SLOTS = 65_536
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
        counts = {name: self._counters[place] for place, (name, _) in BY_PLACE.items()}
        name, _ = BY_PLACE[LEFT_OUT.start]
        return counts | {name: sum(self._counters[place] for place in LEFT_OUT)}

    @property
    def chunks(self) -> int:
        """How many of the largest records were put into the ring so far."""
        return self._counters[CHUNKS]

    def have_read(self, chunks: int) -> None:
        """Tell the kernel side how many of them are out again: it leaves room for what is short."""
        self._counters[CHUNKS_READ] = chunks

    def count_fatal(self, records: int) -> None:
        """Count records that end the observer; it counts each before it looks at it, and back when it lives on."""
        self._counters[FATAL_RECORDS] += records


class Dials:
    """What the supervisor tells the kernel side to do, as memory."""

    def __init__(self, maps: Mapping[str, int]) -> None:
        """Map the counters; raises OSError."""
        self._counters = _array(maps["counters"], COUNTER_SLOTS)

    def control(self, place: int, value: int) -> None:
        """Set COPY_AT_MOST, ONE_IN, FLOW_MINUTE or TLS_OFF of collector.record."""
        self._counters[place] = value


def _array(descriptor: int, slots: int) -> memoryview:
    """Map an array of 64-bit values (BPF_F_MMAPABLE)."""
    size = -(-slots * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
    return memoryview(mmap.mmap(descriptor, size, mmap.MAP_SHARED)).cast("Q")
