# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One half of an exchange, a request or a response, while it is collected and when it is done."""

from typing import Any

import cython

from collector.message import Ended, Half, HeaderState

EXACT = cython.declare(object, HeaderState.EXACT)
NEVER = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
UNKNOWN = cython.declare(object, HeaderState.UNKNOWN)
H2 = cython.declare(str, "h2")
NONE = cython.declare(tuple, ())
NO_BODY = cython.declare(bytes, b"")


@cython.freelist(512)
@cython.final
@cython.cclass
class Message:
    """A request or a response (RFC 9110 section 6), as far as it was seen.

    headers: fields in order, (name, value); None stands for a name or value the observer cannot know. Fields that
        nobody reads are left out (collector.selection). After an interim response, those of the final one.
    trailers: the same, None if there were none.
    header_state: EXACT = every field of headers and trailers is proved.
    missing: pseudo-header names that the block must have held and that were not read, e.g. ":path".
    inferred: names of fields that were not read but follow from others (collector.repair).
    unknown: (position in headers, identity) of each field with an unknown name. Equal identities on one direction of
        a connection are one entry of the encoder's dynamic table: its name, and where the value is None its value.
    header_bytes: octets of header blocks on the wire, trailers included.
    body, body_bytes: prefix of the body as kept, and its size on the wire without padding.
    first_byte_ns, headers_ns, last_byte_ns: of the half; headers_ns = last byte of its header block.
    http_version: "h2" or "http1".
    request: in a response, the request of its stream without its body; it shares the list of headers.
    about: of a request, what its reader made of it, for its answer (`note`).
    """

    def __init__(self, half: Half, stream_id: cython.uint, time_ns: cython.longlong, http_version: str = "h2") -> None:
        """Begin a half at `time_ns`, of which nothing is known yet."""
        self._begin(half, stream_id, time_ns, http_version)

    def _begin(self, half: Half, stream_id: cython.uint, time_ns: cython.longlong, http_version: str) -> None:
        self.half = half
        self.stream_id = stream_id
        self.headers: list[tuple[bytes | None, bytes | None]] = []
        self.trailers: list[tuple[bytes | None, bytes | None]] | None = None
        self.header_state = UNKNOWN
        self.missing: tuple[str, ...] = ()
        self.inferred: tuple[str, ...] = ()
        self.unknown: tuple[tuple[int, int], ...] = ()
        self.header_bytes = 0
        self.body = b""
        self.body_bytes = 0
        self.first_byte_ns = time_ns
        self.headers_ns = time_ns
        self.last_byte_ns = time_ns
        self.ended: Ended | None = None
        self.http_version = http_version
        self.request: Message | None = None
        self.about: Any = None
        self._bodiless: Message | None = None
        self._more: bytearray | None = None
        self._holed = False
        self._linked = False
        self._held_bytes = self._list_bytes = 0
        self._older: Message | None = None
        self._newer: Message | None = None

    def add_body(
        self, p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t, room: cython.Py_ssize_t
    ) -> None:
        """Take p[at:at+size] of the body, of which at most `room` octets are kept."""
        keep: cython.Py_ssize_t = min(size, room)
        if keep > 0:
            if self.body_bytes == 0:
                self.body = p[at : at + keep]
            else:
                if self._more is None:
                    self._more = bytearray(self.body)
                self._more += p[at : at + keep]
        self.body_bytes += size

    def finish(self, ended: Ended, time_ns: cython.longlong) -> None:
        """End the half; it is not changed any more."""
        self.ended = ended
        self.last_byte_ns = time_ns
        if self._more is not None:
            self.body = bytes(self._more)
            self._more = None

    def without_body(self) -> "Message":
        """Return this message with an empty body, so that a response can refer to it at little cost."""
        if self.body_bytes == 0:
            return self
        kept: Message = new_message(self.half, self.stream_id, self.first_byte_ns, self.headers)
        kept.http_version = self.http_version
        kept.trailers = self.trailers
        kept.header_state = self.header_state
        kept.missing = self.missing
        kept.inferred = self.inferred
        kept.unknown = self.unknown
        kept.header_bytes = self.header_bytes
        kept.body_bytes = self.body_bytes
        kept.headers_ns = self.headers_ns
        kept.last_byte_ns = self.last_byte_ns
        kept.ended = self.ended
        self._bodiless = kept
        return kept

    def note(self, about: Any) -> None:
        """Keep what was made of a request: its answer, which is told later, finds it at `request.about`."""
        self.about = about
        if self._bodiless is not None:
            self._bodiless.about = about


@cython.cfunc
def new_message(half: Half, stream_id: cython.uint, time_ns: cython.longlong, headers: list[Any]) -> Message:
    """Return a Message of HTTP/2 with these fields, at less cost than by calling the class."""
    message: Message = Message.__new__(Message)
    if not cython.compiled:
        message._begin(half, stream_id, time_ns, H2)
        message.headers = headers
        return message
    message.half = half  # what is not set here is None or 0 in a new one
    message.stream_id = stream_id
    message.headers = headers
    message.header_state = UNKNOWN
    message.missing = NONE
    message.inferred = NONE
    message.unknown = NONE
    message.body = NO_BODY
    message.first_byte_ns = time_ns
    message.headers_ns = time_ns
    message.last_byte_ns = time_ns
    message.http_version = H2
    return message


def partial(taken: list[Any]) -> list[Any]:
    """Return those of (ends, message) whose fields, or whose request's, were not all read; one look at each other.

    Not those pushed: their requests were written by the server.
    """
    found: list[Any] = []
    pair: tuple[Any, Message]
    for pair in taken:
        message: Message = pair[1]
        request: Message | None = message.request
        if message.header_state is EXACT and (request is None or request.header_state is EXACT):
            continue
        if message.stream_id & 1 and (message.header_state is EXACT or message.headers):
            found.append(pair)
    return found


@cython.cclass
class OpenHalves:
    """The open halves of one direction in order of their first byte; each operation in constant time."""

    def __init__(self) -> None:
        self._oldest: Message | None = None
        self._newest: Message | None = None

    def add(self, message: Message) -> None:
        """Put the message that began last."""
        message._linked = True
        message._older = self._newest
        if self._newest is None:
            self._oldest = message
        else:
            self._newest._newer = message
        self._newest = message

    def remove(self, message: Message) -> None:
        """Take a message out that is in."""
        message._linked = False
        if message._older is None:
            self._oldest = message._newer
        else:
            message._older._newer = message._newer
        if message._newer is None:
            self._newest = message._older
        else:
            message._newer._older = message._older
        message._older = None
        message._newer = None

    def first(self) -> Message | None:
        """Return the one that began first."""
        return self._oldest

    def oldest_ns(self) -> cython.longlong:
        """Return when the one that began first did, the end of time if there is none."""
        return NEVER if self._oldest is None else self._oldest.first_byte_ns
