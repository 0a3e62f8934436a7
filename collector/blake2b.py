# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""BLAKE2b of 128 bits (RFC 7693) over parts with a NUL between them: what hashlib gives, without its objects.

hashlib takes 0.6 to 1.2 us for a short text, most of it for objects; this 0.2 us a block of 128 octets. Uncompiled it
is hashlib's.
"""

from hashlib import blake2b
from struct import pack

import cython

if cython.compiled:
    from cython.cimports.collector.compression import (
        sbiscope_compress,
        sbiscope_finish,
        sbiscope_hexes,
        sbiscope_lanes,
    )
    from cython.cimports.collector.objects import sbiscope_utf8
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.string import memcpy

DIGEST_BYTES = 16
BLOCK = cython.declare(cython.Py_ssize_t, 128)
_VECTOR_BYTES = cython.declare(
    bytes,
    pack(
        "<8Q",
        *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
        *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
    ),
)
_VECTOR = cython.declare(cython.p_const_uchar)
_VECTOR = _VECTOR_BYTES


@cython.final
@cython.cclass
class Hasher:
    """Hashes one text after the other: its parts are appended, `hex` gives the digest and begins anew."""

    def __init__(self, key: bytes = b"") -> None:
        """`key`: at most 64 octets (RFC 7693 2.9); empty for a hash without one."""
        self._key = key
        self._store = bytearray(key.ljust(128, b"\0") if key else b"")
        self._front = len(self._store)
        self._length = self._front  # with the NUL behind the last part
        if cython.compiled:
            self._grow(4_096)
            memcpy(self._keyed, _VECTOR, 64)
            self._keyed[0] = self._keyed[0] ^ 0x01010010 ^ (cython.cast(cython.ulonglong, len(key)) << 8)
            if key:  # the block of the key, the same each time
                sbiscope_compress(self._keyed, self._bytes, 128, False)

    def _grow(self, wanted: cython.Py_ssize_t) -> None:
        self._store = self._store + bytearray(len(self._store) + wanted + 128)
        self._bytes = self._store
        self._room = len(self._store) - 128  # the last block is filled with zeros in place

    def octets(self, value: bytes) -> None:
        """Append octets."""
        if cython.compiled:
            self._put(PyBytes_AS_STRING(value), len(value))
        else:
            self._store += value + b"\0"

    def text(self, value: str | None) -> None:
        """Append a text in UTF-8, None as an empty one; a lone surrogate as if it were a character."""
        n: cython.Py_ssize_t = 0
        if value is None:
            self.octets(b"")
        elif cython.compiled and value.isascii():
            utf8: cython.p_const_char = sbiscope_utf8(value, cython.address(n))
            self._put(utf8, n)
        else:
            self.octets(value.encode(errors="surrogatepass"))

    def number(self, value: cython.ulonglong) -> None:
        """Append a number in decimal digits."""
        if cython.compiled:
            digits = cython.declare(cython.char[20])
            at = cython.declare(cython.int, 20)
            while at == 20 or value:
                at -= 1
                digits[at] = 48 + value % 10
                value = value // 10
            self._put(digits + at, 20 - at)
        else:
            self._store += b"%d\0" % value

    def _put(self, octets: cython.p_const_char, n: cython.Py_ssize_t) -> None:
        """Append octets and the NUL behind them."""
        if cython.compiled:
            if self._room - self._length <= n:
                self._grow(n)
            memcpy(self._bytes + self._length, octets, n)
            self._length += n + 1
            self._bytes[self._length - 1] = 0

    def hex(self) -> bytes:
        """Return the digest of what was appended in hexadecimal digits, and begin anew."""
        if cython.compiled:
            self._enter(0)
            sbiscope_finish(1)
            return sbiscope_hexes(1)
        digest = blake2b(self._store[self._front : -1], digest_size=DIGEST_BYTES, key=self._key).hexdigest()
        del self._store[self._front :]
        return digest.encode()

    def _enter(self, lane: cython.int) -> None:
        """Take a lane for what was appended, and begin anew."""
        if cython.compiled:
            done = cython.declare(cython.Py_ssize_t, 0)
            h: cython.pointer(cython.ulonglong) = sbiscope_lanes[lane].h
            memcpy(h, self._keyed, 64)
            if self._length > self._front:
                self._length -= 1  # nothing stands behind the last part
            if self._front and self._length > BLOCK:
                done = BLOCK
            elif self._front:  # nothing follows the key: its block is the last one
                memcpy(h, _VECTOR, 64)
                h[0] = h[0] ^ 0x01010010 ^ (cython.cast(cython.ulonglong, len(self._key)) << 8)
            sbiscope_lanes[lane].counted = done
            sbiscope_lanes[lane].octets = self._bytes + done
            sbiscope_lanes[lane].left = self._length - done
            self._length = self._front


@cython.cfunc
def hexes(first: Hasher, second: Hasher, third: Hasher, fourth: Hasher | None) -> bytes:
    """Return the digests of what was appended to three or four, worked out together, and begin each anew."""
    if cython.compiled:
        first._enter(0)
        second._enter(1)
        third._enter(2)
        if fourth is not None:
            fourth._enter(3)
        count: cython.int = 3 if fourth is None else 4
        sbiscope_finish(count)
        return sbiscope_hexes(count)
    return b"".join([one.hex() for one in (first, second, third, fourth) if one is not None])
