# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""All connections of one shard, bounded: chunks of bytes in, finished messages and the watermark out."""

import enum
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import cython

from collector.connection import Protocol
from collector.message import Counters, Endpoints, Limits, Vantage
from collector.selection import SBI as SELECTED
from collector.selection import Selection
from collector.workload import Workload

if cython.compiled:
    from cython.cimports.collector.bytestream import ByteStream
    from cython.cimports.collector.connection import Connection
    from cython.cimports.collector.halves import NEVER, Message
else:
    from collector.bytestream import ByteStream
    from collector.connection import Connection
    from collector.halves import NEVER, Message

TOUCH_NS = cython.declare(cython.longlong, 100_000_000)  # how exact the order of eviction is


class Verdict(enum.IntEnum):
    """What a source learns of a connection by giving a chunk of it."""

    ABSENT = 0  # not open here (never opened, or evicted): open it, from_start False, and give the chunk again
    UNDECIDED = 1  # too little seen to tell
    SBI = 2  # HTTP/2 or HTTP/1.1
    FOREIGN = 3  # no HTTP: need not be given any more


# Looking a member up in its enumeration costs 0.1 us, and there is one for every chunk.
ABSENT, UNDECIDED, SBI, FOREIGN = Verdict.ABSENT, Verdict.UNDECIDED, Verdict.SBI, Verdict.FOREIGN


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is held for disorder and how long something is waited for."""

    max_connections: int = 20_000
    held_bytes: int = 1_048_576  # waiting behind a hole, a direction
    held_bytes_in_all: int = 67_108_864
    hole_ns: int = 3_000_000_000  # TCP tries again after 0.2, 0.6, 1.4 and 3 s (RFC 6298 2.4, Linux's minimum)
    half_ns: int = 30_000_000_000  # a half open longer ends as TIMEOUT
    repeats_are_races: bool = False  # of a source without retransmissions (collector.bytestream)


FLIPPED = {Vantage.CLIENT: Vantage.SERVER, Vantage.SERVER: Vantage.CLIENT, Vantage.WIRE: Vantage.WIRE}


@cython.final
@cython.cclass
class Entry:
    """One open connection and its two directions."""

    def __init__(
        self,
        key: int,
        endpoints: Endpoints,
        connection: Connection,
        loss: Counters,
        client: ByteStream,
        server: ByteStream,
        time_ns: int,
    ) -> None:
        self.key = key
        self.endpoints = endpoints
        self.connection = connection
        self.loss = loss
        self.client = client
        self.server = server
        self.verdict = UNDECIDED
        self.touched = False
        self.swapped = False
        self.touched_ns = time_ns
        self.closing_ns = -1

    def is_waiting(self) -> cython.bint:
        """Tell whether bytes wait behind a hole."""
        held: cython.Py_ssize_t = self.client.held_bytes + self.server.held_bytes
        return held != 0

    def open_ns(self) -> cython.longlong:
        """Return the first octet of what its connection has open, the end of time if nothing is."""
        return self.connection.open_ns()


@cython.cclass
class Connections:
    """Takes chunks of any connection in any order and hands over the messages its connections finish.

    A source calls `open`, then `chunk` and `missing` with 64-bit positions, `close`; and `advance` as time goes on,
    then `take`, then `watermark_ns`. The clock is whatever the source's `time_ns` are.
    """

    def __init__(self, limits: Limits, bounds: Bounds, selection: Selection = SELECTED) -> None:
        """Begin without any; `selection`: the header fields that are read."""
        self._loss = Counters()
        self._traffic = Counters()
        self._limits = limits
        self._bounds = bounds
        self._selection = selection
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._foreign: OrderedDict[int, None] = OrderedDict()
        self._touched: list[Entry] = []
        self._open: dict[int, Entry] = {}
        self._waiting: dict[int, Entry] = {}
        self._held_bytes = 0

    @property
    def counters(self) -> Counters:
        """What was lost of SBI, by reason: bytes never seen, connections evicted."""
        entry: Entry
        for entry in self._touched:
            self._count_loss(entry)
        found: Counters = self._loss
        return found

    @property
    def traffic(self) -> Counters:
        """What was met and is no loss: connections, foreign connections, repeated bytes."""
        found: Counters = self._traffic
        return found

    def __len__(self) -> int:
        """Return how many connections are open, foreign ones aside."""
        return len(self._entries)

    def open(
        self, key: int, endpoints: Endpoints, time_ns: int, from_start: bool, positions: tuple[int, int] | None
    ) -> None:
        """Begin connection `key`; an open one of that key is closed first.

        `positions`: where the client's and the server's bytes begin, -1 = not known, None = neither is known. With
        `from_start` a direction whose begin is not known starts with a gap.
        """
        if key in self._entries:
            self.close(key, time_ns)
        self._foreign.pop(key, None)
        loss, traffic, races = Counters(), self._traffic, self._bounds.repeats_are_races
        connection = Connection(self._limits, from_start, loss, traffic, self._selection)
        first_client, first_server = positions or (-1, -1)
        client = ByteStream(connection, True, first_client, from_start, loss, traffic, races)
        server = ByteStream(connection, False, first_server, from_start, loss, traffic, races)
        self._entries[key] = Entry(key, endpoints, connection, loss, client, server, time_ns)
        self._traffic.add("connections")
        if len(self._entries) > self._bounds.max_connections:
            self._loss.add("connections_evicted")
            self.evict(next(iter(self._entries)), time_ns)

    def attribute(self, key: int, workload: Workload) -> bool:
        """Let what connection `key` says from now on be told of `workload`; False where it is not open any more."""
        entry: Entry | None = self._entries.get(key)
        if entry is None:
            return False
        entry.endpoints = replace(entry.endpoints, workload=workload)
        return True

    def chunk(
        self,
        key: Any,  # an int, as in `open`
        from_client: cython.bint,
        position: cython.longlong,
        data: bytes,
        time_ns: cython.longlong,
    ) -> Verdict:
        """Take bytes of one direction, as they stand at `position` of it."""
        entry: Entry | None = cython.cast(dict, self._entries).get(key)
        if entry is None:
            return FOREIGN if key in self._foreign else ABSENT
        stream: ByteStream = entry.client if from_client else entry.server
        held: cython.Py_ssize_t = stream.held_bytes
        stream.chunk(position, data, time_ns)
        if not entry.touched:
            entry.touched = True
            self._touched.append(entry)
        if time_ns - entry.touched_ns > TOUCH_NS:
            entry.touched_ns = time_ns
            self._entries.move_to_end(key)
        if held != stream.held_bytes:
            self._bound(entry, stream, stream.held_bytes - held)
        if entry.verdict is UNDECIDED:
            self._judge(entry)
        return entry.verdict

    def missing(self, key: int, from_client: bool, position: int, length: int, time_ns: int) -> Verdict:
        """Take notice of bytes that were sent at `position` and not copied."""
        entry: Entry | None = cython.cast(dict, self._entries).get(key)
        if entry is None:
            return FOREIGN if key in self._foreign else ABSENT
        stream: ByteStream = entry.client if from_client else entry.server
        held: cython.Py_ssize_t = stream.held_bytes
        stream.missing(position, length, time_ns)
        self._touch(entry)
        if held != stream.held_bytes:
            self._bound(entry, stream, stream.held_bytes - held)
        return entry.verdict

    def close(self, key: int, time_ns: int) -> None:
        """End a connection; while bytes wait behind a hole the end waits with them."""
        entry: Entry | None = self._entries.get(key)
        if entry is None:
            self._foreign.pop(key, None)
        elif entry.is_waiting():
            entry.closing_ns = time_ns
        else:
            entry.connection.close(time_ns)
            self._forget(entry)

    def evict(self, key: int, time_ns: int) -> None:
        """End a connection for want of room: what waits is handed on, what is open ends as EVICTED."""
        entry: Entry | None = self._entries.get(key)
        if entry is not None:
            self._give_up(entry)
            entry.connection.evict(time_ns)
            self._forget(entry)

    def advance(self, time_ns: int) -> None:
        """End what has waited too long by `time_ns`: holes become gaps, halves time out."""
        entry: Entry
        hole_ns: cython.longlong = time_ns - self._bounds.hole_ns
        for entry in list(self._waiting.values()):
            for stream in (entry.client, entry.server):
                while 0 <= stream.oldest_held_ns() < hole_ns:
                    self._relieve(stream)
            self._touch(entry)
            self._settle(entry)
        half_ns: cython.longlong = time_ns - self._bounds.half_ns
        for entry in self._open.values():
            if entry.open_ns() < half_ns:
                entry.connection.expire(half_ns)
                self._touch(entry)

    def finish(self, time_ns: int) -> None:
        """End everything: the source has no more."""
        for key in list(self._entries):
            entry: Entry = self._entries[key]
            self._give_up(entry)
            entry.connection.close(time_ns)
            self._forget(entry)

    def take(self) -> list[tuple[Endpoints, Message]]:
        """Return the messages finished since the last call, in order of their last byte."""
        entry: Entry
        message: Message
        last_ns: cython.longlong = 0
        in_order: cython.bint = True
        taken: list[tuple[Endpoints, Message]] = []
        for entry in self._touched:
            entry.touched = False
            messages = [] if entry.verdict is FOREIGN else entry.connection.take()
            if messages:
                endpoints = self._ends(entry)
                for message in messages:
                    in_order = in_order and last_ns <= message.last_byte_ns
                    last_ns = message.last_byte_ns
                    taken.append((endpoints, message))
            self._count_loss(entry)
            if self._is_busy(entry):
                self._open[entry.key] = entry
            elif self._open.get(entry.key) is entry:
                del self._open[entry.key]
        self._touched = []
        if not in_order:
            taken.sort(key=_last_byte_ns)
        return taken

    def watermark_ns(self, now_ns: int) -> int:
        """Return a time: every message begun before it was taken. To be asked after `take`."""
        entry: Entry
        mark: cython.longlong = now_ns
        for entry in self._open.values():
            mark = min(mark, entry.open_ns())
            for stream in (entry.client, entry.server):
                if stream.held_bytes:
                    mark = min(mark, stream.oldest_held_ns())
        return mark

    def _count_loss(self, entry: Entry) -> cython.int:
        """Count what a connection lost once it is known to be SBI; of another one it is none."""
        if not entry.loss.by_reason:
            return 0
        if entry.verdict is SBI:
            total = self._loss
        elif entry.verdict is FOREIGN or self._entries.get(entry.key) is not entry:
            total = self._traffic
        else:
            return 0
        for reason, amount in entry.loss.by_reason.items():
            total.add(reason, amount)
        entry.loss.by_reason.clear()
        return 0

    def _is_busy(self, entry: Entry) -> bool:
        if cython.cast(dict, self._entries).get(entry.key) is not entry:
            return False
        return bool(entry.open_ns() != NEVER or entry.is_waiting())

    def _touch(self, entry: Entry) -> None:
        if not entry.touched:
            entry.touched = True
            self._touched.append(entry)

    def _judge(self, entry: Entry) -> None:
        protocol = entry.connection.protocol
        if protocol is Protocol.FOREIGN:
            self._traffic.add("foreign_connections")
            self._give_up(entry)
            self._forget(entry)
            entry.verdict = FOREIGN
            self._foreign[entry.key] = None
            if len(self._foreign) > 4 * self._bounds.max_connections:
                self._foreign.popitem(last=False)
        elif protocol is not Protocol.UNKNOWN:
            entry.verdict = SBI

    def _ends(self, entry: Entry) -> Endpoints:
        if entry.connection.swapped and not entry.swapped:
            entry.swapped = True
            ends: Endpoints = entry.endpoints
            entry.endpoints = replace(
                ends,
                vantage=FLIPPED[ends.vantage],
                client_address=ends.server_address,
                client_port=ends.server_port,
                server_address=ends.client_address,
                server_port=ends.client_port,
            )
        found: Endpoints = entry.endpoints
        return found

    def _bound(self, entry: Entry, stream: ByteStream, more: cython.longlong) -> None:
        self._held_bytes += more
        self._waiting[entry.key] = entry
        while stream.held_bytes > self._bounds.held_bytes:
            self._loss.add("held_overflow")
            self._relieve(stream)
        while self._held_bytes > self._bounds.held_bytes_in_all:
            self._loss.add("held_overflow")
            longest: Entry = next(iter(self._waiting.values()))
            self._give_up(longest)
            self._touch(longest)
            self._settle(longest)
        self._settle(entry)

    def _relieve(self, stream: ByteStream) -> None:
        before = stream.held_bytes
        stream.give_up()
        self._held_bytes += stream.held_bytes - before

    def _give_up(self, entry: Entry) -> None:
        while entry.client.held_bytes:
            self._relieve(entry.client)
        while entry.server.held_bytes:
            self._relieve(entry.server)

    def _settle(self, entry: Entry) -> None:
        if not entry.is_waiting():
            self._waiting.pop(entry.key, None)
            if entry.closing_ns >= 0 and entry.key in self._entries:
                entry.connection.close(entry.closing_ns)
                self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._touch(entry)
        self._entries.pop(entry.key, None)
        self._waiting.pop(entry.key, None)
        if self._open.get(entry.key) is entry:
            del self._open[entry.key]


def _last_byte_ns(taken: tuple[Endpoints, Message]) -> cython.longlong:
    message: Message = taken[1]
    return message.last_byte_ns
