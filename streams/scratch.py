# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Room in which an Avro record is put together from pieces; how large it can become is known before."""

from typing import Any

import cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.string import memcpy


@cython.final
@cython.cclass
class Scratch:
    """Room in which a record is put together."""

    def __init__(self) -> None:
        self.store = bytearray(4096)
        self.p: Any = self.store
        self.n = 0

    @cython.cfunc
    @cython.exceptval(-1)
    def reserve(self, room: cython.Py_ssize_t) -> cython.int:
        """Begin anew with room for that many octets; whoever writes more writes into foreign memory."""
        if len(self.store) < room:
            self.store = bytearray(2 * room)
            self.p = self.store
        self.n = 0
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def number(self, value: cython.longlong) -> cython.int:
        """Append an int, long or enum."""
        zigzag: cython.ulonglong
        n: cython.Py_ssize_t = self.n
        if cython.compiled:
            zigzag = cython.cast(cython.ulonglong, value << 1) ^ cython.cast(cython.ulonglong, value >> 63)
        else:
            zigzag = (value << 1) ^ (value >> 63)
        while zigzag > 127:
            self.p[n] = (zigzag & 127) | 128
            n += 1
            zigzag >>= 7
        self.p[n] = zigzag
        self.n = n + 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def copy(self, octets: bytes, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Append octets[begin:end]."""
        if cython.compiled:
            memcpy(cython.address(self.p[self.n]), PyBytes_AS_STRING(octets) + begin, end - begin)
        else:
            self.store[self.n : self.n + end - begin] = octets[begin:end]
        self.n += end - begin
        return 0

    @cython.cfunc
    def since(self, begin: cython.Py_ssize_t) -> bytes:
        """Return what was written from `begin` on."""
        if not cython.compiled:
            return bytes(self.store[begin : self.n])
        octets: bytes = self.p[begin : self.n]
        return octets
