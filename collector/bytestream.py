# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One direction of a connection put in order: chunks by 64-bit position in, contiguous bytes and gaps out."""

from heapq import heappop, heappush
from typing import Protocol

import cython

from collector.message import Counters

if cython.compiled:
    from cython.cimports.collector.connection import Connection
else:
    from collector.connection import Connection

UNKNOWN = -1  # the position where a direction begins, if its first bytes were not seen
HELD_OVERHEAD = 120  # bytes a held chunk costs beside its data: tuple, numbers, object headers (sys.getsizeof)


class ByteSink(Protocol):
    """What takes the ordered bytes: collector.connection.Connection."""

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
        """Take contiguous bytes of one direction."""

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        """Take notice of `length` bytes missing; 0 = unknown how many."""


class ByteStream:
    """Chunks of one direction, in any order, repeated, overlapping: each byte is handed on at most once and in order.

    Where bytes overlap the first to come are kept. A byte that had to wait for earlier ones bears the time at which it
    could be read, that is, times never run backwards. Nothing is given up before `give_up` says so.

    Repeats are TCP's retransmissions, or, where `repeats_are_races`, calls of several threads whose order nobody knows:
    then bytes that cannot be placed are a gap of unknown length.
    """

    def __init__(
        self,
        sink: ByteSink,
        from_client: bool,
        position: int,
        begin_known: bool,
        loss: Counters,
        traffic: Counters,
        repeats_are_races: bool = False,
    ) -> None:
        """Begin at `position`, or at the first chunk if UNKNOWN; `begin_known` says that then the begin is missing."""
        self._sink = sink
        self._connection: Connection | None = sink if isinstance(sink, Connection) else None
        self._from_client = from_client
        self._begin_known = begin_known
        self._first_position = position
        self.next_position = position
        self.held_bytes = 0
        self._last_ns = 0
        self._held: list[tuple[int, int, int, bytes | None, int]] | None = None
        self._order = 0
        self._loss = loss
        self._traffic = traffic
        self._repeats_are_races = repeats_are_races

    def chunk(self, position: cython.longlong, data: bytes, time_ns: cython.longlong) -> cython.int:
        """Take bytes that stand at `position` of the stream."""
        if position == self.next_position and self._held is None:
            self.next_position = position + len(data)
            if time_ns > self._last_ns:
                self._last_ns = time_ns
            self._feed(data)
        else:
            self._place(position, len(data), data, time_ns)
        return 0

    def missing(self, position: cython.longlong, length: cython.longlong, time_ns: cython.longlong) -> cython.int:
        """Take notice that `length` bytes at `position` were sent and could not be copied."""
        return self._place(position, length, None, time_ns)

    def give_up(self) -> cython.int:
        """Declare the hole before the first held chunk a gap and hand on what follows it."""
        if self._held is not None:
            position, _, _, _, time_ns = self._held[0]
            self._loss.add("hole_bytes", position - self.next_position)
            self._gap(position - self.next_position, time_ns)
            self.next_position = position
            self._drain()
        return 0

    def oldest_held_ns(self) -> cython.longlong:
        """Return a time before which nothing held can bear its mark, or -1 if nothing is held."""
        return -1 if self._held is None else max(self._held[0][4], self._last_ns)

    def _gap(self, length: int, time_ns: int) -> None:
        self._last_ns = max(self._last_ns, time_ns)
        self._sink.gap(self._from_client, length, self._last_ns)

    def _place(
        self, position: cython.longlong, length: cython.longlong, data: bytes | None, time_ns: cython.longlong
    ) -> cython.int:
        if self.next_position == UNKNOWN:
            self._first_position = self.next_position = position
            if self._begin_known:
                self._loss.add("begin_missing")
                self._gap(0, time_ns)
        if position > self.next_position:
            self._hold(position, length, data, time_ns)
        elif position + length > self.next_position:
            self._deliver(position, length, data, time_ns)
            if self._held is not None:
                self._drain()
        elif position < self._first_position:
            self._loss.add("before_join_bytes", length)
        else:
            self._repeat(length, time_ns)
        return 0

    def _repeat(self, length: cython.longlong, time_ns: cython.longlong) -> cython.int:
        if length > 0 and self._repeats_are_races:
            self._loss.add("raced_bytes", length)
            self._gap(0, time_ns)
        else:
            self._traffic.add("repeated_bytes", length)
        return 0

    def _hold(
        self, position: cython.longlong, length: cython.longlong, data: bytes | None, time_ns: cython.longlong
    ) -> cython.int:
        if self._held is None:
            self._held = []
        heappush(self._held, (position, self._order, length, data, time_ns))
        self._order += 1
        self.held_bytes += HELD_OVERHEAD + (0 if data is None else len(data))
        return 0

    def _deliver(
        self, position: cython.longlong, length: cython.longlong, data: bytes | None, time_ns: cython.longlong
    ) -> cython.int:
        known = self.next_position - position
        if known:
            self._repeat(known, time_ns)
        self.next_position = position + length
        if data is None:
            self._loss.add("missing_bytes", length - known)
            self._gap(length - known, time_ns)
        else:
            self._last_ns = max(self._last_ns, time_ns)
            self._feed(data[known:] if known else data)
        return 0

    def _feed(self, data: bytes) -> cython.int:
        """Hand octets on; to the usual sink as one compiled function calls the other."""
        connection: Connection | None = self._connection
        if connection is not None:
            connection.feed(self._from_client, data, self._last_ns)
        else:
            self._sink.feed(self._from_client, data, self._last_ns)
        return 0

    def _drain(self) -> cython.int:
        held = self._held
        while held and held[0][0] <= self.next_position:
            position, _, length, data, time_ns = heappop(held)
            self.held_bytes -= HELD_OVERHEAD + (0 if data is None else len(data))
            if position + length > self.next_position:
                self._deliver(position, length, data, time_ns)
            else:
                self._repeat(length, time_ns)
        if not held:
            self._held = None
        return 0
