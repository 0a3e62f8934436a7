# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Reads a BPF ring buffer through its mapped pages, many records a call, without any system call.

Layout (kernel, Documentation/bpf/ringbuf.rst): page 0 holds the consumer's position, ours to write; page 1 the
producer's; then the data, mapped twice, so that a record is never split. A record: u32 length with two flags, u32 for
the kernel, payload, up to the next multiple of 8.
"""

import mmap

import cython

if cython.compiled:
    from cython.cimports.collector.ring import sbiscope_load32, sbiscope_load64, sbiscope_store64

BUSY_SHIFT = cython.declare(cython.int, 31)  # bit 31: being written; bit 30: taken back
DISCARDED = cython.declare(cython.uint, 0x40000000)
LENGTH = cython.declare(cython.uint, 0x3FFFFFFF)


class Ring:
    """The reading end of a ring buffer of `size` bytes, a power of two of pages; its records stand in `data`."""

    def __init__(self, descriptor: int, size: int, head_bytes: int = 0, length_at: int = 0) -> None:
        """Map it; the descriptor may then be closed. Raises OSError.

        Records are as long as their class of sizes; with `head_bytes` one is taken to be as long as its own u32 at
        `length_at` says, behind a head of that size.
        """
        page = mmap.PAGESIZE
        consumer = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        produced = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumer = memoryview(consumer).cast("Q")
        self._producer = memoryview(produced)[:page].cast("Q")
        self.data = memoryview(produced)[page:]
        self.size = size
        self._head_bytes = head_bytes
        self._length_at = length_at
        self.is_busy = False
        self.taken_bytes = 0
        self.length = 0
        self._position: int = self._consumed()
        self._inherited_end: int = self._produced()

    def next(self) -> cython.longlong:
        """Return where in `data` the oldest record stands that was not returned yet, -1 if there is none.

        It has `length` octets, which stay until `free`. Without one, `is_busy` tells whether one is being written.
        Raises ValueError where the ring is broken.
        """
        position: cython.ulonglong = self._position
        end: cython.ulonglong = self._produced()
        mask: cython.ulonglong = self.size - 1
        self.is_busy = False
        while position < end:
            at: cython.ulonglong = position & mask
            length: cython.uint = self._word(at)
            if length >> BUSY_SHIFT:
                self.is_busy = True
                break
            position += ((length & LENGTH) + 15) >> 3 << 3
            if not length & DISCARDED:
                if length > mask:
                    raise ValueError("the ring is broken")
                self._position = position
                self.length = length
                if self._head_bytes and length >= self._head_bytes:
                    self.length = min(length, self._head_bytes + self._word(at + 8 + self._length_at))
                return cython.cast(cython.longlong, at + 8)  # type: ignore[no-any-return]
        self._position = position
        return -1

    def free(self) -> cython.int:
        """Let the kernel have the room of what was returned; `taken_bytes`, the caller's to reset, grows by it."""
        self.taken_bytes += self._position - self._consumed()
        if cython.compiled:
            sbiscope_store64(cython.address(self._consumer[0]), self._position)
        else:
            self._consumer[0] = self._position
        return 0

    def is_inherited(self) -> bool:
        """Tell whether the next record was there when the ring was mapped: who read before may have died of it."""
        return self._position < self._inherited_end

    def read(self, limit: cython.int) -> list[bytes]:
        """Return copies of up to `limit` records, oldest first; their room is free again."""
        records: list[bytes] = []
        while len(records) < limit:
            at: cython.longlong = self.next()
            if at < 0:
                break
            records.append(bytes(self.data[at : at + self.length]))
        self.free()
        return records

    def _consumed(self) -> int:
        if cython.compiled:
            return sbiscope_load64(cython.address(self._consumer[0]))  # type: ignore[no-any-return]
        return self._consumer[0]

    def _produced(self) -> int:
        if cython.compiled:
            return sbiscope_load64(cython.address(self._producer[0]))  # type: ignore[no-any-return]
        return self._producer[0]

    def _word(self, at: cython.ulonglong) -> int:
        if cython.compiled:
            return sbiscope_load32(cython.address(self.data[at]))  # type: ignore[no-any-return]
        return int.from_bytes(self.data[at : at + 4], "little")
