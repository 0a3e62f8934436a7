# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What DATA frames are to their streams (RFC 9113 6.1), in pieces of any size, some of them missing."""

import cython

from collector import reasons
from collector.message import Ended
from collector.stream_state import Effect, Input, State, packed

if cython.compiled:
    from cython.cimports.collector.exchanges import Exchanges
    from cython.cimports.collector.frames import END_STREAM, Splitter
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.side import Side
    from cython.cimports.collector.stream import Stream
else:
    from collector.exchanges import Exchanges
    from collector.frames import END_STREAM, Splitter
    from collector.halves import Message
    from collector.side import Side
    from collector.stream import Stream

_STEPS_BYTES = cython.declare(bytes, packed())
_STEPS = cython.declare(cython.p_const_uchar)
_STEPS = _STEPS_BYTES
TUNNEL = cython.declare(cython.int, State.TUNNEL)
DATA_GIVEN = cython.declare(cython.int, Input.DATA)
DATA_END_GIVEN = cython.declare(cython.int, Input.DATA_END)
PIECE = cython.declare(cython.int, Effect.PIECE)
PIECE_END = cython.declare(cython.int, Effect.PIECE_END)
ORPHAN = cython.declare(cython.int, Effect.ORPHAN)
ORPHAN_END = cython.declare(cython.int, Effect.ORPHAN_END)
LATE = cython.declare(cython.int, Effect.LATE)
PASS = cython.declare(cython.int, Effect.PASS)
COMPLETE = cython.declare(object, Ended.COMPLETE)


@cython.cfunc
@cython.exceptval(-1)
def read_data(exchanges: Exchanges, side: Side) -> cython.int:
    """Read the piece of body that the side's splitter stands at."""
    splitter: Splitter = side.splitter
    stream: Stream | None = exchanges.streams.get(splitter.stream)
    if stream is None:
        if exchanges.streams.is_over(splitter.stream):
            if splitter.done:
                exchanges.traffic.add(reasons.LATE_FRAMES)
            return 0
        stream = exchanges.stream(splitter.stream)
    _take(exchanges, side, stream)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def lost_data(exchanges: Exchanges, side: Side) -> cython.int:
    """Octets of a DATA frame are missing; the splitter knows how many."""
    splitter: Splitter = side.splitter
    stream: Stream | None = exchanges.streams.get(splitter.stream)
    message: Message | None = None if stream is None else stream.half(side.index)
    if stream is not None and message is not None and message.ended is None:
        message._holed = True
        message.body_bytes += splitter.size
        if splitter.done and splitter.flags & END_STREAM:
            splitter.size = 0
            _take(exchanges, side, stream)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _take(exchanges: Exchanges, side: Side, stream: Stream) -> cython.int:
    """Do what the table of collector.stream_state says."""
    splitter: Splitter = side.splitter
    given: cython.int = DATA_END_GIVEN if splitter.done and splitter.flags & END_STREAM else DATA_GIVEN
    step: cython.int = _STEPS[stream.state(side.index) << 3 | given]
    effect: cython.int = step >> 4
    message: Message | None = stream.half(side.index)
    stream.set_state(side.index, step & 15)
    if effect == ORPHAN or effect == ORPHAN_END:
        exchanges.loss.add(reasons.ORPHAN_FRAMES)
        message = exchanges.begin_unseen(side, stream, splitter.frame_ns)
    elif effect == PASS:
        exchanges.traffic.add(reasons.TUNNEL_BYTES, splitter.size)
    elif effect == LATE:
        if splitter.done:
            exchanges.traffic.add(reasons.LATE_FRAMES)
    elif effect != PIECE and effect != PIECE_END:
        exchanges.malformed(side, stream)
        return 0
    if effect == LATE or effect == PASS or message is None:
        exchanges.settle(side, stream)
        return 0
    _add(exchanges, splitter, stream, message)
    if effect == PIECE_END or effect == ORPHAN_END:
        exchanges.finish(side, stream, message, COMPLETE)
        exchanges.settle(side, stream)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _add(exchanges: Exchanges, splitter: Splitter, stream: Stream, message: Message) -> cython.int:
    """Keep the body's prefix: nothing behind an octet that was not kept."""
    room: cython.Py_ssize_t = 0
    free: cython.Py_ssize_t
    if message.body_bytes == message._held_bytes and not message._holed:
        room = exchanges.body_bytes - message._held_bytes
        if room > splitter.size:
            room = splitter.size
        free = exchanges.max_open_bytes - exchanges.streams.held_bytes
        if room > free:
            room = max(free, 0)
            exchanges.loss.add(reasons.BODIES_CUT)
    message.add_body(splitter.p, splitter.at, splitter.size, room)
    if room > 0:
        message._held_bytes += room
        exchanges.streams.hold(stream, room)
    return 0
