# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How the octets of both directions are read as HTTP/2 (RFC 9113), for an observer of the connection."""

import cython

from collector import reasons
from collector.message import Counters, Ended, Limits
from collector.stream_state import State

if cython.compiled:
    from cython.cimports.collector import bodies, controls, header_blocks
    from cython.cimports.collector.exchanges import Exchanges
    from cython.cimports.collector.frames import BLOCK, BROKEN, CONTROL, DATA_PIECE, LOST_BLOCK, Splitter
    from cython.cimports.collector.halves import NEVER, Message
    from cython.cimports.collector.objects import sbiscope_fetch
    from cython.cimports.collector.selection import Selection
    from cython.cimports.collector.side import Side
    from cython.cimports.collector.stream import Stream
else:
    from collector import bodies, controls, header_blocks
    from collector.exchanges import Exchanges
    from collector.frames import BLOCK, BROKEN, CONTROL, DATA_PIECE, LOST_BLOCK, Splitter
    from collector.halves import NEVER, Message
    from collector.selection import Selection
    from collector.side import Side
    from collector.stream import Stream

CLOSED = cython.declare(cython.int, State.CLOSED)


@cython.final
@cython.cclass
class Http2:
    """One HTTP/2 connection. Every half that begins ends once; a seen end of a stream that was not answered, too.

    `feed` takes what follows the client's connection preface, which is no frame.
    """

    def __init__(
        self, limits: Limits, from_start: bool, selection: Selection, loss: Counters, traffic: Counters
    ) -> None:
        """Begin at the connection's start, or searching each direction for its frames."""
        self._loss = loss
        self._exchanges = Exchanges(limits, from_start, selection, loss, traffic)

    def feed(self, from_client: cython.bint, data: bytes, time_ns: cython.longlong) -> None:
        """Take contiguous octets of one direction; `from_client` as the source sees it."""
        side: Side = self._side(from_client)
        if side.seeker is None:
            rest: bytes | None = self._read(side, data, time_ns)
            if rest is not None:
                self._search(side, rest, time_ns)
        else:
            self._search(side, data, time_ns)

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        """Take notice of octets missing in one direction; 0 = not known how many."""
        side: Side = self._side(from_client)
        exchanges: Exchanges = self._exchanges
        exchanges.now = time_ns
        if side.seeker is not None:
            self._pass_over(side)
            return
        event: cython.int = side.splitter.gap(length)
        side.unbroken = False
        exchanges.other(side).window.forget_allowance()
        if event == BROKEN:
            self._loss.add(reasons.GAPS)
            self._lose(side)
            return
        self._loss.add(reasons.GAPS_IN_FRAME)
        if event == LOST_BLOCK:
            header_blocks.lost_block(exchanges, side)
        elif event == DATA_PIECE:
            bodies.lost_data(exchanges, side)

    def close(self, time_ns: int) -> None:
        """End everything: the connection ended."""
        exchanges: Exchanges = self._exchanges
        exchanges.now = time_ns
        self._stop(exchanges.side0)
        self._stop(exchanges.side1)
        exchanges.end_all(Ended.CLOSED)

    def evict(self, time_ns: int) -> None:
        """End everything for want of room."""
        exchanges: Exchanges = self._exchanges
        exchanges.now = time_ns
        self._stop(exchanges.side0)
        self._stop(exchanges.side1)
        exchanges.evict_all()

    def expire(self, before_ns: int) -> None:
        """End what began before `before_ns` and is still open."""
        side: Side
        exchanges: Exchanges = self._exchanges
        for side in (exchanges.side0, exchanges.side1):
            if side.seeker is not None:
                if side.seeker.oldest_ns is not None and side.seeker.oldest_ns < before_ns:
                    self._pass_over(side)
            elif side.splitter.is_partial() and side.splitter.partial_ns() < before_ns:
                self._loss.add(reasons.TIMED_OUT)
                self._lose(side)
            exchanges.expire(side, before_ns)
        if exchanges.oldest_done_ns() < before_ns:
            exchanges.roles_proved = True

    def take(self) -> list[Message]:
        """Hand over the finished messages in order of ending; none while it is open who is the client."""
        return self._exchanges.take()

    @property
    def oldest_open_ns(self) -> int | None:
        """First octet of what is begun and not handed over or ready to be."""
        oldest: cython.longlong = self.open_ns()
        return None if oldest == NEVER else oldest

    def open_ns(self) -> cython.longlong:
        """Return the same, the end of time if there is nothing."""
        exchanges: Exchanges = self._exchanges
        oldest: cython.longlong = min(exchanges.side0.begun_ns(), exchanges.side1.begun_ns())
        return min(oldest, exchanges.oldest_done_ns())

    @property
    def streams_open(self) -> int:
        """How many streams are open, among them those that wait for their answer."""
        return self._exchanges.streams.count()

    @property
    def swapped(self) -> bool:
        """Whether content showed that client and server are the other way round than the source said."""
        return self._exchanges.swapped

    @property
    def is_found(self) -> bool:
        """Whether frames of either direction were found."""
        return self._exchanges.side0.seeker is None or self._exchanges.side1.seeker is None

    def adopt(self, request: Message) -> None:
        """Take the request that asked for the upgrade to h2c: it is stream 1, half-closed (RFC 7540 3.2)."""
        stream: Stream = self._exchanges.stream(1)
        self._exchanges.streams.began(1)
        stream.set_state(1, CLOSED)
        stream.set_half(1, request.without_body())

    def expect_start(self, both: bool) -> None:
        """Begin again: the client's preface was just seen; its first frame comes next, and its first header block.

        `both`: nothing of the server had been seen before; then its first block is yet to come, too, since it cannot
        answer before it was asked.
        """
        self._exchanges.restart(both)

    # Reading.

    def _side(self, from_client: cython.bint) -> Side:
        return self._exchanges.side1 if from_client else self._exchanges.side0

    def _read(self, side: Side, data: bytes, time_ns: cython.longlong) -> bytes | None:
        """Read frames; return what is left where the framing broke, None if all was read."""
        exchanges: Exchanges = self._exchanges
        splitter: Splitter = side.reader()
        event: cython.int
        exchanges.now = time_ns
        if cython.compiled:  # of many connections, most are in no cache
            sbiscope_fetch(cython.cast(cython.p_void, side.window))
            sbiscope_fetch(cython.cast(cython.p_void, exchanges.streams))
        splitter.push(data, time_ns)
        while True:
            event = splitter.next()
            if event == DATA_PIECE:
                bodies.read_data(exchanges, side)
            elif event == BLOCK:
                header_blocks.read_block(exchanges, side)
            elif event == CONTROL:
                controls.read_control(exchanges, side)
            elif event == LOST_BLOCK:
                header_blocks.lost_block(exchanges, side)
            elif event == BROKEN:
                rest: bytes = splitter.rest()
                self._loss.add(reasons.FALSE_LOCKS if side.strict else reasons.BROKEN_FRAMING)
                self._lose(side)
                return rest
            else:
                side.give_back()
                return None

    def _search(self, side: Side, data: bytes, time_ns: cython.longlong) -> None:
        """Read octets of a side whose frame boundary is not known, at first or any more.

        What is left of a chunk where a lock turned out false is not searched again: a hostile sender would have each
        octet read many times.
        """
        queue: list[tuple[bytes, int]] = [(data, time_ns)]
        while queue:
            piece, piece_ns = queue.pop(0)
            if side.seeker is None:
                rest: bytes | None = self._read(side, piece, piece_ns)
                if rest is not None:
                    self._loss.add(reasons.RESYNC_BYTES, len(rest))
                continue
            found = side.seeker.push(piece, piece_ns)
            self._count_dropped(side)
            if found is not None:
                self._exchanges.cloud(side)
                side.seeker = None
                queue = found + queue

    def _lose(self, side: Side) -> None:
        """Search for a frame boundary: it is not known any more."""
        side.seek()
        self._exchanges.other(side).window.forget_allowance()
        self._exchanges.end_gap(side)

    def _pass_over(self, side: Side) -> None:
        """Drop what is held of a side without frame boundary: what follows it is missing or late."""
        if side.seeker is not None:
            side.seeker.clear()
        side.window.lose()
        self._count_dropped(side)
        self._exchanges.cloud(side)

    def _count_dropped(self, side: Side) -> None:
        dropped: int = 0 if side.seeker is None else side.seeker.take_dropped()
        if dropped:
            self._loss.add(reasons.RESYNC_BYTES, dropped)
            side.window.lose()

    def _stop(self, side: Side) -> None:
        """No more octets come."""
        if side.seeker is not None:
            self._pass_over(side)
        elif side.splitter.is_partial():
            self._loss.add(reasons.BLOCKS_LOST)
            side.drop()
