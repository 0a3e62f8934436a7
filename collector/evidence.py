# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How far a frame header, or a header block, is evidence that a frame begins there (collector.resync)."""

import cython

if cython.compiled:
    from cython.cimports.collector.frames import (
        CONTINUATION,
        DATA,
        END_HEADERS,
        END_STREAM,
        HEADERS,
        PADDED,
        PRIORITY,
        PRIORITY_FLAG,
        PUSH_PROMISE,
        SETTINGS,
        is_legal,
    )
    from cython.cimports.collector.hpack import Decoder
else:
    from collector.frames import (
        CONTINUATION,
        DATA,
        END_HEADERS,
        END_STREAM,
        HEADERS,
        PADDED,
        PRIORITY,
        PRIORITY_FLAG,
        PUSH_PROMISE,
        SETTINGS,
        is_legal,
    )
    from collector.hpack import Decoder

PSEUDO_HEADER_BITS = cython.declare(cython.int, 8)
END_STREAM_BITS = cython.declare(cython.int, 2)
MAX_FRAME = cython.declare(cython.Py_ssize_t, 16_384)  # RFC 9113 4.2; larger ones count less
MAX_LARGE_FRAME = cython.declare(cython.Py_ssize_t, 1 << 20)
MAX_SETTINGS = cython.declare(cython.Py_ssize_t, 6 * 32)

# By frame type: flags that have a meaning (RFC 9113 6), and the evidence in type, flags and length.
_FLAGS = cython.declare("unsigned char[10]")
_BITS = cython.declare("unsigned char[10]")
if not cython.compiled:
    _FLAGS, _BITS = [0] * 10, [0] * 10
for _kind, (_flags, _bits) in enumerate(
    ((9, 8), (45, 12), (0, 20), (0, 20), (1, 14), (12, 8), (1, 20), (0, 20), (0, 20), (4, 8))
):
    _FLAGS[_kind] = _flags
    _BITS[_kind] = _bits

METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"CONNECT"))


def frame_bits(kind: cython.int, flags: cython.int, length: cython.Py_ssize_t, stream: cython.uint) -> cython.int:
    """Return how many bits of evidence a frame header is, -1 if it cannot be one. `stream` with its reserved bit.

    Streams that the server begins are left aside: pushes are out of use, and misread ids are even as often as odd.
    """
    bits: cython.int
    if kind > CONTINUATION or stream >> 31 or flags & ~_FLAGS[kind] or (stream & 1 == 0 and stream != 0):
        return -1
    if not is_legal(kind, flags, length, stream) or (kind == SETTINGS and length > MAX_SETTINGS):
        return -1
    if kind == DATA:
        if length > MAX_LARGE_FRAME:
            return -1
        if length == 0 or length > MAX_FRAME:
            return 0
        bits = _BITS[DATA]
        return bits + END_STREAM_BITS if flags & END_STREAM else bits
    if length > MAX_FRAME or (kind == PRIORITY and length != 5):
        return -1
    bits = _BITS[kind]
    return bits


def block_bits(fields: list[tuple[bytes | None, bytes | None]]) -> int:
    """Return the evidence in a decoded header block, -1 if it is none of HTTP (RFC 9113 8.2.1, 8.3)."""
    bits = 0
    for name, value in fields:
        if name is None:
            continue
        if not name or name != name.lower() or b" " in name or max(name) > 126 or min(name) < 33:
            return -1
        if name[0] == 58 and value is not None:
            if not _is_pseudo_header(name, value):
                return -1
            bits += PSEUDO_HEADER_BITS
    return int(min(bits, 4 * PSEUDO_HEADER_BITS))


def _is_pseudo_header(name: bytes, value: bytes) -> bool:
    if name == b":method":
        return value in METHODS
    if name == b":scheme":
        return value in {b"http", b"https"}
    if name == b":path":
        return value[:1] in {b"/", b"*"}
    if name == b":status":
        return len(value) == 3 and value.isdigit()
    return name in {b":authority", b":protocol"}


@cython.cfunc
@cython.exceptval(check=False)
def opens_block(kind: cython.int, flags: cython.int) -> cython.bint:
    """Tell whether CONTINUATION must follow."""
    return (kind == HEADERS or kind == PUSH_PROMISE or kind == CONTINUATION) and flags & END_HEADERS == 0


@cython.cfunc
@cython.exceptval(-2)
def judge_block(payload: bytes, flags: cython.int, decoder: Decoder) -> cython.int:
    """Return the evidence in the payload of a HEADERS frame with a whole block, -1: it is none."""
    start: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(payload)
    if flags & PADDED:
        end -= payload[0] if payload else 0
        start = 1
    if flags & PRIORITY_FLAG:
        start += 5
    fields: list[tuple[bytes | None, bytes | None]] = []
    if start >= end or not decoder.decode(payload, start, end, fields):
        return -1
    return block_bits(fields)
