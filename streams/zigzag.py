# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Numbers in Avro's binary encoding whose end was proved when taken in (streams.half): none is checked again."""

import cython


@cython.cfunc
@cython.exceptval(check=False)
def number(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.longlong:
    """Return the zigzag number at `at`, whose end was found before (Avro 1.11, binary encoding of int and long)."""
    shift: cython.int = 0
    value: cython.ulonglong = 0
    octet: cython.ulonglong
    while True:
        octet = p[at]
        at += 1
        value |= (octet & 127) << shift
        if octet < 128:
            break
        shift += 7
    result: cython.longlong = cython.cast(cython.longlong, value >> 1)
    return -result - 1 if value & 1 else result


@cython.cfunc
@cython.exceptval(check=False)
def behind(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return where the number at `at` ends."""
    while p[at] > 127:
        at += 1
    return at + 1
