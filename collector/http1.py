"""How the octets of both directions become messages in HTTP/1.1 (RFC 9112), for an observer of the connection."""

from collector import reasons
from collector.halves import Message
from collector.http1_direction import Direction
from collector.http1_head import PREFACE_LINE, Head, chunk_size, is_empty, is_plausible, may_start
from collector.http1_pairing import Asked, Exchanges
from collector.http1_state import TABLE, Effect, Input, State
from collector.message import Counters, Ended, Half, HeaderState, Limits
from collector.selection import Selection

MAX_HELD_BYTES = 65_536  # of the server's octets, read before the request that they answer
BODY_STATES = (State.LENGTH, State.CHUNK, State.REST)
ENDS = {Effect.GAP: Ended.GAP, Effect.CLOSED: Ended.CLOSED, Effect.MALFORMED: Ended.MALFORMED}


class Http1:
    """One HTTP/1.1 connection. Every half that begins ends once; a seen request that was not answered, too.

    Messages are what HTTP/2 would make of them (collector.http1_head), with http_version "http1". A hole inside a body
    whose size is known costs that body; any other hole ends what is open, and the direction is read on from the next
    chunk that begins with a start line. `upgrade_request`: the request that asked for HTTP/2, once that was granted.
    """

    def __init__(
        self, limits: Limits, from_start: bool, selection: Selection, loss: Counters, traffic: Counters
    ) -> None:
        self._limits = limits
        self._selection = selection
        self._loss = loss
        self._traffic = traffic
        state = State.START if from_start else State.SEEK
        self._client = Direction(True, state)
        self._server = Direction(False, state)
        self._sides = (self._client, self._server)
        self._exchanges = Exchanges(from_start, limits)
        self._held: list[tuple[bytes, int]] = []
        self._held_bytes = 0
        self._reading_held = self._releasing = False
        self._done: list[Message] = []
        self._now = 0
        self._asked_h2c = False
        self._preface = b""
        self.upgrade_request: Message | None = None

    # What the connection is told.

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> bytes | None:
        """Take contiguous octets of one direction; return those that follow a switch to HTTP/2 (RFC 7540 3.2).

        The client's may come before `upgrade_request` is known: its preface may be read before the answer 101.
        """
        if from_client:
            rest = self._read(self._client, data, time_ns)
            if self._held and self._exchanges.waiting:
                self._read_held()
            return rest
        if self._held:
            self._hold(data, time_ns)
            return None
        return self._read(self._server, data, time_ns)

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        """Take notice of octets missing in one direction; 0 = not known how many."""
        self._release()
        self._now = time_ns
        side = self._client if from_client else self._server
        if side.state is State.REST:
            self._loss.add(reasons.GAPS_IN_FRAME)
            side.miss(length)
        elif side.state in BODY_STATES and 0 < length <= side.remaining:
            self._loss.add(reasons.GAPS_IN_FRAME)
            side.miss(length)
            if side.remaining == 0:
                self._step(side, Input.LAST)
        elif side.state is not State.TUNNEL and side.state is not State.SWITCHED:
            self._loss.add(reasons.GAPS)
            self._step(side, Input.LOST)

    def close(self, time_ns: int) -> None:
        """End everything: the connection ended."""
        self._release()
        self._now = time_ns
        for side in self._sides:
            self._step(side, Input.GONE)
        for asked in self._exchanges.give_up():
            self._end_unanswered(asked, Ended.GAP if asked.server_blind else Ended.CLOSED)

    def evict(self, time_ns: int) -> None:
        """End everything for want of room."""
        self._release()
        self._now = time_ns
        for side in self._sides:
            self._end(side, Ended.EVICTED)
            side.state = State.SEEK
        self._exchanges.give_up()

    def expire(self, before_ns: int) -> None:
        """End what began before `before_ns` and is still open."""
        if self._held and self._held[0][1] < before_ns:
            self._release()
        for side in self._sides:
            if side.begun_ns is None or side.begun_ns >= before_ns:
                continue
            self._loss.add(reasons.TIMED_OUT)
            if side.message is None:
                self._step(side, Input.LOST)
            else:
                self._now = side.message.last_byte_ns
                self._finish(side, Ended.TIMEOUT)

    def take(self) -> list[Message]:
        """Hand over the finished messages in order of ending."""
        done = self._done
        self._done = []
        return done

    @property
    def oldest_open_ns(self) -> int | None:
        """First octet of what is begun and not finished, in ns; None if nothing is."""
        begun = [side.begun_ns for side in self._sides if side.begun_ns is not None]
        begun += [time_ns for _, time_ns in self._held[:1]]
        return min(begun, default=None)

    # Reading.

    def _read(self, side: Direction, data: bytes, time_ns: int) -> bytes | None:
        self._now = time_ns
        at = self._seek(side, data) if side.state is State.SEEK else 0
        while at < len(data) and side.state is not State.SWITCHED:
            if side.state is State.TUNNEL:
                self._traffic.add(reasons.TUNNEL_BYTES, len(data) - at)
                return None
            if side.state in BODY_STATES:
                at = self._read_body(side, data, at)
            elif self._must_wait(side):
                self._hold(data[at:], time_ns)
                return None
            else:
                at = self._read_line(side, data, at)
        if side.state is not State.SWITCHED:
            return None
        rest, self._preface = self._preface + data[at:], b""
        return rest

    def _seek(self, side: Direction, data: bytes) -> int:
        """After a loss: return where a start line may begin, at the begin of the chunk or nowhere."""
        if may_start(side.from_client, bytes(side.line[:16]) + data[:64]):
            return 0
        if side.line:
            self._mistaken(side)
        if may_start(side.from_client, data[:64]):
            return 0
        self._pass_over(side, len(data))
        return len(data)

    def _read_line(self, side: Direction, data: bytes, at: int) -> int:
        line = side.take_line(data, at, self._now)
        next_at = len(data) if line is None else data.index(b"\n", at) + 1
        if side.head_bytes + len(side.line if line is None else line) > self._limits.max_header_bytes:
            self._loss.add(reasons.BLOCKS_TOO_LARGE)
            given: Input | None = Input.MALFORMED
        else:
            given = None if line is None else self._take_line(side, line)
        if given is Input.MALFORMED:
            if line is not None and side.head is None:
                side.line += line
            self._step(side, given)
            self._pass_over(side, len(data) - next_at)
            return len(data)
        if given is not None:
            self._step(side, given)
        return next_at

    def _take_line(self, side: Direction, line: bytes) -> Input | None:
        """Read a whole line; return what it means to the state, None if it is one of several."""
        if side.state is State.START or side.state is State.SEEK:
            return self._take_start(side, line)
        if side.state is State.CHUNK_END:
            return Input.LINE_END if is_empty(line) else Input.MALFORMED
        if side.state is State.SIZE:
            side.remaining = chunk_size(line)
            if side.remaining == 0:
                side.head = Head(False, self._selection)
                return Input.LAST_CHUNK
            return Input.CHUNK_SIZE if side.remaining > 0 else Input.MALFORMED
        assert side.head is not None
        side.head_bytes += len(line)
        if not is_empty(line):
            return None if side.head.add(line) else Input.MALFORMED
        return self._take_fields(side) if side.state is State.FIELDS else Input.TRAILERS_END

    def _take_start(self, side: Direction, line: bytes) -> Input | None:
        side.trusted = side.state is State.START
        if side.trusted and is_empty(line):
            if side.message is None:
                side.begun_ns = None  # RFC 9112 2.2: an empty line before a request
            return None
        if side.trusted and side.from_client and self._asked_h2c and line == PREFACE_LINE:
            self._preface = line
            return Input.PREFACE
        head = Head(side.from_client, self._selection)
        if not head.start(line) or not (side.trusted or is_plausible(side.from_client, line)):
            return Input.MALFORMED
        side.head = head
        side.head_bytes += len(line)
        return Input.START_LINE

    def _take_fields(self, side: Direction) -> Input:
        """Tell what follows the fields, which are complete: the message begins in earnest."""
        assert side.head is not None
        if not (side.trusted or side.head.is_believable):
            return Input.MALFORMED
        if side.message is None and not side.told:
            self._begin(side)
        given = side.head.body(b"" if side.from_client else self._method_asked())
        if side.from_client:
            self._asked_h2c = side.head.asks_h2c
        elif given is Input.SWITCH and self._reading_held:
            given = Input.LEAVE  # the octets that follow came before: their order with the client's is not known
        side.remaining = side.head.length if given is Input.SIZED else 0
        return given

    def _read_body(self, side: Direction, data: bytes, at: int) -> int:
        size = len(data) - at
        if side.state is not State.REST:
            if self._answers_head(side, data, at):
                self._step(side, Input.NO_BODY)
                return at
            size = min(size, side.remaining)
            side.remaining -= size
        side.take_body(data, at, size, self._limits.body_bytes, self._now)
        if side.remaining == 0 and side.state is not State.REST:
            self._step(side, Input.LAST)
        return at + size

    def _method_asked(self) -> bytes:
        """Return the method that is answered; out of step none is believed to be HEAD, which nobody uses."""
        asked = self._server.asked
        return asked.method if asked and (self._exchanges.in_step or asked.method != b"HEAD") else b""

    def _answers_head(self, side: Direction, data: bytes, at: int) -> bool:
        """Tell whether a response may lack its body, being one to HEAD: another one seems to stand in its place."""
        if side.from_client or side.message is None or side.message.body_bytes or side.state is not State.LENGTH:
            return False
        unsure = side.asked is None or not self._exchanges.in_step
        return unsure and b"HTTP/1.".startswith(data[at : at + 7])

    def _pass_over(self, side: Direction, octets: int) -> None:
        """Octets that cannot be read: what they were is not known."""
        if octets:
            self._loss.add(reasons.RESYNC_BYTES, octets)
            self._lose(side)

    # Octets of the server that came before the request they answer.

    def _must_wait(self, side: Direction) -> bool:
        if side.from_client or side.state is not State.START or side.message is not None or side.told:
            return False
        return self._exchanges.in_step and not self._exchanges.waiting and not self._releasing

    def _hold(self, data: bytes, time_ns: int) -> None:
        self._held.append((data, time_ns))
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD_BYTES:
            self._release()

    def _read_held(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        self._reading_held = True
        for data, time_ns in held:
            if self._held:
                self._hold(data, time_ns)
            else:
                self._read(self._server, data, time_ns)
        self._reading_held = False

    def _release(self) -> None:
        """Read what is held without the request."""
        self._releasing = True
        self._read_held()
        self._releasing = False

    # States and effects.

    def _step(self, side: Direction, given: Input) -> None:
        effect, side.state = TABLE[side.state, given]
        if effect in (Effect.HEAD, Effect.HEAD_COMPLETE, Effect.REPLACE):
            self._fill(side, HeaderState.EXACT)
        if effect in (Effect.COMPLETE, Effect.HEAD_COMPLETE):
            self._complete(side)
        elif effect in ENDS:
            if given is not Input.GONE:
                self._lose(side)
            self._end(side, ENDS[effect])
        elif effect is Effect.MISTAKEN:
            self._mistaken(side)
            if given is not Input.GONE:
                self._lose(side)
        elif effect is Effect.SWITCH:
            self._switch(side)
        if given is Input.LEAVE:
            self._leave(self._other(side), State.TUNNEL)

    def _begin(self, side: Direction) -> None:
        assert side.head is not None
        assert side.begun_ns is not None
        if side.from_client:
            side.asked, given_up = self._exchanges.request(side.head.method)
            side.message = Message(Half.REQUEST, side.asked.stream_id, side.begun_ns, "http1")
            self._exchanges.remember(side.asked, side.message, side.head.size)
            for asked in given_up:
                self._end_unanswered(asked, Ended.GAP)
            self._loss_of_room()
        else:
            side.asked = self._exchanges.response()
            stream_id = side.asked.stream_id if side.asked else self._exchanges.unasked()
            side.message = Message(Half.RESPONSE, stream_id, side.begun_ns, "http1")
            side.message.request = side.asked.message if side.asked else None

    def _loss_of_room(self) -> None:
        evicted = self._exchanges.overflow()
        if evicted:
            self._loss.add(reasons.STREAMS_EVICTED, evicted)

    def _fill(self, side: Direction, state: HeaderState) -> None:
        message, head = side.message, side.head
        if message is not None and head is not None:
            message.headers = head.headers
            message.header_state = state
            message.missing = () if state is HeaderState.EXACT else head.missing
            message.header_bytes += side.head_bytes
            message.headers_ns = message.last_byte_ns = self._now
        side.head_bytes = 0
        side.head = None

    def _complete(self, side: Direction) -> None:
        if side.message is not None:
            if side.head is not None:
                side.message.trailers = side.head.fields or None
                side.message.header_bytes += side.head_bytes
            self._finish(side, Ended.GAP if side.holed else Ended.COMPLETE)
        side.clear()

    def _end(self, side: Direction, ended: Ended) -> None:
        """End what is open before its end; a head that is not complete is told as far as it goes."""
        if ended is Ended.MALFORMED:
            self._loss.add(reasons.MESSAGES_MALFORMED if side.trusted or side.message else reasons.FALSE_LOCKS)
        if side.head is not None and side.message is None and side.trusted and not side.told:
            self._begin(side)
        if side.message is not None:
            if side.message.header_bytes == 0:
                self._fill(side, HeaderState.PARTIAL)
            self._finish(side, ended)
        elif side.line or side.head is not None:
            self._loss.add(reasons.RESYNC_BYTES, len(side.line) + side.head_bytes)
        side.clear()

    def _mistaken(self, side: Direction) -> None:
        """Give up what was taken for a start line; what the octets were is not known."""
        self._pass_over(side, len(side.line))
        side.clear()

    def _lose(self, side: Direction) -> None:
        for asked in self._exchanges.lose(side.from_client):
            self._end_unanswered(asked, Ended.GAP)

    def _switch(self, side: Direction) -> None:
        """HTTP/2 follows: the request becomes its stream 1 (RFC 7540 3.2)."""
        if not side.from_client:
            request = side.asked.message if side.asked else None
            self._leave(self._client, State.SWITCHED)
            self.upgrade_request = request or Message(Half.REQUEST, 1, self._now, "http1")
        side.message = None
        side.clear()

    def _leave(self, side: Direction, state: State) -> None:
        if side.message is not None:
            self._end(side, Ended.MALFORMED)
        side.clear()
        side.state = state

    def _finish(self, side: Direction, ended: Ended) -> None:
        assert side.message is not None
        side.message.finish(ended, self._now)
        self._done.append(side.message)
        if side.from_client and side.asked is not None and side.asked.message is not None:
            side.asked.message = side.message.without_body()
        side.message = side.begun_ns = None
        side.told = True

    def _end_unanswered(self, asked: Asked, ended: Ended) -> None:
        message = Message(Half.RESPONSE, asked.stream_id, self._now, "http1")
        message.request = asked.message
        message.missing = (":status",)
        message.finish(ended, self._now)
        self._done.append(message)

    def _other(self, side: Direction) -> Direction:
        return self._server if side.from_client else self._client
