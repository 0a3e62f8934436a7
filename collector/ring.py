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


@cython.final
@cython.cclass
class Ring:
    """The reading end of a ring buffer of `size` bytes, a power of two of pages."""

    _consumer: cython.ulonglong[::1]
    _producer: cython.const[cython.ulonglong][::1]
    _data: cython.const[cython.uchar][::1]
    _size: cython.ulonglong
    _maps: tuple[mmap.mmap, mmap.mmap]

    is_busy = cython.declare(cython.bint, visibility="readonly")

    def __init__(self, descriptor: int, size: int) -> None:
        """Map it; the descriptor may then be closed. Raises OSError."""
        page = mmap.PAGESIZE
        consumer = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        produced = mmap.mmap(descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._maps = (consumer, produced)
        self._consumer = memoryview(consumer).cast("Q")
        self._producer = memoryview(produced)[:page].cast("Q")
        self._data = memoryview(produced)[page:]
        self._size = size
        self.is_busy = False

    def read(self, limit: cython.int) -> list[bytes]:
        """Return up to `limit` records, oldest first; their room is free again.

        `is_busy` then tells whether reading stopped at a record that is still being written.
        """
        records: list[bytes] = []
        at: cython.ulonglong
        length: cython.uint
        position: cython.ulonglong = self._load(0)
        end: cython.ulonglong = self._load(1)
        mask: cython.ulonglong = self._size - 1
        self.is_busy = False
        while position < end and limit > 0:
            at = position & mask
            length = self._head(at)
            if length >> BUSY_SHIFT:
                self.is_busy = True
                break
            if not length & DISCARDED:
                if length > mask:
                    raise ValueError("the ring is broken")
                records.append(self._payload(at + 8, length))
                limit -= 1
            position += ((length & LENGTH) + 15) >> 3 << 3
        if cython.compiled:
            sbiscope_store64(cython.address(self._consumer[0]), position)
        else:
            self._consumer[0] = position
        return records

    @cython.cfunc
    def _load(self, of_producer: cython.bint) -> cython.ulonglong:
        if cython.compiled:
            if of_producer:
                return sbiscope_load64(cython.address(self._producer[0]))
            return sbiscope_load64(cython.address(self._consumer[0]))
        return self._producer[0] if of_producer else self._consumer[0]

    @cython.cfunc
    def _head(self, at: cython.ulonglong) -> cython.uint:
        if cython.compiled:
            return sbiscope_load32(cython.address(self._data[at]))
        return int.from_bytes(self._data[at : at + 4], "little")

    @cython.cfunc
    def _payload(self, at: cython.ulonglong, length: cython.uint) -> bytes:
        if cython.compiled:
            p: cython.p_const_uchar = cython.address(self._data[at])
            return p[:length]
        return bytes(self._data[at : at + length])
