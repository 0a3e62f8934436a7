"""The kernel's word on new code in a process: perf's MMAP2 events, one ring a CPU (perf_event_open(2)).

They come within milliseconds of the mapping, whoever maps, in whichever container; nothing is polled.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

SYS_PERF_EVENT_OPEN = 298
SOFTWARE, DUMMY = 1, 9  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY
CLOSE_ON_EXEC = 8
# perf_event_attr: type, size, config, period, sample type, read format, flags, wakeup watermark
ATTRIBUTES = Struct("<IIQQQQQI60x")
MMAP, WATERMARK, MMAP2 = 1 << 8, 1 << 14, 1 << 23
RING_PAGES = 16
HEAD, TAIL = 128, 129  # data_head, data_tail: words of the first page
RECORD_HEAD = Struct("<IHH")  # type, misc, size
RECORD_LOST, RECORD_MMAP2 = 2, 10
MAPPED = Struct("<II24xIIQQII")  # process, thread, address.., major, minor, inode, generation, protection, flags


@dataclass(frozen=True, slots=True)
class Mapped:
    """A process has mapped a file to run it; `file` is (major, minor, inode, generation)."""

    process_id: int
    path: str
    file: tuple[int, int, int, int]


def open_events(cpu: int) -> int:
    """Return a descriptor that tells of each executable mapping on `cpu`; needs CAP_PERFMON. Raises OSError."""
    flags = MMAP | WATERMARK | MMAP2
    attributes = ATTRIBUTES.pack(SOFTWARE, ATTRIBUTES.size, DUMMY, 0, 0, 0, flags, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(SYS_PERF_EVENT_OPEN, ctypes.c_char_p(attributes), -1, cpu, -1, CLOSE_ON_EXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(descriptor)


class EventRing:
    """The reading end of one CPU's events."""

    def __init__(self, descriptor: int) -> None:
        """Map it. Raises OSError."""
        size = mmap.PAGESIZE * (1 + RING_PAGES)
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._words = memoryview(self._map).cast("Q")
        self._size = mmap.PAGESIZE * RING_PAGES

    def read(self) -> Iterator[Mapped | None]:
        """Give what has come; None says that some was lost."""
        while self._words[TAIL] < self._words[HEAD]:
            kind, _, size = RECORD_HEAD.unpack(self._bytes(0, RECORD_HEAD.size))
            body = self._bytes(RECORD_HEAD.size, size - RECORD_HEAD.size)
            self._words[TAIL] += size
            if kind == RECORD_MMAP2:
                yield mapped(body)
            elif kind == RECORD_LOST:
                yield None

    def _bytes(self, skip: int, length: int) -> bytes:
        at = (self._words[TAIL] + skip) % self._size
        first = min(length, self._size - at)
        data = self._map[mmap.PAGESIZE + at : mmap.PAGESIZE + at + first]
        return data + self._map[mmap.PAGESIZE : mmap.PAGESIZE + length - first]


def mapped(body: bytes) -> Mapped:
    """Read a record of type MMAP2 behind its head; its path ends with a zero octet. Raises struct.error."""
    process_id, _, major, minor, inode, generation, _, _ = MAPPED.unpack_from(body)
    path = body[MAPPED.size :].partition(b"\0")[0]
    return Mapped(process_id, os.fsdecode(path), (major, minor, inode, generation))
