# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which literal fields were read lately, by any decoder: equal octets give the field at hand, not decoded again.

Each hop of a request brings the same path, stamp and agent, each connection the same entries for its table. Sharing
them saves decoding, memory of the tables, and what later readers would find out about an equal value again.
"""

from typing import Any

import cython

from collector.secret_headers import is_secret

if cython.compiled:
    from cython.cimports.libc.string import memcmp, memcpy

LONGEST = cython.declare(cython.Py_ssize_t, 64)  # octets of a value kept, coded as it is, and of a name
PLACES = 1024
LAST_PLACE = cython.declare(cython.uint, PLACES - 1)  # so many bits of a hash: no division
CODED = cython.declare(cython.uint, 128)  # the bit that tells Huffman's code, as RFC 7541 5.2 has it

# By place: the octets as they stood in the block, their number and whether they are coded, the field they gave.
_octets = cython.declare("unsigned char[65536]")
_sizes = cython.declare("unsigned char[1024]")
_fields = cython.declare(list, [None] * PLACES)
_place = cython.declare(cython.uint, 0)  # of what was asked for last
MOST_NAMES = cython.declare(cython.Py_ssize_t, 4096)
_may_be_kept = cython.declare(dict, {b"authorization": False})  # by name


def met(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t, coded: cython.bint, name: bytes
) -> tuple[Any, ...] | None:
    """Return the field called `name` whose value stands in p[at:at+size], None if none is at hand."""
    global _place
    if cython.compiled and size <= LONGEST:
        _place = _hash(p + at, size, cython.cast(cython.ulonglong, cython.cast(cython.p_void, name))) & LAST_PLACE
        if _sizes[_place] != (size | (CODED if coded else 0)):
            return None
        found: object = _fields[_place]
        if found is None or memcmp(cython.address(_octets[_place * LONGEST]), p + at, size) != 0:
            return None
        field: tuple[Any, ...] = cython.cast(tuple, found)
        return field if field[0] is name else None
    return None


def keep(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t, coded: cython.bint, field: tuple[Any, ...]
) -> None:
    """Keep what the value that `met` was asked for last turned out to be, in place of another; no secret is kept."""
    if cython.compiled and size <= LONGEST and _is_open(field[0]):
        memcpy(cython.address(_octets[_place * LONGEST]), p + at, size)
        _sizes[_place] = size | (CODED if coded else 0)
        _fields[_place] = field


def _is_open(name: bytes) -> cython.bint:
    """Whether fields of that name may be kept."""
    known: bool | None = _may_be_kept.get(name)
    if known is None:
        if len(name) > LONGEST:
            return False
        known = not is_secret(name.decode("latin-1"))
        if len(_may_be_kept) < MOST_NAMES:
            _may_be_kept[name] = known
    return known


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _hash(p: cython.p_const_uchar, size: cython.Py_ssize_t, seed: cython.ulonglong) -> cython.uint:
    """Mix octets eight at a time; what collides replaces, so nothing is won by making it."""
    mixed: cython.ulonglong = seed
    if cython.compiled:
        word: cython.ulonglong = 0
        factor: cython.ulonglong = 0x9E3779B9
        factor = factor << 32 | 0x7F4A7C15  # in two parts: a literal above 31 bits would be a Python int
        at: cython.Py_ssize_t = 0
        mixed ^= size
        while size - at >= 8:
            memcpy(cython.address(word), p + at, 8)
            mixed = (mixed ^ word) * factor
            mixed ^= mixed >> 29
            at += 8
        word = 0
        memcpy(cython.address(word), p + at, size - at)
        mixed = (mixed ^ word) * factor
    return mixed >> 40
