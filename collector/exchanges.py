# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How the halves of streams begin and end as messages: each once, whatever happens (RFC 9113 5.1, 8.1)."""

from typing import Any

import cython

from collector import reasons
from collector.message import Counters, Ended, Half, Limits
from collector.stream_state import Effect, Input, State, packed

if cython.compiled:
    from cython.cimports.collector.halves import NEVER, Message, new_message
    from cython.cimports.collector.hpack import shared_decoder
    from cython.cimports.collector.selection import Selection
    from cython.cimports.collector.side import Side
    from cython.cimports.collector.stream import Stream, Streams
else:
    from collector.halves import NEVER, Message, new_message
    from collector.hpack import shared_decoder
    from collector.selection import Selection
    from collector.side import Side
    from collector.stream import Stream, Streams

LIST_BYTES_PER_OCTET = 4  # a header list kept may be that much larger than the largest block: indexed fields repeat
MAX_HELD_BACK = cython.declare(cython.Py_ssize_t, 64)  # messages kept until it is known who is the client

_STEPS_BYTES = cython.declare(bytes, packed())
_STEPS = cython.declare(cython.p_const_uchar)
_STEPS = _STEPS_BYTES
GONE = cython.declare(cython.int, Input.GONE)
END = cython.declare(cython.int, Effect.END)
IDLE = cython.declare(cython.int, State.IDLE)
CLOSED = cython.declare(cython.int, State.CLOSED)
REQUEST = cython.declare(object, Half.REQUEST)
RESPONSE = cython.declare(object, Half.RESPONSE)
COMPLETE = cython.declare(object, Ended.COMPLETE)
GAP = cython.declare(object, Ended.GAP)
MALFORMED = cython.declare(object, Ended.MALFORMED)
EVICTED = cython.declare(object, Ended.EVICTED)

REQUEST_PSEUDO_HEADERS = (":method", ":scheme", ":authority", ":path")
RESPONSE_PSEUDO_HEADERS = (":status",)


@cython.final
@cython.cclass
class Exchanges:
    """The streams of a connection, both sides, and the messages that are done."""

    def __init__(
        self, limits: Limits, from_start: bool, selection: Selection, loss: Counters, traffic: Counters
    ) -> None:
        self.loss = loss
        self.traffic = traffic
        self.swapped = False
        self.roles_proved = from_start
        self._limits = limits
        self.side0 = Side(0, from_start, limits)
        self.side1 = Side(1, from_start, limits)
        self.decoder = shared_decoder(selection, LIST_BYTES_PER_OCTET * limits.max_header_bytes)
        self.streams = Streams(from_start)
        self.now = 0
        self.body_bytes = limits.body_bytes
        self.max_open_bytes = limits.max_open_bytes
        self._max_streams = limits.max_streams
        self._done: list[Message] | None = None
        self._done_bytes = 0

    def restart(self, both: bool) -> None:
        """Begin again: the client's first frame comes next (collector.http2.Http2.expect_start)."""
        self.side1 = Side(1, True, self._limits)
        if both:
            self.side0 = Side(0, False, self._limits)
            self.side0.window.begin()  # its frames are searched for, but nothing went into its table before them
        else:
            self.side0.window.lose()
        self.streams = Streams(True)
        self.roles_proved = True

    def other(self, side: Side) -> Side:
        """Return the side that answers."""
        return self.side0 if side.index else self.side1

    # Streams.

    def stream(self, stream_id: cython.uint) -> Stream:
        """Return the open stream of that id, opened now if need be."""
        stream: Stream | None = self.streams.get(stream_id)
        return self.open(stream_id) if stream is None else stream

    def open(self, stream_id: cython.uint) -> Stream:
        """Open a stream of an id that has none."""
        while self.streams.count() >= self._max_streams:
            self.make_room()
        return self.streams.open(stream_id)

    def make_room(self) -> cython.int:
        """Let the oldest stream go. A half of it that has not begun may still be told, on its own."""
        oldest: Stream | None = self.streams.oldest()
        if oldest is None:
            return 0
        if self._is_open(oldest.half0) or self._is_open(oldest.half1):
            self.loss.add(reasons.STREAMS_EVICTED)
        else:
            self.traffic.add(reasons.FORGOTTEN)
        self._end_begun(oldest, EVICTED)
        oldest.early = True
        self.streams.remove(oldest)
        return 0

    def _is_open(self, message: Message | None) -> bool:
        return message is not None and message.ended is None

    def _end_begun(self, stream: Stream, ended: Ended) -> None:
        if stream.state0 != IDLE:
            self.end_half(self.side0, stream, ended)
        if stream.state1 != IDLE:
            self.end_half(self.side1, stream, ended)

    # Halves.

    def begin(
        self, side: Side, stream: Stream, time_ns: cython.longlong, headers: list[Any], stays_open: cython.bint
    ) -> Message:
        """Begin the half that `side` sends; `stays_open`: it will be ended by a later frame, or by `expire`."""
        message: Message = new_message(REQUEST if side.is_client else RESPONSE, stream.id, time_ns, headers)
        stream.set_half(side.index, message)
        if stays_open:
            side.add(message)
        return message

    def begin_unseen(self, side: Side, stream: Stream, time_ns: cython.longlong) -> Message:
        """Begin a half of which the head was not seen."""
        message: Message = self.begin(side, stream, time_ns, [], True)
        message._holed = True
        message.missing = REQUEST_PSEUDO_HEADERS if side.is_client else RESPONSE_PSEUDO_HEADERS
        return message

    def relieve(self) -> cython.int:
        """Make room if too much is kept for the open streams."""
        while self.streams.held_bytes > self.max_open_bytes and self.streams.count() > 0:
            self.make_room()
        return 0

    def finish(self, side: Side, stream: Stream, message: Message, ended: Ended) -> None:
        """End a half; where octets of it are missing it is not complete."""
        if message._holed and ended is COMPLETE:
            ended = MALFORMED if side.unbroken else GAP
        if message._linked:
            side.remove(message)
        message.finish(ended, self.now)
        if self._done is None:
            self._done = [message]
        else:
            self._done.append(message)
        if not self.roles_proved:
            self._done_bytes += message._held_bytes + message._list_bytes
        if message._held_bytes:
            self.streams.hold(stream, -message._held_bytes)
        if side.is_client:
            stream.set_half(side.index, message.without_body())
        else:
            message.request = stream.half(1 - side.index)

    def settle(self, side: Side, stream: Stream) -> cython.int:
        """Let the stream go if the half that `side` sends is closed and nothing more is awaited of it."""
        other: Side = self.other(side)
        if stream.state(side.index) != CLOSED:
            return 0
        if stream.state(other.index) == CLOSED:
            if not self.roles_proved:
                stream.early = True  # what was read may have been no frames: then nothing follows from the order of ids
            self.streams.remove(stream)
        elif side.is_client:
            if 0 <= other.last_allowed < stream.id and stream.id & 1:
                self.end_stream(stream, Ended.GOAWAY)
        elif stream.state(other.index) == IDLE:
            stream.early = True  # its request came before the observer, or its octets are still being searched
            self.streams.remove(stream)
        return 0

    # What ends them from outside.

    def end_half(self, side: Side, stream: Stream, ended: Ended) -> None:
        """End the half that `side` sends, if it is open."""
        step: cython.int = _STEPS[stream.state(side.index) << 3 | GONE]
        stream.set_state(side.index, step & 15)
        stream.early = True
        if step >> 4 == END:
            message: Message | None = stream.half(side.index)
            if message is not None:
                self.finish(side, stream, message, ended)

    def end_stream(self, stream: Stream, ended: Ended) -> None:
        """End a stream in both directions; a request that was complete has then an end in place of an answer."""
        client: Side = self.side1 if self.side1.is_client else self.side0
        server: Side = self.other(client)
        request: Message | None = stream.half(client.index)
        unanswered: cython.bint = (
            stream.state(server.index) == IDLE and request is not None and request.ended is not None
        )
        self.end_half(client, stream, ended)
        self.end_half(server, stream, ended)
        if unanswered:
            message: Message = self.begin(server, stream, self.now, [], False)
            message.missing = RESPONSE_PSEUDO_HEADERS
            self.finish(server, stream, message, GAP if stream.clouded and ended is Ended.CLOSED else ended)
        self.streams.remove(stream)

    def malformed(self, side: Side, stream: Stream) -> None:
        """End a half that sent what it must not."""
        message: Message | None = stream.half(side.index)
        self.loss.add(reasons.MESSAGES_MALFORMED)
        stream.set_state(side.index, CLOSED)
        stream.early = True
        if message is not None and message.ended is None:
            self.finish(side, stream, message, MALFORMED)
        self.settle(side, stream)

    def end_gap(self, side: Side) -> None:
        """End what a side has open: octets of it are missing, and nobody knows of which streams."""
        message: Message | None = side.first()
        while message is not None:
            stream: Stream | None = self.streams.get(message.stream_id)
            if stream is not None:
                self.end_half(side, stream, GAP)
                self.settle(side, stream)
            message = side.first()
        if side.is_client:
            self.streams.lose_sight()
        self.cloud(side)

    def cloud(self, side: Side) -> None:
        """Mark what awaits an answer, if octets of the server passed unseen: it may have been among them."""
        stream: Stream
        if not side.is_client:
            for stream in self.streams.all():
                if stream.state(side.index) == IDLE:
                    stream.clouded = True

    def expire(self, side: Side, before_ns: cython.longlong) -> None:
        """End the halves of a side that began before `before_ns`."""
        message: Message | None = side.first()
        while message is not None and message.first_byte_ns < before_ns:
            stream: Stream | None = self.streams.get(message.stream_id)
            self.loss.add(reasons.TIMED_OUT)
            self.now = message.last_byte_ns
            if stream is not None:
                self.end_half(side, stream, Ended.TIMEOUT)
                self.settle(side, stream)
            message = side.first()

    def end_all(self, ended: Ended) -> None:
        """End everything: the connection ended."""
        stream: Stream
        for stream in self.streams.all():
            self.end_stream(stream, ended)
        self.roles_proved = True

    def evict_all(self) -> None:
        """End what has begun, for want of room; what was awaited is left open."""
        while self.streams.count():
            oldest: Stream | None = self.streams.oldest()
            if oldest is not None:
                self._end_begun(oldest, EVICTED)
                self.streams.remove(oldest)
        self.roles_proved = True

    # Who is the client, and what is done.

    def swap(self) -> None:
        """Take client and server the other way round than the source said."""
        self.traffic.add(reasons.SWAPPED)
        self.swapped = not self.swapped
        self.side0.is_client = not self.side0.is_client
        self.side1.is_client = not self.side1.is_client
        self.streams.forget_order()
        stream: Stream
        message: Message
        concerned = {id(message): message for message in self._done or ()}
        for stream in self.streams.all():
            for half in (stream.half0, stream.half1):
                if half is not None:
                    concerned[id(half)] = half
        for message in concerned.values():
            message.half = RESPONSE if message.half is REQUEST else REQUEST
            message.request = None

    def take(self) -> list[Message]:
        """Hand over the messages that are done; none while it is open who is the client."""
        if not self.roles_proved:
            if (self._done is None or len(self._done) <= MAX_HELD_BACK) and self._done_bytes <= self.max_open_bytes:
                return []
            self.roles_proved = True
        done: list[Message] | None = self._done
        if done is None:
            return []
        self._done = None
        return done

    def oldest_done_ns(self) -> cython.longlong:
        """Return the first octet of what is held back, the end of time if nothing is."""
        oldest: cython.longlong = NEVER
        message: Message
        if not self.roles_proved and self._done is not None:
            for message in self._done:
                oldest = min(oldest, message.first_byte_ns)
        return oldest
