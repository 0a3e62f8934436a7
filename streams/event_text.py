# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Whether the texts of an event are UTF-8, before its octets are passed on to whoever decodes them.

One that is none would be found much later: by a stage that cannot go on, or by a reader that sets a whole batch of
other exchanges' rows aside. Nearly all texts are ASCII, which is told eight octets at a time.
"""

import cython

if cython.compiled:
    from cython.cimports.streams.zigzag import behind, number
else:
    from streams.zigzag import behind, number

TEXT = cython.declare(cython.int, 1)
ENTRIES = cython.declare(cython.int, 3)  # map<string>
OPTIONAL_TEXT = cython.declare(cython.int, 9)  # union of null and string
HIGH = cython.declare(cython.ulonglong, 0x8080808080808080)
KINDS = {"string": 1, "array<string>": 2, "map<string>": 3, "null|string": 9}


@cython.cfunc
@cython.exceptval(check=False)
def is_text(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, kind: cython.int) -> cython.bint:
    """Tell whether the texts of a field are UTF-8: one of KINDS at `at`, whose end was found before (streams.half)."""
    begin: cython.Py_ssize_t = at
    if kind == TEXT or kind == OPTIONAL_TEXT:  # a length above 63 has an octet above 127
        begin = behind(p, at if kind == TEXT else at + 1)
    if _is_ascii(p, begin, end):
        return True
    try:
        _decode(p, at, kind)
    except UnicodeDecodeError:
        return False
    return True


@cython.cfunc
@cython.exceptval(check=False)
def _is_ascii(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether no octet is above 127."""
    if cython.compiled and end - at >= 8:
        while end - at > 8:
            if cython.cast(cython.p_ulonglong, p + at)[0] & HIGH:
                return False
            at += 8
        return cython.cast(cython.p_ulonglong, p + end - 8)[0] & HIGH == 0
    while at < end:
        if p[at] > 127:
            return False
        at += 1
    return True


@cython.cfunc
@cython.exceptval(-1)
def _decode(p: cython.p_const_uchar, at: cython.Py_ssize_t, kind: cython.int) -> cython.Py_ssize_t:
    """Decode the texts of a field; return where it ends. Raises UnicodeDecodeError."""
    count: cython.longlong
    if kind == OPTIONAL_TEXT:
        return _text(p, at + 1)
    if kind == TEXT:
        return _text(p, at)
    while True:
        count = number(p, at)
        at = behind(p, at)
        if count == 0:
            return at
        if count < 0:
            count = -count
            at = behind(p, at)
        for _ in range(count * 2 if kind == ENTRIES else count):
            at = _text(p, at)


@cython.cfunc
@cython.exceptval(-1)
def _text(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Decode the text at `at`; return where it ends. Raises UnicodeDecodeError."""
    begin: cython.Py_ssize_t = behind(p, at)
    end: cython.Py_ssize_t = begin + number(p, at)
    p[begin:end].decode()
    return end
