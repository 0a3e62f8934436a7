# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How a Huffman-coded string is read (RFC 7541 section 5.2, appendix B)."""

import cython

from collector.hpack_tables import HUFFMAN_BITS

EOS = cython.declare(cython.int, 256)

# By the next 12 bits: bits of both symbols, symbol << 8, second symbol << 16, symbols << 24, bits of the first << 26.
# 0 = a code longer than 12 bits.
_PEEKED = cython.declare("unsigned int[4096]")
# The canonical code by length, for what is longer: first code, how many, where their symbols stand.
_FIRST = cython.declare("unsigned int[32]")
_COUNT = cython.declare("unsigned int[32]")
_START = cython.declare("unsigned int[32]")
_SYMBOLS = cython.declare("unsigned short[257]")
if not cython.compiled:
    _PEEKED, _FIRST, _COUNT, _START, _SYMBOLS = [0] * 4096, [0] * 32, [0] * 32, [0] * 32, [0] * 257


def _codes() -> list[tuple[int, int, int]]:
    """Return (symbol, code, bits) in the order of the canonical code."""
    codes = []
    code = last = 0
    for symbol in sorted(range(257), key=lambda symbol: (HUFFMAN_BITS[symbol], symbol)):
        bits = HUFFMAN_BITS[symbol]
        code <<= bits - last
        codes.append((symbol, code, bits))
        code += 1
        last = bits
    return codes


def _fill() -> None:
    codes = _codes()
    for place, (symbol, code, bits) in enumerate(codes):
        if _COUNT[bits] == 0:
            _FIRST[bits] = code
            _START[bits] = place
        _COUNT[bits] += 1
        _SYMBOLS[place] = symbol
    short = [entry for entry in codes if entry[2] <= 12]
    for symbol, code, bits in short:
        rest = 12 - bits
        _fill_range(code << rest, rest, bits | symbol << 8 | 1 << 24 | bits << 26)
        for second, second_code, second_bits in short:
            if second_bits <= rest:
                free = rest - second_bits
                entry = bits + second_bits | symbol << 8 | second << 16 | 2 << 24 | bits << 26
                _fill_range(code << rest | second_code << free, free, entry)


def _fill_range(first: int, free_bits: int, entry: int) -> None:
    for place in range(first, first + (1 << free_bits)):
        _PEEKED[place] = entry


_fill()

# Where strings are decoded to; one for all, since only one thread decodes.
_scratch = cython.declare(bytearray, bytearray(4096))
_out = cython.declare(cython.p_uchar)
_out = _scratch


def text(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytes | None:
    """Return what p[at:end] decodes to, None for a code or a padding that RFC 7541 5.2 forbids."""
    octets: cython.Py_ssize_t = length(p, at, end)
    if octets < 0:
        return None
    if cython.compiled:
        return _out[:octets]
    return bytes(_scratch[:octets])


def length(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return how many octets p[at:end] decodes to, -1: malformed."""
    needed: cython.Py_ssize_t = 2 * (end - at) + 2
    if needed > len(_scratch):
        _enlarge_scratch(2 * needed)
    if cython.compiled:
        return decode(p, at, end, _out)
    return decode(p, at, end, _scratch)


def _enlarge_scratch(octets: int) -> None:
    global _scratch, _out
    _scratch = bytearray(octets)
    _out = _scratch


def decode(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, out: cython.p_uchar) -> int:
    """Decode p[at:end] into `out`; return the length, or -1 for a code or a padding that RFC 7541 5.2 forbids.

    `out` must have room for 8/5 of the input and two octets more: no code is shorter than 5 bits.
    """
    window: cython.ulonglong = 0  # the next bits, left-aligned
    held: cython.int = 0  # how many of them are taken from the input; true bits may follow
    length: cython.Py_ssize_t = 0
    last: cython.Py_ssize_t = end - 8 if end - at >= 8 else -1  # where eight octets stand last; -1: nowhere
    entry: cython.uint
    bits: cython.int
    taken: cython.Py_ssize_t
    while True:
        if at < end:
            window |= _next(p, at, last, end) >> held
            taken = min(end - at, (63 - held) >> 3)
            at += taken
            held += taken << 3
        if not cython.compiled:
            window &= 0xFFFFFFFFFFFFFFFF
        entry = _PEEKED[window >> 52]
        while held >= 12 and entry != 0:  # whatever code stands there is held whole
            out[length] = entry >> 8 & 255
            out[length + 1] = entry >> 16 & 255
            length += entry >> 24 & 3
            window <<= entry & 63
            held -= entry & 63
            if not cython.compiled:
                window &= 0xFFFFFFFFFFFFFFFF
            entry = _PEEKED[window >> 52]
        if held < 30 and at < end:  # no code is longer
            continue
        bits = entry & 63
        if entry != 0 and bits <= held:
            out[length] = entry >> 8 & 255
            out[length + 1] = entry >> 16 & 255
            length += entry >> 24 & 3
            window <<= bits
            held -= bits
            continue
        bits = entry >> 26
        if entry == 0 or bits > held:
            if held < 8 and _is_padding(window, held):
                return length
            bits = _long_code(window, held)
            if bits < 0:
                return -1
            entry = _SYMBOLS[_START[bits] + cython.cast(cython.uint, window >> (64 - bits)) - _FIRST[bits]]
            if entry == EOS:
                return -1
            entry <<= 8
        out[length] = entry >> 8 & 255
        length += 1
        window <<= bits
        held -= bits


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _next(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, last: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.ulonglong:
    """Return the octets from `at` on, at most eight, the first one highest."""
    if not cython.compiled:
        return int.from_bytes((p[at:end] + bytes(8))[:8], "big")
    if at <= last:
        return _eight(p + at)
    if last >= 0:
        return _eight(p + last) << ((at - last) << 3)
    word: cython.ulonglong = 0
    place: cython.Py_ssize_t
    for place in range(at, end):
        word |= cython.cast(cython.ulonglong, p[place]) << (56 - ((place - at) << 3))
    return word


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _eight(p: cython.p_const_uchar) -> cython.ulonglong:
    """Return eight octets, the first one highest: one load, as gcc sees it."""
    word: cython.ulonglong = (
        cython.cast(cython.ulonglong, p[0]) << 56
        | cython.cast(cython.ulonglong, p[1]) << 48
        | cython.cast(cython.ulonglong, p[2]) << 40
        | cython.cast(cython.ulonglong, p[3]) << 32
        | cython.cast(cython.ulonglong, p[4]) << 24
        | cython.cast(cython.ulonglong, p[5]) << 16
        | cython.cast(cython.ulonglong, p[6]) << 8
        | p[7]
    )
    return word


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_padding(window: cython.ulonglong, held: cython.int) -> cython.bint:
    """Tell whether the `held` bits that are left are the beginning of EOS: ones."""
    return held == 0 or (window >> (64 - held)) == (cython.cast(cython.ulonglong, 1) << held) - 1


@cython.cfunc
@cython.exceptval(check=False)
def _long_code(window: cython.ulonglong, held: cython.int) -> cython.int:
    """Return the length of the code above 12 bits that `window` begins with, -1 if there is none."""
    bits: cython.int
    code: cython.uint
    for bits in range(13, 31):
        if bits > held:
            return -1
        code = cython.cast(cython.uint, window >> (64 - bits))
        if _FIRST[bits] <= code and code - _FIRST[bits] < _COUNT[bits]:
            return bits
    return -1
