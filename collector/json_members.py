# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The members of a JSON object that are wanted, found in one pass over its octets; the rest is only checked (RFC 8259).

A document that is not plain ASCII, nests deeply or has escapes of a kind seldom met is left to msgspec, and so is one
that is no JSON: it says where the fault is.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import cython
import msgspec

if cython.compiled:
    from cython.cimports.collector.string_end import string_end
else:
    from collector.string_end import string_end

DEEPEST = cython.declare(cython.int, 60)  # arrays and objects one in the other
SLOTS = cython.declare(cython.int, 1_024)  # of the table of names, a power of two
LONGEST_INTEGER = cython.declare(cython.Py_ssize_t, 18)  # octets that surely fit

_DECODER = msgspec.json.Decoder()


@cython.final
@cython.cclass
class MemberReader:
    """Reads objects; after `read`, `calls`: where keys end that end as those of callback URIs do, None if none does."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names`: of the members wanted, in the order in which `read` returns them."""
        octets = [name.encode() for name in names]
        self._nothing: list[Any] = [None] * len(names)
        self._names = b"".join(octets)
        self._begins = array("H", accumulate(map(len, octets), initial=0))
        slots = [-1] * SLOTS
        for place, name in enumerate(octets):
            slot = _slot(name, 0, len(name))
            while slots[slot] >= 0:
                slot = (slot + 1) & (SLOTS - 1)
            slots[slot] = place
        self._slots = array("h", slots)
        self.calls: list[int] | None = None

    def read(self, text: bytes) -> list[Any] | None:
        """Return the members of the object that `text` is, None for those it has not; None if it is not read here."""
        self.calls = None
        return self._read(text, len(text))

    def _read(self, p: cython.p_const_uchar, end: cython.Py_ssize_t) -> list[Any] | None:
        found: list[Any] = self._nothing[:]
        at: cython.Py_ssize_t = _after_white(p, 1, end)
        begin: cython.Py_ssize_t
        place: cython.int
        if end < 2 or p[0] != 123:
            return None
        if p[at] == 125:
            return found if at == end - 1 else None
        while True:
            begin = at
            at = self._key(p, begin, end)
            if at < 0:
                return None
            place = self._place(p, begin + 1)
            begin = at
            at = self._value(p, begin, end)
            if at < 0 or (place >= 0 and not self._take(found, place, p, begin, at)):
                return None
            at = _after_white(p, at, end)
            if at >= end:
                return None
            if p[at] == 125:
                return found if at == end - 1 else None
            if p[at] != 44:
                return None
            at = _after_white(p, at + 1, end)

    def _place(self, p: cython.p_const_uchar, begin: cython.Py_ssize_t) -> cython.int:
        """Return the place of the member whose name stands between `begin` and a quotation mark; -1: not wanted."""
        names: cython.p_const_uchar = self._names
        at: cython.Py_ssize_t = begin
        name: cython.Py_ssize_t
        while p[at] != 34:
            if p[at] == 92:
                return -1  # of what may be escaped here no name is made
            at += 1
        if at == begin:
            return -1
        slot: cython.int = _slot(p, begin, at)
        place: cython.int = self._slots[slot]
        while place >= 0:
            name = self._begins[place]
            if self._begins[place + 1] - name == at - begin:
                while at > begin and p[at - 1] == names[name + at - begin - 1]:
                    at -= 1
                if at == begin:
                    return place
                at = begin + self._begins[place + 1] - name
            slot = (slot + 1) & (SLOTS - 1)
            place = self._slots[slot]
        return -1

    def _take(
        self,
        found: list[Any],
        place: cython.int,
        p: cython.p_const_uchar,
        begin: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
    ) -> cython.bint:
        """Put a wanted value, p[begin:end], into its place; False if only msgspec can tell what it is."""
        first: cython.int = p[begin]
        if first == 34 and not _has_escape(p, begin, end):
            found[place] = p[begin + 1 : end - 1].decode("ascii")
            return True
        value: bytes = p[begin:end]
        if 48 <= first <= 57 and end - begin <= LONGEST_INTEGER and value.isdigit():
            found[place] = int(value)
            return True
        try:
            found[place] = _DECODER.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return False
        return True

    def _value(self, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Return where the value that begins at `at` is over; -1: not read here."""
        depth: cython.int = 0
        objects: cython.ulonglong = 0
        after: cython.Py_ssize_t
        opened: cython.int
        while 0 <= at < end:
            opened = p[at]
            if opened == 123 or opened == 91:
                after = _after_white(p, at + 1, end)
                if after == end or depth == DEEPEST:
                    return -1
                if p[after] != opened + 2:  # what closes it stands two places behind in ASCII
                    depth += 1
                    objects = objects << 1 | (opened == 123)
                    at = self._key(p, after, end) if opened == 123 else after
                    continue
                at = after + 1
            elif opened == 34:
                at = string_end(p, at + 1, end)
                at = at + 1 if at < end and p[at] == 34 else _string(p, at, end)
            else:
                at = _scalar(p, at, end)
            while at >= 0 and depth > 0:
                at = _after_white(p, at, end)
                if at < end and p[at] == 44:
                    at = _after_white(p, at + 1, end)
                    if objects & 1:
                        at = self._key(p, at, end)
                    break
                if at == end or p[at] != (125 if objects & 1 else 93):
                    return -1
                objects >>= 1
                depth -= 1
                at += 1
            if depth == 0:
                return at
        return -1

    def _key(self, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Return where the value begins whose key begins at `at`; -1: not read here."""
        if at >= end or p[at] != 34:
            return -1
        at = string_end(p, at + 1, end)
        if at >= end or p[at] != 34:
            at = _string(p, at, end) - 1
            if at < 0:
                return -1
        if _may_call(p, at):
            self._call(at)
        at += 1
        if at >= end or p[at] != 58:
            at = _after_white(p, at, end)
            if at >= end or p[at] != 58:
                return -1
        return _after_white(p, at + 1, end)

    def _call(self, end: cython.Py_ssize_t) -> cython.int:
        """Note a key that ends at `end` as those of callback URIs do."""
        if self.calls is None:
            self.calls = []
        self.calls.append(end)
        return 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _slot(p: cython.p_const_uchar, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
    """Return where a name, which is not empty, stands in the table, or what stands there in its stead."""
    size: cython.int = cython.cast(cython.int, end - begin)
    spread: cython.int = size * 61 + p[begin] * 7 + p[end - 1] * 29 + p[begin + (size >> 1)] * 13
    return spread & (SLOTS - 1)


@cython.cfunc
@cython.exceptval(check=False)
def _string(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return where the string whose first octet is at `at` is over, behind its quotation mark; -1: not read here."""
    while at < end:
        at = string_end(p, at, end)
        if at == end:
            return -1
        if p[at] == 34:
            return at + 1
        if p[at] != 92 or at + 1 == end or p[at + 1] not in b'"\\/bfnrt':
            return -1
        at += 2
    return -1


@cython.cfunc
@cython.exceptval(check=False)
def _has_escape(p: cython.p_const_uchar, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    while begin < end:
        if p[begin] == 92:
            return True
        begin += 1
    return False


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _may_call(p: cython.p_const_uchar, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether the text before `end` may end in Uri, URI, Url or Reference, by its last two letters."""
    last: cython.int = p[end - 1]
    before: cython.int = p[end - 2]
    if last == 105 or last == 108:
        return before == 114
    return before == 82 if last == 73 else last == 101 and before == 99


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _after_white(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    while at < end and p[at] <= 32 and (p[at] == 32 or p[at] == 10 or p[at] == 13 or p[at] == 9):
        at += 1
    return at


@cython.cfunc
@cython.exceptval(check=False)
def _scalar(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return where a number, true, false or null is over; -1: it is none."""
    if p[at] == 116:
        return at + 4 if end - at > 4 and p[at + 1] == 114 and p[at + 2] == 117 and p[at + 3] == 101 else -1
    if p[at] == 110:
        return at + 4 if end - at > 4 and p[at + 1] == 117 and p[at + 2] == 108 and p[at + 3] == 108 else -1
    if p[at] == 102:
        is_false: cython.bint = end - at > 5 and p[at + 1] == 97 and p[at + 2] == 108
        return at + 5 if is_false and p[at + 3] == 115 and p[at + 4] == 101 else -1
    return _number(p, at, end)


@cython.cfunc
@cython.exceptval(check=False)
def _number(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """RFC 8259 6; one with an exponent is left to msgspec, which may find it too large."""
    if p[at] == 45:
        at += 1
    begin: cython.Py_ssize_t = at
    while at < end and 48 <= p[at] <= 57:
        at += 1
    if at == begin or (p[begin] == 48 and at > begin + 1):
        return -1
    if at < end and p[at] == 46:
        begin = at + 1
        at = begin
        while at < end and 48 <= p[at] <= 57:
            at += 1
        if at == begin:
            return -1
    if at < end and (p[at] == 101 or p[at] == 69):
        return -1
    return at
