# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How the frames of both directions become messages (RFC 9113), for an observer of the connection."""

import cython

from collector import reasons
from collector.message import Counters, Ended, Half, HeaderState, Limits
from collector.resync import Seeker
from collector.stream_state import Effect, Input, State, packed

if cython.compiled:
    from cython.cimports.collector.frames import ACK, BLOCK, BROKEN, CONTROL, DATA_PIECE, END_STREAM
    from cython.cimports.collector.frames import (
        FAULT_GAP,
        FAULT_MALFORMED,
        GOAWAY,
        HEADERS,
        LOST_BLOCK,
        PUSH_PROMISE,
        RST_STREAM,
        Splitter,
    )
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.hpack import Decoder
    from cython.cimports.collector.selection import Selection
    from cython.cimports.collector.stream import Side, Stream, Streams
else:
    from collector.frames import ACK, BLOCK, BROKEN, CONTROL, DATA_PIECE, END_STREAM
    from collector.frames import (
        FAULT_GAP,
        FAULT_MALFORMED,
        GOAWAY,
        HEADERS,
        LOST_BLOCK,
        PUSH_PROMISE,
        RST_STREAM,
        Splitter,
    )
    from collector.halves import Message
    from collector.hpack import Decoder
    from collector.selection import Selection
    from collector.stream import Side, Stream, Streams

from collector.hpack import shared_name

HEADER_TABLE_SIZE = cython.declare(cython.int, 1)  # RFC 9113 6.5.2
MAX_FRAME_SIZE = cython.declare(cython.int, 5)
LARGEST_FRAME_SIZE = cython.declare(cython.longlong, 1 << 24)
NEVER = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
MAX_HELD_BACK = cython.declare(cython.Py_ssize_t, 64)  # messages kept until it is known who is the client

METHOD, PATH, SCHEME, AUTHORITY, STATUS = (
    shared_name(name) for name in (b":method", b":path", b":scheme", b":authority", b":status")
)

# collector.stream_state, for C.
_STEPS_BYTES = packed()
_STEPS = cython.declare(cython.p_const_uchar)
_STEPS = _STEPS_BYTES
ROW = cython.declare(cython.int, 8)
IDLE = cython.declare(cython.int, State.IDLE)
INTERIM = cython.declare(cython.int, State.INTERIM)
UNSURE = cython.declare(cython.int, State.UNSURE)
BODY = cython.declare(cython.int, State.BODY)
TUNNEL = cython.declare(cython.int, State.TUNNEL)
CLOSED = cython.declare(cython.int, State.CLOSED)
HEADERS_GIVEN = cython.declare(cython.int, Input.HEADERS)
HEADERS_END_GIVEN = cython.declare(cython.int, Input.HEADERS_END)
INTERIM_GIVEN = cython.declare(cython.int, Input.INTERIM)
UNSURE_GIVEN = cython.declare(cython.int, Input.UNSURE)
CONNECT_GIVEN = cython.declare(cython.int, Input.CONNECT)
DATA_GIVEN = cython.declare(cython.int, Input.DATA)
DATA_END_GIVEN = cython.declare(cython.int, Input.DATA_END)
GONE_GIVEN = cython.declare(cython.int, Input.GONE)
BEGIN = cython.declare(cython.int, Effect.BEGIN)
BEGIN_END = cython.declare(cython.int, Effect.BEGIN_END)
REPLACE = cython.declare(cython.int, Effect.REPLACE)
REPLACE_END = cython.declare(cython.int, Effect.REPLACE_END)
TRAILERS = cython.declare(cython.int, Effect.TRAILERS)
PIECE = cython.declare(cython.int, Effect.PIECE)
PIECE_END = cython.declare(cython.int, Effect.PIECE_END)
ORPHAN = cython.declare(cython.int, Effect.ORPHAN)
ORPHAN_END = cython.declare(cython.int, Effect.ORPHAN_END)
END = cython.declare(cython.int, Effect.END)
LATE = cython.declare(cython.int, Effect.LATE)
PASS = cython.declare(cython.int, Effect.PASS)

REQUEST_PSEUDO_HEADERS = (METHOD, SCHEME, AUTHORITY, PATH)
RESPONSE_PSEUDO_HEADERS = (STATUS,)
LOST_BLOCK_REASONS = (reasons.ORPHAN_FRAMES, reasons.BLOCKS_TOO_LARGE, reasons.BLOCKS_LOST, reasons.BLOCKS_MALFORMED)

REQUEST, RESPONSE = Half.REQUEST, Half.RESPONSE
EXACT, PARTIAL, UNKNOWN = HeaderState.EXACT, HeaderState.PARTIAL, HeaderState.UNKNOWN
COMPLETE, GAP, MALFORMED = Ended.COMPLETE, Ended.GAP, Ended.MALFORMED


@cython.final
@cython.cclass
class Http2:
    """One HTTP/2 connection. Every half that begins ends once; a seen end of a stream that was not answered, too.

    `feed` takes what follows the client's connection preface, which is no frame.
    """

    def __init__(
        self, limits: Limits, from_start: bool, selection: Selection, loss: Counters, traffic: Counters
    ) -> None:
        self._limits = limits
        self._loss = loss
        self._traffic = traffic
        self._selection = selection
        self._body_bytes = limits.body_bytes
        self._max_streams = limits.max_streams
        self._max_open_bytes = limits.max_open_bytes
        self._side0 = self._new_side(0, from_start)
        self._side1 = self._new_side(1, from_start)
        self._streams = Streams(from_start)
        self._done = []
        self._now = 0
        self._block_lost = False
        self._has_request = self._has_status = self._is_interim = self._is_connect = False
        self.swapped = False
        self.roles_proved = from_start

    def _new_side(self, index: int, from_start: bool) -> Side:
        limits = self._limits
        decoder = Decoder(self._selection, from_start, limits.max_table_bytes, 4 * limits.max_header_bytes)
        side = Side(index, Splitter(limits.max_header_bytes), decoder, from_start)
        if not from_start:
            side.seeker = Seeker()
            side.splitter.strict = True
        return side

    # What the connection is told.

    def feed(self, from_client: cython.bint, data: bytes, time_ns: cython.longlong) -> None:
        """Take contiguous octets of one direction; `from_client` as the source sees it."""
        side: Side = self._side1 if from_client else self._side0
        self._now = time_ns
        if side.seeker is None:
            rest = self._run(side, data, time_ns)
            if rest is not None:
                self._read(side, rest, time_ns)
        else:
            self._read(side, data, time_ns)

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        """Take notice of octets missing in one direction; 0 = not known how many."""
        side: Side = self._side1 if from_client else self._side0
        event: cython.int
        self._now = time_ns
        if side.seeker is not None:
            self._count_dropped(side)
            side.seeker.clear()
            self._cloud(side)
            return
        event = side.splitter.gap(length)
        side.unbroken = False
        if event == BROKEN:
            self._loss.add(reasons.GAPS)
            self._lose(side)
            return
        self._loss.add(reasons.GAPS_IN_FRAME)
        if event == LOST_BLOCK:
            self._lost_block(side)
        elif event == DATA_PIECE:
            self._lost_data(side)

    def close(self, time_ns: int) -> None:
        """End everything: the connection ended."""
        side: Side
        self._now = time_ns
        for side in (self._side0, self._side1):
            if side.seeker is not None:
                self._count_dropped(side)
                side.seeker.clear()
                self._cloud(side)
            elif side.splitter.is_partial():
                self._loss.add(reasons.BLOCKS_LOST)
                side.splitter.reset()
        self._end_all(Ended.CLOSED)

    def evict(self, time_ns: int) -> None:
        """End everything for want of room."""
        stream: Stream
        self._now = time_ns
        for stream in self._streams.all():
            self._end_half(self._side0, stream, Ended.EVICTED)
            self._end_half(self._side1, stream, Ended.EVICTED)
            stream.early = True
            self._streams.remove(stream)
        self.roles_proved = True

    def expire(self, before_ns: int) -> None:
        """End what began before `before_ns` and is still open."""
        side: Side
        for side in (self._side0, self._side1):
            if side.seeker is not None:
                if side.seeker.oldest_ns is not None and side.seeker.oldest_ns < before_ns:
                    side.seeker.clear()
                    self._count_dropped(side)
                    self._cloud(side)
            elif side.splitter.is_partial() and side.splitter.partial_ns() < before_ns:
                self._loss.add(reasons.TIMED_OUT)
                self._lose(side)
            while side.open.oldest_ns() < before_ns:
                message: Message = side.open.first()
                stream: Stream = self._streams.get(message.stream_id)
                self._loss.add(reasons.TIMED_OUT)
                self._now = message.last_byte_ns
                self._end_half(side, stream, Ended.TIMEOUT)
                self._settle(side, stream)
        if self._done and not self.roles_proved and self._done[0].first_byte_ns < before_ns:
            self.roles_proved = True

    def take(self) -> list[Message]:
        """Hand over the finished messages in order of ending; none while it is open who is the client."""
        if not self.roles_proved:
            if len(self._done) <= MAX_HELD_BACK:
                return []
            self.roles_proved = True
        done = self._done
        if done:
            self._done = []
        return done

    @property
    def oldest_open_ns(self) -> int | None:
        """First byte of what is begun and not handed over or ready to be."""
        side: Side
        message: Message
        oldest: cython.longlong = NEVER
        for side in (self._side0, self._side1):
            oldest = min(oldest, side.open.oldest_ns())
            if side.seeker is not None:
                if side.seeker.oldest_ns is not None:
                    oldest = min(oldest, side.seeker.oldest_ns)
            elif side.splitter.is_partial():
                oldest = min(oldest, side.splitter.partial_ns())
        if not self.roles_proved:
            for message in self._done:
                oldest = min(oldest, message.first_byte_ns)
        return None if oldest == NEVER else oldest

    @property
    def streams_open(self) -> int:
        """How many streams are open, among them those that wait for their answer."""
        return self._streams.count()

    def adopt(self, request: Message) -> None:
        """Take the request that asked for the upgrade to h2c: it is stream 1, half-closed (RFC 7540 3.2)."""
        stream: Stream = self._streams.open(1)
        self._streams.began(1)
        self._set_state(stream, 1, CLOSED)
        self._set_half(stream, 1, request.without_body())

    def expect_start(self, both: bool) -> None:
        """The client's preface was just seen: its first frame comes next, and its first header block.

        `both`: nothing of the server had been seen before; then its first block is yet to come, too, since it cannot
        answer before it was asked.
        """
        server = self._side0
        self._side1 = self._new_side(1, True)
        if both:
            self._side0 = self._new_side(0, False)
            self._side0.decoder = self._new_side(0, True).decoder
        else:
            server.decoder.lose()
        self._streams = Streams(True)
        self.roles_proved = True

    @property
    def is_found(self) -> bool:
        """Whether frames of either direction were found."""
        return self._side0.seeker is None or self._side1.seeker is None

    # Reading.

    def _read(self, side: Side, data: bytes, time_ns: cython.longlong) -> None:
        """Read octets of a side whose frame boundary is not known, at first or any more."""
        queue: list[tuple[bytes, int]] = [(data, time_ns)]
        while queue:
            piece, piece_ns = queue.pop(0)
            self._now = piece_ns
            if side.seeker is None:
                strict = side.splitter.strict
                rest = self._run(side, piece, piece_ns)
                if rest is not None and not strict:
                    queue.insert(0, (rest, piece_ns))
                elif rest is not None:
                    self._loss.add(reasons.RESYNC_BYTES, len(rest))
            else:
                found = side.seeker.push(piece, piece_ns)
                if found is not None:
                    self._count_dropped(side)
                    self._cloud(side)
                    side.seeker = None
                    queue = found + queue

    def _run(self, side: Side, data: bytes, time_ns: cython.longlong) -> bytes | None:
        """Read frames; return what is left where the framing broke, None if all was read."""
        splitter: Splitter = side.splitter
        event: cython.int
        splitter.push(data, time_ns)
        while True:
            event = splitter.next()
            if event == DATA_PIECE:
                self._read_data(side)
            elif event == BLOCK:
                self._read_block(side)
            elif event == CONTROL:
                self._read_control(side)
            elif event == LOST_BLOCK:
                self._lost_block(side)
            elif event == BROKEN:
                rest: bytes = splitter.rest()
                self._loss.add(reasons.FALSE_LOCKS if splitter.strict else reasons.BROKEN_FRAMING)
                self._lose(side)
                return rest
            else:
                splitter.release()
                return None

    def _lose(self, side: Side) -> None:
        """The frame boundary is lost: what is open on this side has octets missing, its table is not known."""
        side.unbroken = False
        side.decoder.lose()
        side.splitter.reset()
        side.splitter.strict = True
        side.seeker = Seeker()
        while side.open.first() is not None:
            stream: Stream = self._streams.get(side.open.first().stream_id)
            self._end_half(side, stream, GAP)
            self._settle(side, stream)
        if side.is_client:
            self._streams.lose_sight()
        self._cloud(side)

    def _cloud(self, side: Side) -> None:
        """Octets of the server passed unseen: an answer may have been among them."""
        stream: Stream
        if not side.is_client:
            for stream in self._streams.all():
                if stream.state(side.index) == IDLE:
                    stream.clouded = True

    def _count_dropped(self, side: Side) -> None:
        dropped = side.seeker.take_dropped()
        if dropped:
            self._loss.add(reasons.RESYNC_BYTES, dropped)
            side.decoder.lose()

    def _other(self, side: Side) -> Side:
        return self._side0 if side.index else self._side1

    # Header blocks.

    def _read_block(self, side: Side) -> None:
        splitter: Splitter = side.splitter
        headers: list = []
        fine: cython.bint = side.decoder.decode(splitter.p, splitter.at, splitter.at + splitter.size, headers)
        if not fine:
            self._loss.add(reasons.BLOCKS_MALFORMED)
        if side.decoder.cut_fields:
            self._loss.add(reasons.FIELDS_CUT, side.decoder.cut_fields)
        self._scan(headers)
        if splitter.kind == PUSH_PROMISE:
            self._promise(side, headers, fine)
            return
        if not self.roles_proved:
            self._prove_roles(side, splitter.stream)
        stream: Stream = self._stream_of_block(side, splitter.stream)
        if stream is None:
            self._traffic.add(reasons.LATE_FRAMES)
            return
        self._take_block(side, stream, headers, fine)

    def _scan(self, headers: list) -> None:
        """Look at the pseudo-headers, which come first (RFC 9113 8.3)."""
        self._has_request = self._has_status = self._is_interim = self._is_connect = False
        for field in headers:
            pair: tuple = field
            name: object = pair[0]
            if name is None:
                continue
            if name is STATUS:
                self._has_status = pair[1] is not None
                self._is_interim = self._has_status and pair[1][:1] == b"1"
                return
            if name is METHOD:
                self._is_connect = pair[1] == b"CONNECT"
            elif name is not PATH and name is not SCHEME and name is not AUTHORITY:
                return
            self._has_request = True

    def _prove_roles(self, side: Side, stream_id: cython.uint) -> None:
        """Only the client begins odd streams, and only a request has a method (RFC 9113 5.1.1, 8.3.1)."""
        if stream_id & 1 and (self._has_request or self._has_status):
            if self._has_request != side.is_client:
                self._swap()
            self.roles_proved = True

    def _swap(self) -> None:
        self._traffic.add(reasons.SWAPPED)
        self.swapped = not self.swapped
        self._side0.is_client = not self._side0.is_client
        self._side1.is_client = not self._side1.is_client
        stream: Stream
        message: Message
        self._streams.forget_order()
        concerned = {id(message): message for message in self._done}
        for stream in self._streams.all():
            for message in (stream.half(0), stream.half(1)):
                if message is not None:
                    concerned[id(message)] = message
        for message in concerned.values():
            message.half = RESPONSE if message.half is REQUEST else REQUEST
            message.request = None

    def _stream_of_block(self, side: Side, stream_id: cython.uint) -> Stream | None:
        """Return the stream a header block belongs to, begun now if need be; None if it has ended."""
        stream: Stream = self._streams.get(stream_id)
        if side.is_client and self._streams.is_new(stream_id):
            self._streams.began(stream_id)
        elif stream is None and self._streams.is_over(stream_id):
            return None
        return self._add_stream(stream_id) if stream is None else stream

    def _add_stream(self, stream_id: cython.uint) -> Stream:
        while self._streams.count() >= self._max_streams:
            self._evict_oldest()
        return self._streams.open(stream_id)

    def _evict_oldest(self) -> None:
        oldest: Stream = self._streams.oldest()
        self._loss.add(reasons.STREAMS_EVICTED)
        self._end_half(self._side0, oldest, Ended.EVICTED)
        self._end_half(self._side1, oldest, Ended.EVICTED)
        oldest.early = True
        self._streams.remove(oldest)

    def _input(self, side: Side, stream: Stream, end_stream: cython.bint) -> cython.int:
        """Return what a header block is to its stream's half."""
        if end_stream:
            return HEADERS_END_GIVEN
        if not self.roles_proved:
            return UNSURE_GIVEN
        if side.is_client:
            return CONNECT_GIVEN if self._is_connect else HEADERS_GIVEN
        if self._is_interim:
            return INTERIM_GIVEN
        if not self._has_status:
            return UNSURE_GIVEN
        return CONNECT_GIVEN if stream.state(1 - side.index) == TUNNEL else HEADERS_GIVEN

    def _take_block(self, side: Side, stream: Stream, headers: list, fine: cython.bint) -> None:
        splitter: Splitter = side.splitter
        end_stream: cython.bint = splitter.flags & END_STREAM != 0
        state: cython.int = stream.state(side.index)
        given: cython.int = self._input(side, stream, end_stream)
        if state == UNSURE and self._has_status:
            state = INTERIM  # a final response follows, so the one before was none
        elif state == IDLE and end_stream and fine and not self._block_lost and self._is_trailer_section(side, headers):
            self._begin(side, stream, splitter.block_ns, True)._holed = True
            state = BODY
        step: cython.int = _STEPS[state * ROW + given]
        effect: cython.int = step >> 4
        message: Message | None
        self._set_state(stream, side.index, step & 15)
        if effect == BEGIN or effect == BEGIN_END:
            message = self._begin(side, stream, splitter.block_ns, effect == BEGIN)
            self._fill(side, stream, message, headers, fine)
        elif effect == REPLACE or effect == REPLACE_END:
            message = stream.half(side.index)
            self._fill(side, stream, message, headers, fine)
        elif effect == TRAILERS:
            message = stream.half(side.index)
            self._add_trailers(side, message, headers, fine)
        elif effect == LATE or effect == PASS:
            self._traffic.add(reasons.LATE_FRAMES)
            if step & 15 == CLOSED:
                self._settle(side, stream)
            return
        else:
            self._malformed(side, stream)
            return
        if self._block_lost and splitter.fault == FAULT_GAP:
            message._holed = True
        if not fine:
            self._malformed(side, stream)
        elif effect == BEGIN_END or effect == REPLACE_END or effect == TRAILERS:
            self._finish(side, stream, message, COMPLETE)
            self._settle(side, stream)
        self._hold(stream, side.decoder.list_bytes)

    def _is_trailer_section(self, side: Side, headers: list) -> bool:
        """Tell whether a first block is no head: it does not begin with a pseudo-header (RFC 9113 8.1, 8.3).

        Encoders take the names of pseudo-headers from the static table, so a literal with an unknown name is none;
        an entry of which nothing is known may be the status of a response, but requests have a known scheme.
        """
        if self._has_request or self._has_status or not headers:
            return False
        first: tuple = headers[0]
        return (side.is_client and self.roles_proved) or first[0] is not None or first[1] is not None

    def _begin(self, side: Side, stream: Stream, time_ns: cython.longlong, stays_open: cython.bint) -> Message:
        message: Message = Message(REQUEST if side.is_client else RESPONSE, stream.id, time_ns)
        if side.index:
            stream.half1 = message
        else:
            stream.half0 = message
        if stays_open:
            side.open.add(message)
        if not side.is_client:
            message.request = stream.half(1 - side.index)
        return message

    def _fill(self, side: Side, stream: Stream, message: Message, headers: list, fine: cython.bint) -> None:
        decoder: Decoder = side.decoder
        message.headers = headers
        message.headers_ns = self._now
        message.header_bytes += side.splitter.block_bytes
        if fine and not self._block_lost and decoder.unknown is None and decoder.cut_fields == 0:
            message.header_state = EXACT
            message.unknown = ()
            message.missing = ()
        else:
            self._fill_partly(decoder, message)

    def _fill_partly(self, decoder: Decoder, message: Message) -> None:
        unknown = [] if self._block_lost else decoder.unknown or []
        message.unknown = tuple(unknown)
        message.header_state = UNKNOWN if len(unknown) == len(message.headers) else PARTIAL
        names = {name for name, value in message.headers if value is not None}
        wanted = REQUEST_PSEUDO_HEADERS if message.half is REQUEST else RESPONSE_PSEUDO_HEADERS
        message.missing = tuple(name.decode() for name in wanted if name not in names)

    def _add_trailers(self, side: Side, message: Message, headers: list, fine: cython.bint) -> None:
        message.trailers = headers
        message.header_bytes += side.splitter.block_bytes
        if message.header_state is EXACT and (not fine or self._block_lost or side.decoder.unknown is not None):
            message.header_state = PARTIAL

    def _lost_block(self, side: Side) -> None:
        """A header block cannot be read; of its frame the header is known."""
        splitter: Splitter = side.splitter
        side.decoder.lose()
        self._loss.add(LOST_BLOCK_REASONS[splitter.fault])
        if splitter.kind != HEADERS:
            return
        self._has_request = self._has_status = self._is_interim = self._is_connect = False
        stream: Stream = self._stream_of_block(side, splitter.stream)
        if stream is None:
            return
        self._block_lost = True
        self._take_block(side, stream, [], splitter.fault != FAULT_MALFORMED)
        self._block_lost = False

    def _promise(self, side: Side, headers: list, fine: cython.bint) -> None:
        """PUSH_PROMISE: the request of a stream that the server begins, complete at once (RFC 9113 8.4.1)."""
        stream_id: cython.uint = side.splitter.promised
        self._traffic.add(reasons.PUSHED)
        if side.is_client or stream_id == 0 or stream_id & 1 or self._streams.get(stream_id) is not None:
            self._loss.add(reasons.MESSAGES_MALFORMED)
            return
        client: Side = self._other(side)
        stream: Stream = self._add_stream(stream_id)
        message: Message = Message(REQUEST, stream_id, side.splitter.block_ns)
        self._set_half(stream, client.index, message)
        self._set_state(stream, client.index, CLOSED)
        self._fill(side, stream, message, headers, fine)
        self._finish(client, stream, message, COMPLETE if fine else MALFORMED)
        self._hold(stream, side.decoder.list_bytes)

    # Bodies.

    def _read_data(self, side: Side) -> None:
        splitter: Splitter = side.splitter
        given: cython.int = DATA_END_GIVEN if splitter.done and splitter.flags & END_STREAM else DATA_GIVEN
        stream: Stream = self._streams.get(splitter.stream)
        if stream is None:
            if self._streams.is_over(splitter.stream):
                if splitter.done:
                    self._traffic.add(reasons.LATE_FRAMES)
                return
            stream = self._add_stream(splitter.stream)
        self._take_data(side, stream, given)

    def _take_data(self, side: Side, stream: Stream, given: cython.int) -> None:
        step: cython.int = _STEPS[stream.state(side.index) * ROW + given]
        effect: cython.int = step >> 4
        message: Message
        self._set_state(stream, side.index, step & 15)
        if effect == ORPHAN or effect == ORPHAN_END:
            self._loss.add(reasons.ORPHAN_FRAMES)
            message = self._begin(side, stream, side.splitter.frame_ns, True)
            message._holed = True
        elif effect == PIECE or effect == PIECE_END:
            message = stream.half(side.index)
        elif effect == LATE or effect == PASS:
            self._traffic.add(reasons.TUNNEL_BYTES if effect == PASS else reasons.LATE_FRAMES, side.splitter.size)
            if step & 15 == CLOSED:
                self._settle(side, stream)
            return
        else:
            self._malformed(side, stream)
            return
        self._add_body(side, stream, message)
        if effect == PIECE_END or effect == ORPHAN_END:
            self._finish(side, stream, message, COMPLETE)
            self._settle(side, stream)

    def _add_body(self, side: Side, stream: Stream, message: Message) -> None:
        """Keep the body's prefix: nothing behind an octet that was not kept."""
        splitter: Splitter = side.splitter
        kept: cython.Py_ssize_t = message._held_bytes
        room: cython.Py_ssize_t = 0
        if message.body_bytes == kept and not message._holed:
            room = self._body_bytes - kept
            if room > self._max_open_bytes - self._streams.held_bytes:
                room = self._max_open_bytes - self._streams.held_bytes
                if room < splitter.size:
                    self._loss.add(reasons.BODIES_CUT)
        if room > splitter.size:
            room = splitter.size
        message.add_body(splitter.p, splitter.at, splitter.size, room)
        if room > 0:
            message._held_bytes += room
            stream.held_bytes += room
            self._streams.held_bytes += room

    def _lost_data(self, side: Side) -> None:
        """Octets of a DATA frame are missing, how many is known."""
        splitter: Splitter = side.splitter
        stream: Stream = self._streams.get(splitter.stream)
        message: Message | None = None if stream is None else stream.half(side.index)
        if message is not None and message.ended is None:
            message._holed = True
            message.body_bytes += splitter.size
            if splitter.done and splitter.flags & END_STREAM:
                splitter.size = 0
                self._take_data(side, stream, DATA_END_GIVEN)

    # Ends.

    def _finish(self, side: Side, stream: Stream, message: Message, ended: Ended) -> None:
        if message._holed and ended is COMPLETE:
            ended = MALFORMED if side.unbroken else GAP
        message.finish(ended, self._now)
        if message._linked:
            side.open.remove(message)
        self._done.append(message)
        if message._held_bytes:
            stream.held_bytes -= message._held_bytes
            self._streams.held_bytes -= message._held_bytes
        if side.is_client:
            self._set_half(stream, side.index, message.without_body())

    def _settle(self, side: Side, stream: Stream) -> None:
        """A half is closed: let the stream go if nothing more is awaited of it."""
        other: Side = self._other(side)
        if stream.state(side.index) != CLOSED:
            return
        if stream.state(other.index) == CLOSED:
            self._streams.remove(stream)
        elif side.is_client:
            if 0 <= other.last_allowed < stream.id and stream.id & 1:
                self._end_stream(stream, Ended.GOAWAY)
        elif stream.state(other.index) == IDLE:
            stream.early = True  # its request came before the observer, or its octets are still being searched
            self._streams.remove(stream)

    def _end_half(self, side: Side, stream: Stream, ended: Ended) -> None:
        """What ends a stream from outside ends a half that is open."""
        step: cython.int = _STEPS[stream.state(side.index) * ROW + GONE_GIVEN]
        self._set_state(stream, side.index, step & 15)
        stream.early = True
        if step >> 4 == END:
            self._finish(side, stream, stream.half(side.index), ended)

    def _end_stream(self, stream: Stream, ended: Ended) -> None:
        """The stream ends in both directions; a request that was complete has then an end in place of an answer."""
        client: Side = self._side1 if self._side1.is_client else self._side0
        server: Side = self._other(client)
        answered: cython.bint = stream.state(server.index) != IDLE
        asked: cython.bint = stream.state(client.index) == CLOSED and stream.half(client.index) is not None
        self._end_half(client, stream, ended)
        self._end_half(server, stream, ended)
        if asked and not answered:
            message: Message = self._begin(server, stream, self._now, False)
            message.missing = (":status",)
            self._finish(server, stream, message, GAP if stream.clouded and ended is Ended.CLOSED else ended)
        self._streams.remove(stream)

    def _end_all(self, ended: Ended) -> None:
        stream: Stream
        for stream in self._streams.all():
            self._end_stream(stream, ended)
        self.roles_proved = True

    def _malformed(self, side: Side, stream: Stream) -> None:
        """The half sent what it must not: it ends, and with it what it began."""
        message: Message = stream.half(side.index)
        self._loss.add(reasons.MESSAGES_MALFORMED)
        self._set_state(stream, side.index, CLOSED)
        stream.early = True
        if message is not None and message.ended is None:
            self._finish(side, stream, message, MALFORMED)
        self._settle(side, stream)

    # Other frames.

    def _read_control(self, side: Side) -> None:
        splitter: Splitter = side.splitter
        stream: Stream
        if splitter.kind == RST_STREAM:
            stream = self._streams.get(splitter.stream)
            if stream is not None:
                self._end_stream(stream, Ended.RESET)
        elif splitter.kind == GOAWAY:
            self._read_goaway(side)
        elif splitter.flags & ACK == 0:
            self._read_settings(side)

    def _read_settings(self, side: Side) -> None:
        """SETTINGS (RFC 9113 6.5): what they allow concerns the other side's octets."""
        splitter: Splitter = side.splitter
        other: Side = self._other(side)
        at: cython.Py_ssize_t = splitter.at
        end: cython.Py_ssize_t = at + splitter.size
        setting: cython.int
        value: cython.longlong
        while at + 6 <= end:
            setting = splitter.p[at] << 8 | splitter.p[at + 1]
            value = cython.cast(cython.longlong, splitter.p[at + 2]) << 24 | splitter.p[at + 3] << 16
            value |= splitter.p[at + 4] << 8 | splitter.p[at + 5]
            if setting == HEADER_TABLE_SIZE and side.unbroken:
                other.decoder.allow(value)
            elif setting == MAX_FRAME_SIZE and value < LARGEST_FRAME_SIZE:
                other.splitter.allow_frame(value)
            at += 6

    def _read_goaway(self, side: Side) -> None:
        """GOAWAY (RFC 9113 6.8): streams of the other end above the last id are not processed."""
        splitter: Splitter = side.splitter
        p: cython.p_const_uchar = splitter.p
        at: cython.Py_ssize_t = splitter.at
        last: cython.longlong = cython.cast(cython.longlong, p[at] & 127) << 24 | p[at + 1] << 16
        last |= p[at + 2] << 8 | p[at + 3]
        side.last_allowed = last
        parity: cython.uint = 0 if side.is_client else 1
        stream: Stream
        for stream in self._streams.all():
            if stream.id & 1 == parity and stream.id > last:
                self._end_stream(stream, Ended.GOAWAY)

    def _hold(self, stream: Stream, held_bytes: cython.Py_ssize_t) -> None:
        """Charge an open stream with the fields kept for it; make room if there are too many."""
        if self._streams.get(stream.id) is stream:
            stream.held_bytes += held_bytes
            self._streams.held_bytes += held_bytes
            while self._streams.held_bytes > self._max_open_bytes and self._streams.count() > 0:
                self._evict_oldest()

    def _set_state(self, stream: Stream, side: cython.int, state: cython.int) -> None:
        if side:
            stream.state1 = state
        else:
            stream.state0 = state

    def _set_half(self, stream: Stream, side: cython.int, message: Message) -> None:
        if side:
            stream.half1 = message
        else:
            stream.half0 = message
