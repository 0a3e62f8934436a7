# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What bodies said that were met a while ago: the other end of a connection and the next hop bring them again."""

from collections.abc import Callable
from typing import Any

import cython

from collector.octets_mark import KEY as SECRET
from collector.octets_mark import LARGEST as MOST_MARKED

if cython.compiled:
    from cython.cimports.collector.body import read_body
    from cython.cimports.collector.octets_mark import octets_mark
    from cython.cimports.collector.read import Read, weight_of
else:
    from collector.body import read_body
    from collector.octets_mark import octets_mark
    from collector.read import Read, weight_of

LARGEST = cython.declare(cython.Py_ssize_t, MOST_MARKED)  # octets of a body that is remembered
KEY = cython.declare(bytes, SECRET)
MOST_BYTES = 1_048_576  # twice
HEAVIEST = cython.declare(cython.Py_ssize_t, MOST_BYTES // 16)  # of what is remembered: some of it is left for others
NEAR_BITS = cython.declare(cython.int, 10)
NEAR = cython.declare(cython.Py_ssize_t, 1 << NEAR_BITS)  # at hand without a dict
HEAVIEST_NEAR = cython.declare(cython.Py_ssize_t, 1_536)  # octets that what is at hand takes
LONGEST_KIND = cython.declare(cython.Py_ssize_t, 256)  # characters of such a body's content-type, and of its coding


@cython.final
@cython.cclass
class MetBodies:
    """Reads bodies, whole ones once as long as they are remembered: by what stands for their octets (octets_mark).

    What is read stays at hand until another one takes its place (NEAR of HEAVIEST_NEAR octets at most), then among
    others until MOST_BYTES of such came twice. What a body says takes a fifth of the room of its octets, so five times
    as many come again without being read.
    """

    def __init__(self, redact: Callable[[str], str]) -> None:
        """Have met none; `redact` makes texts fit to leave the node."""
        self._redact: Any = redact
        self._near: list[Read | None] = [None] * NEAR
        self._reads: dict[bytes, Read] = {}
        self._reads_before: dict[bytes, Read] = {}
        self.held_bytes = 0

    def read(self, kind: str | None, coding: str | None, body: bytes, body_bytes: cython.Py_ssize_t) -> Read:
        """Return what a body says whose prefix is `body`, which had `body_bytes` on the wire; as read_body does."""
        size: cython.Py_ssize_t = len(body)
        if size != body_bytes or size == 0 or size > LARGEST or _is_long(kind) or _is_long(coding):
            return Read(read_body(kind, coding, body, body_bytes), self._redact)
        mark: bytes = octets_mark(body, KEY)
        at: cython.Py_ssize_t = _place(mark)
        near: Read | None = self._near[at]
        if near is not None and _is_of(near, kind, coding, mark):
            return near
        read: Read = self._met(mark, kind, coding, body)
        if read.weight > HEAVIEST_NEAR:
            self._remember(read)
            return read
        self._near[at] = read
        if near is not None:
            self._remember(near)
        return read

    def _met(self, mark: bytes, kind: str | None, coding: str | None, body: bytes) -> Read:
        read: Read | None = self._reads.get(mark)
        if read is not None and _is_of(read, kind, coding, mark):
            return read
        read = self._reads_before.get(mark)
        if read is not None and _is_of(read, kind, coding, mark):
            return read
        read = Read(read_body(kind, coding, body, len(body)), self._redact)
        read.mark = mark
        read.kind = kind
        read.coding = coding
        read.weight = weight_of(read)
        return read

    def _remember(self, read: Read) -> cython.int:
        replaced: Read | None = self._reads.get(read.mark)
        if replaced is read or read.weight > HEAVIEST:
            return 0
        if replaced is not None:  # it came under another kind
            self.held_bytes -= replaced.weight
        self.held_bytes += read.weight
        if self.held_bytes > MOST_BYTES:
            self._reads_before = self._reads
            self._reads = {}
            self.held_bytes = read.weight
        self._reads[read.mark] = read
        return 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_long(text: str | None) -> cython.bint:
    return text is not None and len(text) > LONGEST_KIND


@cython.cfunc
@cython.inline
def _is_of(read: Read, kind: str | None, coding: str | None, mark: bytes) -> cython.bint:
    return read.mark == mark and read.kind == kind and read.coding == coding


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _place(mark: bytes) -> cython.Py_ssize_t:
    """Return where what has this mark is at hand, by both its sums whole: similar bodies have many bits alike."""
    if not cython.compiled:
        return int.from_bytes(mark[:2], "little") & (NEAR - 1)
    words: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, mark))
    factor: cython.ulonglong = 0x9E3779B9
    factor = factor << 32 | 0x7F4A7C15  # in two parts: a literal above 31 bits would be a Python int
    return ((words[0] ^ words[1] ^ words[2] ^ words[3]) * factor) >> (64 - NEAR_BITS)
