# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Values of an Avro record whose form was proved when it was taken in (streams.half): nothing is checked again."""

import cython

if cython.compiled:
    from cython.cimports.streams.zigzag import behind, number
else:
    from streams.zigzag import behind, number


@cython.cfunc
def strings(octets: bytes, at: cython.Py_ssize_t) -> list[bytes]:
    """Return the entries of the array of strings at `at`."""
    p: cython.p_const_uchar = octets
    found: list[bytes] = []
    count: cython.longlong
    size: cython.longlong
    while True:
        count = number(p, at)
        at = behind(p, at)
        if count == 0:
            return found
        if count < 0:
            count = -count
            at = behind(p, at)
        for _ in range(count):
            size = number(p, at)
            at = behind(p, at)
            found.append(octets[at : at + size])
            at += size
