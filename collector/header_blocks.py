# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a header block is to its stream: head, interim response, trailer section (RFC 9113 8.1, 8.3), or unreadable."""

from typing import Any

import cython

from collector import reasons
from collector.exchanges import REQUEST_PSEUDO_HEADERS, RESPONSE_PSEUDO_HEADERS
from collector.hpack import shared_name
from collector.message import Ended, Half, HeaderState
from collector.stream_state import Effect, Input, State, packed

if cython.compiled:
    from cython.cimports.collector.exchanges import Exchanges
    from cython.cimports.collector.frames import END_STREAM, FAULT_GAP, FAULT_MALFORMED, HEADERS, PUSH_PROMISE, Splitter
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.hpack import Decoder
    from cython.cimports.collector.objects import sbiscope_list
    from cython.cimports.collector.side import Side
    from cython.cimports.collector.stream import Stream, Streams
else:
    from collector.exchanges import Exchanges
    from collector.frames import END_STREAM, FAULT_GAP, FAULT_MALFORMED, HEADERS, PUSH_PROMISE, Splitter
    from collector.halves import Message
    from collector.hpack import Decoder
    from collector.side import Side
    from collector.stream import Stream, Streams

METHOD = cython.declare(object, shared_name(b":method"))
PATH = cython.declare(object, shared_name(b":path"))
SCHEME = cython.declare(object, shared_name(b":scheme"))
AUTHORITY = cython.declare(object, shared_name(b":authority"))
STATUS = cython.declare(object, shared_name(b":status"))

USUAL_FIELDS = cython.declare(cython.Py_ssize_t, 8)  # of a block; a list is made for so many at once

# What is known of a block: bits.
READ = cython.declare(cython.int, 1)  # it was read to its end
BROKEN = cython.declare(cython.int, 64)  # it is against RFC 7541 or RFC 9113
HOLED = cython.declare(cython.int, 128)  # a part of it is missing
REQUEST = cython.declare(cython.int, 2)  # it bears a pseudo-header of a request
RESPONSE = cython.declare(cython.int, 4)  # it bears a status that was read
INTERIM = cython.declare(cython.int, 8)  # of 1xx
SUCCESS = cython.declare(cython.int, 16)  # of 2xx
CONNECT = cython.declare(cython.int, 32)  # its method is CONNECT

_STEPS_BYTES = cython.declare(bytes, packed())
_STEPS = cython.declare(cython.p_const_uchar)
_STEPS = _STEPS_BYTES
IDLE = cython.declare(cython.int, State.IDLE)
IN_INTERIM = cython.declare(cython.int, State.INTERIM)
IN_UNSURE = cython.declare(cython.int, State.UNSURE)
IN_BODY = cython.declare(cython.int, State.BODY)
CLOSED = cython.declare(cython.int, State.CLOSED)
IN_TUNNEL = cython.declare(cython.int, State.TUNNEL)
HEADERS_GIVEN = cython.declare(cython.int, Input.HEADERS)
HEADERS_END_GIVEN = cython.declare(cython.int, Input.HEADERS_END)
INTERIM_GIVEN = cython.declare(cython.int, Input.INTERIM)
UNSURE_GIVEN = cython.declare(cython.int, Input.UNSURE)
CONNECT_GIVEN = cython.declare(cython.int, Input.CONNECT)
BEGIN = cython.declare(cython.int, Effect.BEGIN)
BEGIN_END = cython.declare(cython.int, Effect.BEGIN_END)
REPLACE = cython.declare(cython.int, Effect.REPLACE)
REPLACE_END = cython.declare(cython.int, Effect.REPLACE_END)
TRAILERS = cython.declare(cython.int, Effect.TRAILERS)
LATE = cython.declare(cython.int, Effect.LATE)
PASS = cython.declare(cython.int, Effect.PASS)
EXACT = cython.declare(object, HeaderState.EXACT)
PARTIAL = cython.declare(object, HeaderState.PARTIAL)
UNKNOWN = cython.declare(object, HeaderState.UNKNOWN)
COMPLETE = cython.declare(object, Ended.COMPLETE)
MALFORMED = cython.declare(object, Ended.MALFORMED)
NONE = cython.declare(tuple, ())
HALF_REQUEST = Half.REQUEST

# By Splitter.fault.
LOST_BLOCK_REASONS = (reasons.ORPHAN_FRAMES, reasons.BLOCKS_TOO_LARGE, reasons.BLOCKS_LOST, reasons.BLOCKS_MALFORMED)


@cython.cfunc
@cython.exceptval(-1)
def read_block(exchanges: Exchanges, side: Side) -> cython.int:
    """Read the header block that the side's splitter stands at."""
    splitter: Splitter = side.splitter
    decoder: Decoder = exchanges.decoder
    headers: list[Any] = _no_fields()
    facts: cython.int = 0
    decoder.window = side.window
    decoder.window.fetch_ahead()
    if decoder.decode(splitter.p, splitter.at, splitter.at + splitter.size, headers):
        facts = READ | _pseudo_headers(headers)
    else:
        facts = BROKEN
        headers.clear()  # either end will close the connection, or what was taken for a block is none
        exchanges.loss.add(reasons.BLOCKS_MALFORMED)
    side.window.note_leaving()
    if decoder.cut_fields:
        exchanges.loss.add(reasons.FIELDS_CUT, decoder.cut_fields)
    if splitter.kind == PUSH_PROMISE:
        _promise(exchanges, side, headers, facts)
        return 0
    if not exchanges.roles_proved:
        _prove_roles(exchanges, side, facts)
    _dispatch(exchanges, side, headers, facts)
    return 0


@cython.cfunc
@cython.inline
def _no_fields() -> list[Any]:
    if cython.compiled:
        return sbiscope_list(USUAL_FIELDS)
    return []


@cython.cfunc
@cython.exceptval(-1)
def lost_block(exchanges: Exchanges, side: Side) -> cython.int:
    """Pass over a header block of which a part is missing or that is too large."""
    splitter: Splitter = side.splitter
    side.window.lose()
    exchanges.decoder.clear()
    exchanges.loss.add(LOST_BLOCK_REASONS[splitter.fault])
    facts: cython.int = 0
    if splitter.fault == FAULT_MALFORMED:
        facts = BROKEN
    elif splitter.fault == FAULT_GAP:
        facts = HOLED
    if splitter.kind == HEADERS:
        _dispatch(exchanges, side, [], facts)
    return 0


@cython.cfunc
@cython.exceptval(check=False)
def _pseudo_headers(headers: list[Any]) -> cython.int:
    """Look at the pseudo-headers, which come first (RFC 9113 8.3); names are shared objects (collector.hpack)."""
    facts: cython.int = 0
    field: tuple[Any, ...]
    for field in headers:
        name: object = field[0]
        value: bytes | None = field[1]
        if name is STATUS:
            return facts if value is None else facts | _status(value)
        if name is METHOD:
            facts |= REQUEST
            if value == b"CONNECT":
                facts |= CONNECT
        elif name is PATH or name is SCHEME or name is AUTHORITY:
            facts |= REQUEST
        elif name is not None:
            return facts
    return facts


@cython.cfunc
@cython.exceptval(check=False)
def _status(value: bytes) -> cython.int:
    first: cython.int = value[0] if len(value) == 3 else 0
    if first == 50:  # "2"
        return RESPONSE | SUCCESS
    return RESPONSE | INTERIM if first == 49 else RESPONSE


@cython.cfunc
@cython.exceptval(-1)
def _prove_roles(exchanges: Exchanges, side: Side, facts: cython.int) -> cython.int:
    """Only the client begins odd streams, and only a request has a method (RFC 9113 5.1.1, 8.3.1)."""
    if side.splitter.stream & 1 and facts & (REQUEST | RESPONSE):
        if (facts & REQUEST != 0) != side.is_client:
            exchanges.swap()
        exchanges.roles_proved = True
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _dispatch(exchanges: Exchanges, side: Side, headers: list[Any], facts: cython.int) -> cython.int:
    """Find the stream a block belongs to, begun now if need be; a stream that has ended takes no more."""
    stream_id: cython.uint = side.splitter.stream
    streams: Streams = exchanges.streams
    stream: Stream | None = streams.get(stream_id)
    if side.is_client and streams.is_new(stream_id):
        streams.began(stream_id)
    elif stream is None and streams.is_over(stream_id):
        exchanges.traffic.add(reasons.LATE_FRAMES)
        return 0
    if stream is None:
        stream = exchanges.open(stream_id)
    _take(exchanges, side, stream, headers, facts)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _take(exchanges: Exchanges, side: Side, stream: Stream, headers: list[Any], facts: cython.int) -> cython.int:
    """Do what the table of collector.stream_state says."""
    splitter: Splitter = side.splitter
    ends: cython.bint = splitter.flags & END_STREAM != 0
    state: cython.int = stream.state(side.index)
    if facts & (REQUEST | RESPONSE) == 0 or state == IN_UNSURE:
        state = _state_by_content(exchanges, side, stream, headers, facts, ends)
    step: cython.int = _STEPS[state << 3 | _input(exchanges, side, stream, facts, ends)]
    effect: cython.int = step >> 4
    message: Message | None = stream.half(side.index)
    stream.set_state(side.index, step & 15)
    if effect == BEGIN or effect == BEGIN_END:
        message = exchanges.begin(side, stream, splitter.block_ns, headers, effect == BEGIN)
        message._holed = ends and facts & (REQUEST | RESPONSE) == 0 and _head_may_be_unseen(side, stream, facts)
    if effect == LATE or effect == PASS or message is None:
        exchanges.traffic.add(reasons.LATE_FRAMES)
        exchanges.settle(side, stream)
        return 0
    if effect == BEGIN or effect == BEGIN_END or effect == REPLACE or effect == REPLACE_END:
        _fill(exchanges, side, message, headers, facts)
    elif effect == TRAILERS:
        _add_trailers(exchanges, side, message, headers, facts)
    else:
        exchanges.malformed(side, stream)
        return 0
    if facts & HOLED:
        message._holed = True
    exchanges.streams.hold(stream, exchanges.decoder.list_bytes)
    if facts & BROKEN:
        exchanges.malformed(side, stream)
    elif effect == BEGIN_END or effect == REPLACE_END or effect == TRAILERS:
        exchanges.finish(side, stream, message, COMPLETE)
        exchanges.settle(side, stream)
    exchanges.relieve()
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _input(exchanges: Exchanges, side: Side, stream: Stream, facts: cython.int, ends: cython.bint) -> cython.int:
    """Return what a header block is to its stream's half (collector.stream_state.Input)."""
    if ends:
        return HEADERS_END_GIVEN
    if side.is_client:
        if not exchanges.roles_proved:
            return UNSURE_GIVEN
        return CONNECT_GIVEN if facts & CONNECT else HEADERS_GIVEN
    if facts & INTERIM:
        return INTERIM_GIVEN
    if facts & RESPONSE == 0:
        return UNSURE_GIVEN
    return CONNECT_GIVEN if facts & SUCCESS and stream.state(1 - side.index) == IN_TUNNEL else HEADERS_GIVEN


@cython.cfunc
@cython.exceptval(-1)
def _state_by_content(
    exchanges: Exchanges, side: Side, stream: Stream, headers: list[Any], facts: cython.int, ends: cython.bint
) -> cython.int:
    """Return the state in which a half must have been for the block to follow, by what the block holds."""
    state: cython.int = stream.state(side.index)
    if state == IN_UNSURE and facts & RESPONSE:
        return IN_INTERIM  # a final response follows, so the one before was none
    if not ends or facts & READ == 0 or facts & (REQUEST | RESPONSE):
        return state
    if state == IN_UNSURE and not _is_trailer_section(exchanges, side, headers):
        return IN_INTERIM
    if state == IDLE and _is_trailer_section(exchanges, side, headers):
        exchanges.begin_unseen(side, stream, side.splitter.block_ns)
        return IN_BODY
    return state


@cython.cfunc
def _is_trailer_section(exchanges: Exchanges, side: Side, headers: list[Any]) -> cython.bint:
    """Tell whether a block without a known pseudo-header is no head: heads begin with one (RFC 9113 8.3).

    Encoders take the names of pseudo-headers from the static table, so a literal with an unknown name is none; an
    entry of which nothing is known may be the status of a response, but requests have a known scheme.
    """
    if not headers or (side.is_client and exchanges.roles_proved):
        return True
    first: tuple[Any, ...] = headers[0]
    return first[0] is not None or first[1] is not None


@cython.cfunc
def _head_may_be_unseen(side: Side, stream: Stream, facts: cython.int) -> cython.bint:
    """Tell whether a last block may be the trailer section of a message of which the head passed unseen."""
    if side.is_client:
        return facts & READ != 0  # no request is without a known pseudo-header
    return stream.clouded or stream.half(1 - side.index) is None


@cython.cfunc
@cython.exceptval(-1)
def _fill(exchanges: Exchanges, side: Side, message: Message, headers: list[Any], facts: cython.int) -> cython.int:
    """Put the fields of a head into its message, and what can be vouched for."""
    decoder: Decoder = exchanges.decoder
    message.headers = headers
    message.headers_ns = exchanges.now
    message.header_bytes += side.splitter.block_bytes
    message._list_bytes += decoder.list_bytes
    if facts & READ and decoder.unknown is None and decoder.cut_fields == 0:
        message.header_state = EXACT
        message.unknown = NONE
        message.missing = NONE
    else:
        _fill_partly(decoder, message, facts)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _fill_partly(decoder: Decoder, message: Message, facts: cython.int) -> cython.int:
    unknown: list[Any] = []
    if facts & READ and decoder.unknown is not None:
        unknown = decoder.unknown
    message.unknown = tuple(unknown)
    message.header_state = UNKNOWN if len(unknown) == len(message.headers) else PARTIAL
    read = {name for name, value in message.headers if value is not None}
    wanted = REQUEST_PSEUDO_HEADERS if message.half is HALF_REQUEST else RESPONSE_PSEUDO_HEADERS
    message.missing = tuple([name for name in wanted if name.encode() not in read])
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _add_trailers(
    exchanges: Exchanges, side: Side, message: Message, headers: list[Any], facts: cython.int
) -> cython.int:
    decoder: Decoder = exchanges.decoder
    message.trailers = headers
    message.header_bytes += side.splitter.block_bytes
    message._list_bytes += decoder.list_bytes
    if message.header_state is EXACT and (facts & READ == 0 or decoder.unknown is not None or decoder.cut_fields):
        message.header_state = PARTIAL
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _promise(exchanges: Exchanges, side: Side, headers: list[Any], facts: cython.int) -> cython.int:
    """PUSH_PROMISE: the request of a stream that the server begins, complete at once (RFC 9113 8.4.1)."""
    stream_id: cython.uint = side.splitter.promised
    exchanges.traffic.add(reasons.PUSHED)
    if side.is_client or stream_id == 0 or stream_id & 1 or exchanges.streams.get(stream_id) is not None:
        exchanges.loss.add(reasons.MESSAGES_MALFORMED)
        return 0
    if exchanges.streams.is_over(stream_id):
        exchanges.traffic.add(reasons.LATE_FRAMES)
        return 0
    client: Side = exchanges.other(side)
    stream: Stream = exchanges.stream(stream_id)
    stream.early = True  # so that its end is remembered: its id is not in the client's order
    message: Message = exchanges.begin(client, stream, side.splitter.block_ns, headers, False)
    stream.set_state(client.index, CLOSED)
    _fill(exchanges, side, message, headers, facts)
    exchanges.finish(client, stream, message, MALFORMED if facts & BROKEN else COMPLETE)
    exchanges.streams.hold(stream, exchanges.decoder.list_bytes)
    exchanges.relieve()
    return 0
