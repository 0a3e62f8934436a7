# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What bodies said that were met a while ago: the other end of a connection and the next hop bring them again."""

from collections.abc import Callable
from typing import Any

import cython

if cython.compiled:
    from cython.cimports.collector.body import read_body
    from cython.cimports.collector.octets_number import octets_number
    from cython.cimports.collector.read import Read, weight_of
else:
    from collector.body import read_body
    from collector.octets_number import octets_number
    from collector.read import Read, weight_of

LARGEST = cython.declare(cython.Py_ssize_t, 16_384)  # octets of a body that is remembered
MOST_BYTES = 1_048_576  # twice
NEAR = cython.declare(cython.Py_ssize_t, 1_024)  # at hand without a dict; a power of two
LARGEST_NEAR = cython.declare(cython.Py_ssize_t, 1_024)  # octets of a body that is
LONGEST_KIND = cython.declare(cython.Py_ssize_t, 256)  # characters of such a body's content-type, and of its coding


@cython.final
@cython.cclass
class MetBodies:
    """Reads bodies, whole ones once as long as they are remembered: found by a number, and compared octet by octet."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """Have met none; `redact` makes texts fit to leave the node."""
        self._redact: Any = redact
        self._near: list[Read | None] = [None] * NEAR
        self._reads: dict[int, Read] = {}
        self._reads_before: dict[int, Read] = {}
        self.held_bytes = 0

    def read(self, kind: str | None, coding: str | None, body: bytes, body_bytes: cython.Py_ssize_t) -> Read:
        """Return what a body says whose prefix is `body`, which had `body_bytes` on the wire; as read_body does."""
        size: cython.Py_ssize_t = len(body)
        if size != body_bytes or size == 0 or size > LARGEST or _is_long(kind) or _is_long(coding):
            return Read(read_body(kind, coding, body, body_bytes), self._redact)
        number: cython.ulonglong = octets_number(body, size)
        read: Read | None
        if size > LARGEST_NEAR:
            return self._met(number, kind, coding, body)
        read = self._near[number & (NEAR - 1)]
        if read is None or not _is_of(read, kind, coding, body):
            read = self._met(number, kind, coding, body)
            self._near[number & (NEAR - 1)] = read
        return read

    def _met(self, number: cython.ulonglong, kind: str | None, coding: str | None, body: bytes) -> Read:
        read: Read | None = self._reads.get(number)
        if read is None or not _is_of(read, kind, coding, body):
            read = self._reads_before.get(number)
        if read is None or not _is_of(read, kind, coding, body):
            read = Read(read_body(kind, coding, body, len(body)), self._redact)
            read.body = body
            read.kind = kind
            read.coding = coding
            self._remember(number, read)
        return read

    def _remember(self, number: cython.ulonglong, read: Read) -> cython.int:
        weight: cython.Py_ssize_t = weight_of(read)
        replaced: Read | None = self._reads.get(number)
        if replaced is not None:  # it came under another kind, or is another one with the same number
            self.held_bytes -= weight_of(replaced)
        self.held_bytes += weight
        if self.held_bytes > MOST_BYTES:
            self._reads_before = self._reads
            self._reads = {}
            self.held_bytes = weight
        self._reads[number] = read
        return 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_long(text: str | None) -> cython.bint:
    return text is not None and len(text) > LONGEST_KIND


@cython.cfunc
@cython.inline
def _is_of(read: Read, kind: str | None, coding: str | None, body: bytes) -> cython.bint:
    return read.body == body and read.kind == kind and read.coding == coding
