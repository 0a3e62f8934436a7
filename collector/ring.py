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
    """The reading end of a ring buffer of `size` bytes, a power of two of pages."""

    def __init__(self, descriptor: int, size: int, head_bytes: int = 0, length_at: int = 0) -> None:
        """Map it; the descriptor may then be closed. Raises OSError.

        Records are as long as their class of sizes; with `head_bytes` only as much of one is copied as its own u32 at
        `length_at` says stands behind a head of that size.
        """
        page = mmap.PAGESIZE
        consumer = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        produced = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumer = memoryview(consumer).cast("Q")
        self._producer = memoryview(produced)[:page].cast("Q")
        self._data = memoryview(produced)[page:]
        self.size = size
        self._head_bytes = head_bytes
        self._length_at = length_at
        self.is_busy = False
        self.taken_bytes = 0

    def read(self, limit: cython.int) -> list[bytes]:
        """Return up to `limit` records, oldest first; their room is free again.

        `is_busy` then tells whether reading stopped at a record that is still being written; `taken_bytes` grows by
        the room they took, and is the caller's to reset.
        """
        records: list[bytes] = []
        at: cython.ulonglong
        length: cython.uint
        used: cython.ulonglong
        position: cython.ulonglong = self._consumed()
        end: cython.ulonglong = self._produced()
        mask: cython.ulonglong = self.size - 1
        begin: cython.ulonglong = position
        self.is_busy = False
        while position < end and limit > 0:
            at = position & mask
            length = self._word(at)
            if length >> BUSY_SHIFT:
                self.is_busy = True
                break
            if not length & DISCARDED:
                if length > mask:
                    raise ValueError("the ring is broken")
                used = length
                if self._head_bytes and length >= self._head_bytes:
                    used = min(used, self._head_bytes + self._word(at + 8 + self._length_at))
                records.append(self._payload(at + 8, used))
                limit -= 1
            position += ((length & LENGTH) + 15) >> 3 << 3
        if cython.compiled:
            sbiscope_store64(cython.address(self._consumer[0]), position)
        else:
            self._consumer[0] = position
        self.taken_bytes += position - begin
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
            return sbiscope_load32(cython.address(self._data[at]))  # type: ignore[no-any-return]
        return int.from_bytes(self._data[at : at + 4], "little")

    def _payload(self, at: cython.ulonglong, length: cython.ulonglong) -> bytes:
        if cython.compiled:
            p: cython.p_const_uchar = cython.address(self._data[at])
            return p[:length]  # type: ignore[no-any-return]
        return bytes(self._data[at : at + length])
