# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What RST_STREAM, GOAWAY and SETTINGS tell an observer (RFC 9113 6.4, 6.5, 6.8)."""

import cython

from collector.message import Ended

if cython.compiled:
    from cython.cimports.collector.exchanges import Exchanges
    from cython.cimports.collector.frames import ACK, GOAWAY, RST_STREAM, Splitter
    from cython.cimports.collector.side import Side
    from cython.cimports.collector.stream import Stream
else:
    from collector.exchanges import Exchanges
    from collector.frames import ACK, GOAWAY, RST_STREAM, Splitter
    from collector.side import Side
    from collector.stream import Stream

HEADER_TABLE_SIZE = cython.declare(cython.int, 1)  # RFC 9113 6.5.2
MAX_FRAME_SIZE = cython.declare(cython.int, 5)
LARGEST_FRAME_SIZE = cython.declare(cython.longlong, 1 << 24)


@cython.cfunc
@cython.exceptval(-1)
def read_control(exchanges: Exchanges, side: Side) -> cython.int:
    """Read the frame that the side's splitter stands at."""
    splitter: Splitter = side.splitter
    stream: Stream | None
    if splitter.kind == RST_STREAM:
        stream = exchanges.streams.get(splitter.stream)
        if stream is not None:
            exchanges.end_stream(stream, Ended.RESET)
    elif splitter.kind == GOAWAY:
        _goaway(exchanges, side)
    elif splitter.flags & ACK == 0:
        _settings(exchanges, side)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _settings(exchanges: Exchanges, side: Side) -> cython.int:
    """Let the other side do what the SETTINGS allow; as to its table only where none of them was missed."""
    splitter: Splitter = side.splitter
    other: Side = exchanges.other(side)
    at: cython.Py_ssize_t = splitter.at
    end: cython.Py_ssize_t = at + splitter.size
    setting: cython.int
    value: cython.longlong
    while at + 6 <= end:
        setting = splitter.p[at] << 8 | splitter.p[at + 1]
        value = _uint32(splitter, at + 2)
        if setting == HEADER_TABLE_SIZE and side.unbroken:
            other.window.allow(value)
        elif setting == MAX_FRAME_SIZE and value < LARGEST_FRAME_SIZE:
            other.allow_frame(value)
        at += 6
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _goaway(exchanges: Exchanges, side: Side) -> cython.int:
    """Streams of the other end above the last id are not processed."""
    stream: Stream
    parity: cython.uint = 0 if side.is_client else 1
    side.last_allowed = _uint32(side.splitter, side.splitter.at) & 0x7FFFFFFF
    for stream in exchanges.streams.all():
        if stream.id & 1 == parity and stream.id > side.last_allowed:
            exchanges.end_stream(stream, Ended.GOAWAY)
    return 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _uint32(splitter: Splitter, at: cython.Py_ssize_t) -> cython.longlong:
    value: cython.longlong = splitter.p[at]
    value = value << 8 | splitter.p[at + 1]
    value = value << 8 | splitter.p[at + 2]
    return value << 8 | splitter.p[at + 3]
