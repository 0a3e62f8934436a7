# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One TCP connection, both directions: finds out what it carries and turns octets into messages."""

from typing import Any

import cython

from collector import reasons
from collector.judge import PREFACE, Protocol, first_octets
from collector.message import Counters, Limits
from collector.selection import SBI, Selection

if cython.compiled:
    from cython.cimports.collector.halves import NEVER
    from cython.cimports.collector.http2 import Http2
else:
    from collector.halves import NEVER
    from collector.http2 import Http2

from collector.halves import Message

__all__ = ["Connection", "Message", "Protocol"]

MAX_JUDGED_BYTES = cython.declare(cython.Py_ssize_t, 262_144)  # without HTTP in so many octets there is none
MAX_HELD_BYTES = cython.declare(cython.Py_ssize_t, 65_536)  # kept until the first octets are judged
MAX_HELD_CHUNKS = 512

H2, HTTP1, FOREIGN, UNKNOWN = Protocol.H2, Protocol.HTTP1, Protocol.FOREIGN, Protocol.UNKNOWN


@cython.final
@cython.cclass
class Connection:
    """A connection from its start, or joined late.

    `feed` takes contiguous octets of one direction, `gap` what is known to be missing. `take` hands over finished
    messages; `oldest_open_ns` is the first octet of what is not finished. `swapped`: content showed that client and
    server are the other way round than the source said; the messages are labelled rightly.
    """

    def __init__(
        self,
        limits: Limits,
        from_start: bool,
        loss: Counters | None = None,
        traffic: Counters | None = None,
        selection: Selection = SBI,
    ) -> None:
        """Begin; `loss` and `traffic` are counted into (collector.reasons), own ones if not given."""
        self._limits = limits
        self._selection = selection
        self.counters = Counters() if loss is None else loss
        self.traffic = Counters() if traffic is None else traffic
        self.protocol = UNKNOWN
        self._from_start = from_start
        self._turned = False
        self._http1: Any = None
        self._http2: Http2 | None = None
        self._held: list[tuple[bool, bytes, int]] | None = []
        self._held_bytes = 0
        self._judged_bytes = 0
        self._preface: bytes | None = None
        if not from_start:
            self._join()

    @property
    def swapped(self) -> bool:
        """Whether client and server are the other way round than the source said."""
        if self._http2 is not None:
            return bool(self._turned != self._http2.swapped)
        return bool(self._turned)

    @property
    def oldest_open_ns(self) -> int | None:
        """First octet of the oldest half still open, in ns; None if nothing is open."""
        oldest: cython.longlong = self.open_ns()
        return None if oldest == NEVER else oldest

    def open_ns(self) -> cython.longlong:
        """Return the same, the end of time if nothing is open."""
        if self._held:
            held_ns: cython.longlong = self._held[0][2]
            return held_ns
        http2: Http2 | None = self._http2
        if http2 is not None:
            return http2.open_ns()
        oldest: int | None = None if self._http1 is None else self._http1.oldest_open_ns
        return NEVER if oldest is None else oldest

    def feed(self, from_client: cython.bint, data: bytes, time_ns: cython.longlong) -> None:
        """Take contiguous octets of one direction."""
        if self._turned:
            from_client = not from_client
        http2: Http2 | None = self._http2
        if self.protocol is H2 and http2 is not None and (self._preface is None or not from_client):
            http2.feed(from_client, data, time_ns)
        elif data:
            self._feed_slowly(from_client, data, time_ns)

    def _feed_slowly(self, from_client: bool, data: bytes, time_ns: int) -> None:
        if self.protocol is HTTP1:
            self._feed_http1(from_client, data, time_ns)
        elif self.protocol is H2:
            self._feed_preface(data, time_ns)
        elif self.protocol is UNKNOWN:
            if self._from_start:
                self._hold(from_client, data, time_ns)
            else:
                self._try_late(from_client, data, time_ns)

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        """Take notice of `length` octets missing in one direction; 0 = not known how many."""
        if self._turned:
            from_client = not from_client
        if self.protocol is UNKNOWN and self._from_start:
            self._join_after_all()
        if self._http2 is not None:
            if from_client and self._preface is not None:
                self._preface = None
                length = 0
            self._http2.gap(from_client, length, time_ns)
        elif self._held and from_client:
            self._give_up()  # of what follows a switch to HTTP/2
        elif self._http1 is not None:
            self._http1.gap(from_client, length, time_ns)

    def close(self, time_ns: int) -> None:
        """End what is open: the connection ended."""
        if self._http1 is not None:
            self._http1.close(time_ns)
        if self._http2 is not None:
            self._http2.close(time_ns)
        self._drop_held()

    def evict(self, time_ns: int) -> None:
        """End what is open, for want of room."""
        if self._http1 is not None:
            self._http1.evict(time_ns)
        if self._http2 is not None:
            self._http2.evict(time_ns)
        self._drop_held()

    def expire(self, before_ns: int) -> None:
        """End what began before `before_ns` and is still open."""
        if self._held and self._held[0][2] < before_ns:
            if self.protocol is HTTP1:
                self._give_up()
            else:
                self._join_after_all()
        if self._http2 is not None:
            self._http2.expire(before_ns)
        elif self._http1 is not None:
            self._http1.expire(before_ns)

    def take(self) -> list[Message]:
        """Hand over the finished messages in order of ending."""
        http2: Http2 | None = self._http2
        if self._http1 is None:
            return [] if http2 is None else http2.take()
        messages: list[Message] = self._http1.take()
        return messages if http2 is None else messages + http2.take()

    # Judging a connection followed from its start: nothing is read before the first octets have told what it is.

    def _hold(self, from_client: bool, data: bytes, time_ns: int) -> None:
        self._held = [*(self._held or []), (from_client, data, time_ns)]
        self._held_bytes += len(data)
        first = self._first(True)
        protocol, is_client = first_octets(first or self._first(False))
        if first and not is_client:
            self._join_after_all()  # a server's octets where the client's should be: judged by content, as a late one
        elif protocol is FOREIGN:
            self._give_up()
        elif first and protocol is not UNKNOWN:
            self._begin(protocol)
        elif self._held_bytes > MAX_HELD_BYTES or len(self._held) > MAX_HELD_CHUNKS:
            self._join_after_all()

    def _first(self, from_client: bool) -> bytes:
        """Return what is held of one direction."""
        return b"".join(data for side, data, _ in self._held or [] if side == from_client)

    def _begin(self, protocol: Protocol) -> None:
        held = self._held or []
        self._held = None
        self.protocol = protocol
        if protocol is H2:
            self._http2 = Http2(self._limits, True, self._selection, self.counters, self.traffic)
            self._preface = b""
        else:
            self._start_http1(True)
        for from_client, data, time_ns in held:
            self.feed(from_client, data, time_ns)

    def _feed_preface(self, data: bytes, time_ns: int) -> None:
        """Pass over what is left of the preface, which `_preface` gathers."""
        preface = self._preface or b""
        wanted = len(PREFACE) - len(preface)
        self._preface = preface + data[:wanted]
        if len(self._preface) == len(PREFACE):
            self._preface = None
            if len(data) > wanted:
                self.feed(not self._turned, data[wanted:], time_ns)

    def _give_up(self) -> None:
        self._drop_held()
        self.protocol = FOREIGN
        self._http2 = None

    def _drop_held(self) -> None:
        if self._held:
            self.traffic.add(reasons.GIVEN_UP_BYTES, self._held_bytes)
        self._held = None
        self._held_bytes = 0

    # Judging a connection joined late: it is searched for frames, and each chunk may begin a message of HTTP/1.

    def _join(self) -> None:
        self._from_start = False
        self._held = None
        self._http2 = Http2(self._limits, False, self._selection, self.counters, self.traffic)

    def _join_after_all(self) -> None:
        held = self._held or []
        self._join()
        for from_client, data, time_ns in held:
            if self.protocol is UNKNOWN:
                self._try_late(from_client, data, time_ns)
            else:
                self.feed(from_client != self._turned, data, time_ns)

    def _try_late(self, from_client: bool, data: bytes, time_ns: int) -> None:
        protocol, is_client = first_octets(data)
        if protocol is H2 and is_client:
            self._meet_preface(from_client, data, time_ns)
        elif protocol is HTTP1:
            self._turned = from_client != is_client
            self._http2 = None
            self.protocol = HTTP1
            self._start_http1(False)
            self._feed_http1(is_client, data, time_ns)
        else:
            self._judged_bytes += len(data)
            http2: Http2 | None = self._http2
            if http2 is None:
                return
            http2.feed(from_client, data, time_ns)
            if http2.is_found:
                self.protocol = H2
            elif self._judged_bytes > MAX_JUDGED_BYTES:
                self._give_up()

    def _meet_preface(self, from_client: bool, data: bytes, time_ns: int) -> None:
        """Read a connection that was said to be joined late and is met at its start."""
        self._turned = not from_client
        http2: Http2 | None = self._http2
        if http2 is None or self._turned:
            http2 = Http2(self._limits, False, self._selection, self.counters, self.traffic)
            self._http2 = http2
        self.protocol = H2
        http2.expect_start(self._judged_bytes == 0)
        if len(data) > len(PREFACE):
            http2.feed(True, data[len(PREFACE) :], time_ns)

    # HTTP/1.1 and its upgrade to h2c.

    def _start_http1(self, from_start: bool) -> None:
        from collector.http1 import Http1

        self._http1 = Http1(self._limits, from_start, self._selection, self.counters, self.traffic)

    def _feed_http1(self, from_client: bool, data: bytes, time_ns: int) -> None:
        """Read HTTP/1.1; what it returns follows a switch to HTTP/2 (RFC 7540 3.2)."""
        rest = None if self._held else self._http1.feed(from_client, data, time_ns)
        if rest is None and not self._held:
            return
        request = self._http1.upgrade_request
        if from_client and request is None:  # the preface overtook the answer 101
            if not self._held:
                self._held, self._held_bytes = [], 0
            self._held.append((True, data if rest is None else rest, time_ns))
            self._held_bytes += len(data)
            if self._held_bytes > MAX_HELD_BYTES:
                self._give_up()
            return
        if rest is None:
            rest = self._http1.feed(from_client, data, time_ns)
            request = self._http1.upgrade_request
        if rest is not None and request is not None:
            self._upgrade(request, from_client, rest, time_ns)

    def _upgrade(self, request: Message, from_client: bool, rest: bytes, time_ns: int) -> None:
        held = self._held or []
        self._held = None
        self.protocol = H2
        self._http2 = Http2(self._limits, True, self._selection, self.counters, self.traffic)
        self._http2.adopt(request)
        self._preface = b""
        for side, data, chunk_ns in [*held, (from_client, rest, time_ns)]:
            if data:
                self.feed(side != self._turned, data, chunk_ns)
