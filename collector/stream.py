# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The streams of one connection that are open, and which of the others have been told already."""

import cython

from collector.stream_state import State

if cython.compiled:
    from cython.cimports.collector.halves import Message
else:
    from collector.halves import Message

MAX_TOLD = cython.declare(cython.Py_ssize_t, 1024)  # streams remembered that ended early
BOTH = cython.declare(cython.int, 3)
NOWHERE = cython.declare(cython.longlong, 1 << 40)
IDLE = cython.declare(cython.int, int(State.IDLE))
CLOSED = cython.declare(cython.int, int(State.CLOSED))


@cython.no_gc  # its messages do not know it
@cython.freelist(64)
@cython.final
@cython.cclass
class Stream:
    """One stream: state and message of each half, by the side that sends it (Side.index)."""

    def __init__(self, stream_id: cython.uint) -> None:
        self.id = stream_id
        self.state0 = self.state1 = IDLE
        self.half0: Message | None = None
        self.half1: Message | None = None
        self.held_bytes = 0  # header fields and body prefix kept for it
        self.clouded = False  # its answer may have passed unseen
        self.early = False  # a half of it was ended before its sender ended it

    def half(self, side: cython.int) -> Message | None:
        """Return the message of one side; an ended one without its body."""
        return self.half1 if side else self.half0

    def state(self, side: cython.int) -> cython.int:
        """Return the state of one side's half (collector.stream_state.State)."""
        return self.state1 if side else self.state0

    def set_half(self, side: cython.int, message: Message) -> None:
        """Put the message of one side."""
        if side:
            self.half1 = message
        else:
            self.half0 = message

    def set_state(self, side: cython.int, state: cython.int) -> None:
        """Put the state of one side's half."""
        if side:
            self.state1 = state
        else:
            self.state0 = state


@cython.cfunc
def new_stream(stream_id: cython.uint) -> Stream:
    """Return what `Stream(stream_id)` is, at less cost."""
    if not cython.compiled:
        return Stream(stream_id)
    stream: Stream = Stream.__new__(Stream)
    stream.id = stream_id  # the rest is None, False or 0, which is IDLE, in a new one
    return stream


@cython.final
@cython.cclass
class Streams:
    """Streams by id. Ids of one end only grow (RFC 9113 5.1.1), which tells an ended stream from an unseen one."""

    def __init__(self, from_start: cython.bint) -> None:
        self._only: Stream | None = None  # the one stream that is open, if none stands in _streams
        self._streams: dict[int, Stream] | None = None
        self._told: dict[int, int] | None = None
        self._latest: Stream | None = None  # of those in _streams
        self._known_from = 0 if from_start else NOWHERE  # all from here to _highest were seen when they began
        self._highest = 0  # highest odd id whose begin was seen
        self.held_bytes = 0

    def get(self, stream_id: cython.uint) -> Stream | None:
        """Return the open stream of that id."""
        stream: Stream | None = self._only
        if stream is not None:
            return stream if stream.id == stream_id else None
        stream = self._latest
        if stream is not None and stream.id == stream_id:
            return stream
        if self._streams is None:
            return None
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._latest = stream
        return stream

    def open(self, stream_id: cython.uint) -> Stream:
        """Add a stream; a half of it that was told already stays closed."""
        stream: Stream = new_stream(stream_id)
        if self._only is None and not self._streams:
            self._only = stream
        else:
            self._put(stream)
        if self._told is not None and stream_id in self._told:
            told: cython.int = self._told[stream_id]
            stream.state0 = CLOSED if told & 1 else IDLE
            stream.state1 = CLOSED if told & 2 else IDLE
            stream.early = True
        return stream

    def _put(self, stream: Stream) -> cython.int:
        """Put a stream beside others, in order of their opening."""
        if self._streams is None:
            self._streams = {}
        only: Stream | None = self._only
        if only is not None:
            self._streams[only.id] = only
            self._only = None
        self._streams[stream.id] = stream
        self._latest = stream
        return 0

    def remove(self, stream: Stream) -> cython.int:
        """Take a stream out, remembered where its id alone does not tell later that it is over.

        Of one that ended early frames may still come (RFC 9113 5.1, closed), and of one that outlived a hole in the
        client's octets the order of ids is not known any more.
        """
        if self._only is stream:
            self._only = None
        elif self._streams is None or self._streams.pop(stream.id, None) is None:
            return 0
        if self._latest is stream:
            self._latest = None
        self.held_bytes -= stream.held_bytes
        if stream.early or stream.id < self._known_from:
            if self._told is None:
                self._told = {}
            elif len(self._told) >= MAX_TOLD:
                del self._told[next(iter(self._told))]
            self._told[stream.id] = (stream.state0 != IDLE) | (stream.state1 != IDLE) << 1
        return 0

    def is_over(self, stream_id: cython.uint) -> bool:
        """Tell whether both halves of a stream that is not open are known to have been told."""
        if self._told is not None and stream_id in self._told:
            told: cython.int = self._told[stream_id]
            return told == BOTH
        return stream_id & 1 != 0 and self._known_from <= stream_id <= self._highest

    def is_new(self, stream_id: cython.uint) -> bool:
        """Tell whether the client may begin a stream of that id now."""
        return stream_id & 1 != 0 and stream_id > self._highest

    def began(self, stream_id: cython.uint) -> None:
        """Take notice that a client's stream begins."""
        if stream_id > self._highest:
            self._highest = stream_id
            if self._known_from == NOWHERE:
                self._known_from = stream_id

    def lose_sight(self) -> None:
        """Take notice that octets of the client are missing: streams may have begun unseen."""
        self._known_from = NOWHERE

    def forget_order(self) -> None:
        """Forget the ids seen: what was taken for the client is the server."""
        self._known_from = NOWHERE
        self._highest = 0

    def hold(self, stream: Stream, octets: cython.Py_ssize_t) -> None:
        """Charge a stream with octets kept for it, or relieve it of them."""
        stream.held_bytes += octets
        self.held_bytes += octets

    def oldest(self) -> Stream | None:
        """Return the stream that is open longest."""
        if self._only is None and self._streams is not None:
            for stream in self._streams.values():
                return stream
        return self._only

    def all(self) -> list[Stream]:
        """Return the open streams, the oldest first."""
        if self._only is not None:
            return [self._only]
        return [] if self._streams is None else list(self._streams.values())

    def count(self) -> cython.Py_ssize_t:
        """Return how many are open."""
        if self._only is not None:
            return 1
        return 0 if self._streams is None else len(self._streams)
