# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which moment 3gpp-Sbi-Sender-Timestamp names: a date of HTTP (RFC 9110 5.6.7) to the ms (TS 29.500 5.2.3.3.2)."""

import re
from calendar import timegm

import cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.string import memcmp

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATE = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)


def seconds_of(date: bytes) -> int | None:
    """Return an IMF-fixdate up to the second in seconds since the epoch, None if it is none."""
    found = DATE.fullmatch(date.decode("latin-1"))
    if found is None or found[2] not in MONTHS:
        return None
    month = MONTHS.index(found[2]) + 1
    day, year, hour, minute, second = (int(found[place]) for place in (1, 3, 4, 5, 6))
    if not (1 <= day <= 31 and year >= 1970 and hour < 24 and minute < 60 and second < 61):
        return None
    return timegm((year, month, day, hour, minute, second))


@cython.cfunc
@cython.exceptval(check=False)
def milliseconds_of(p: cython.p_const_uchar, size: cython.Py_ssize_t) -> cython.int:
    """Return the milliseconds of a date of `size` octets that ends in `.866 GMT`, -1 if it does not."""
    if size != 33 or p[25] != 46 or p[29] != 32 or p[30] != 71 or p[31] != 77 or p[32] != 84:
        return -1
    hundreds: cython.int = p[26] - 48
    tens: cython.int = p[27] - 48
    ones: cython.int = p[28] - 48
    if 0 <= hundreds <= 9 and 0 <= tens <= 9 and 0 <= ones <= 9:
        return 100 * hundreds + 10 * tens + ones
    return -1


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def begins_with(p: cython.p_const_uchar, date: bytes) -> cython.bint:
    """Tell whether a date of at least 25 octets begins with `date`, 25 octets or none."""
    if cython.compiled:
        return len(date) == 25 and memcmp(p, PyBytes_AS_STRING(date), 25) == 0
    return len(date) == 25 and p[:25] == date


def with_fraction(second: cython.longlong, rest: bytes) -> int | None:
    """Return us since the epoch of a second and what follows it, `.866 GMT` or ` GMT`."""
    fraction = rest.removesuffix(b" GMT")
    if len(fraction) == len(rest):
        return None
    if not fraction:
        return second * 1_000_000
    digits = fraction[1:]
    if fraction[:1] != b"." or not digits.isdigit() or len(digits) > 6:
        return None
    return second * 1_000_000 + int(digits.ljust(6, b"0"))
