"""True HTTP/2 traffic for the observer's tests: random conversations made with python hpack, and what they say."""

import random
import struct
from dataclasses import dataclass, field

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
Field = tuple[bytes, bytes]

NAMES = (
    b"content-type",
    b"accept",
    b"user-agent",
    b"via",
    b"server",
    b"location",
    b"date",
    b"3gpp-sbi-message-priority",
    b"3gpp-sbi-sender-timestamp",
    b"3gpp-sbi-max-rsp-time",
    b"x-request-id",
)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


@dataclass
class Half:
    """What one half of a stream really said."""

    heads: list[list[Field]] = field(default_factory=list)  # interim ones and the final one
    trailers: list[Field] | None = None
    body: bytes = b""
    ended: str = ""


@dataclass
class Conversation:
    """Frames in the order in which they were sent, and the truth of each (stream, half: 0 = request)."""

    frames: list[tuple[bool, bytes]] = field(default_factory=list)
    truth: dict[tuple[int, int], Half] = field(default_factory=dict)

    def octets(self, from_client: bool) -> bytes:
        return b"".join(data for side, data in self.frames if side == from_client)


class Writer:
    """One end's frames, with all the liberties RFC 9113 leaves."""

    def __init__(self, rnd: random.Random) -> None:
        self._rnd = rnd
        self._encoder = hpack.Encoder()

    def block(self, fields: list[Field]) -> bytes:
        rnd = self._rnd
        if rnd.random() < 0.03:
            self._encoder.header_table_size = rnd.choice((0, 64, 300, 1000, 4096))
        marked = [hpack.NeverIndexedHeaderTuple(*pair) if rnd.random() < 0.1 else pair for pair in fields]
        return bytes(self._encoder.encode(marked, huffman=rnd.random() < 0.8))

    def headers(self, stream: int, fields: list[Field], end: bool, promised: int = 0) -> list[bytes]:
        rnd = self._rnd
        block = self.block(fields)
        pieces = [block]
        if rnd.random() < 0.15:
            cut = rnd.randint(0, len(block))
            pieces = [block[:cut], block[cut:]]
        flags = int(end and not promised)
        first = struct.pack(">I", promised) if promised else b""
        if not promised and rnd.random() < 0.2:
            first += struct.pack(">IB", rnd.choice((0, 3, 1 << 31 | 5)), rnd.randrange(256))
            flags |= 32
        first += pieces[0]
        if rnd.random() < 0.15:
            padding = rnd.randrange(40)
            first = bytes((padding,)) + first + bytes(padding)
            flags |= 8
        kind = PUSH_PROMISE if promised else HEADERS
        frames = [frame(kind, flags | (4 if len(pieces) == 1 else 0), stream, first)]
        frames += [frame(CONTINUATION, 4, stream, piece) for piece in pieces[1:]]
        return [b"".join(frames)] if rnd.random() < 0.5 else frames

    def data(self, stream: int, body: bytes, end: bool) -> bytes:
        flags = int(end)
        if self._rnd.random() < 0.15:
            padding = self._rnd.randrange(256)
            return frame(DATA, flags | 8, stream, bytes((padding,)) + body + bytes(padding))
        return frame(DATA, flags, stream, body)

    def aside(self) -> bytes:
        rnd = self._rnd
        kind = rnd.randrange(5)
        if kind == 0:
            return frame(PING, rnd.randrange(2), 0, rnd.randbytes(8))
        if kind == 1:
            return frame(WINDOW_UPDATE, 0, rnd.choice((0, 1, 3)), struct.pack(">I", rnd.randint(1, 65535)))
        if kind == 2:
            return frame(PRIORITY, 0, rnd.choice((1, 3, 5)), struct.pack(">IB", 0, rnd.randrange(256)))
        if kind == 3:
            return settings((3, rnd.randint(1, 1000)), (4, 65535))
        return frame(SETTINGS, 1, 0)


def _fields(rnd: random.Random, pool: list[Field]) -> list[Field]:
    fields = [rnd.choice(pool) for _ in range(rnd.randint(0, 6))]
    return [(name, rnd.randbytes(9).hex().encode()) if rnd.random() < 0.2 else (name, value) for name, value in fields]


def _body(rnd: random.Random) -> bytes:
    kind = rnd.randrange(6)
    if kind < 2:
        return b""
    size = rnd.choice((3, 30, 300, 3000))
    if kind == 2:
        return rnd.randbytes(size)
    if kind == 3:
        return bytes(size)
    return (b'{"supi":"imsi-001010000000001","dnn":"internet"}' * (size // 40 + 1))[:size]


class Maker:
    """Makes one random conversation of `streams` streams, several at a time."""

    def __init__(self, seed: int, streams: int) -> None:
        self.rnd = random.Random(seed)
        self.conversation = Conversation()
        self._ends = {True: Writer(self.rnd), False: Writer(self.rnd)}
        self._pool = [(name, b"%s-%d" % (name[-4:], number)) for name in NAMES for number in range(3)]
        self._promised = 2
        self._steps: list[list[object]] = []
        self._make(streams)

    def _send(self, from_client: bool, data: bytes) -> None:
        self.conversation.frames.append((from_client, data))
        if self.rnd.random() < 0.08:
            side = self.rnd.random() < 0.5
            self.conversation.frames.append((side, self._ends[side].aside()))

    def _send_block(self, from_client: bool, frames: list[bytes]) -> None:
        for data in frames:
            self.conversation.frames.append((from_client, data))

    def _make(self, streams: int) -> None:
        rnd = self.rnd
        self._send(True, PREFACE + settings((4, 65535)))
        self._send(False, settings((1, 4096)))
        running: list[object] = []
        next_id = 1
        while next_id <= 2 * streams or running:
            if next_id <= 2 * streams and (not running or rnd.random() < 0.3):
                running.append(self._stream(next_id))
                next_id += rnd.choice((2, 2, 2, 4))
                next(running[-1], None)  # ids begin in order (RFC 9113 5.1.1)
                continue
            chosen = rnd.choice(running)
            if next(chosen, "over") == "over":
                running.remove(chosen)

    def _stream(self, stream: int):  # type: ignore[no-untyped-def]
        """Yield after each step, so that streams interleave."""
        rnd = self.rnd
        head = [(b":method", rnd.choice((b"GET", b"POST", b"PUT"))), (b":scheme", b"http")]
        head += [(b":authority", b"smf.5gc:80"), (b":path", b"/nsmf-pdusession/v1/sm-contexts/%d" % rnd.randrange(9))]
        request = self.conversation.truth.setdefault((stream, 0), Half())
        yield from self._half(True, stream, request, head)
        if rnd.random() < 0.04:
            self._send(rnd.random() < 0.5, frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
            self.conversation.truth[stream, 1] = Half(ended="reset")
            return
        if rnd.random() < 0.04:
            yield from self._push(stream)
        response = self.conversation.truth.setdefault((stream, 1), Half())
        if rnd.random() < 0.06:
            interim = [(b":status", b"103"), *_fields(rnd, self._pool)]
            response.heads.append(interim)
            self._send_block(False, self._ends[False].headers(stream, interim, False))
            yield
        status = rnd.choice((b"200", b"201", b"204", b"404", b"504"))
        yield from self._half(False, stream, response, [(b":status", status)])

    def _half(self, from_client: bool, stream: int, half: Half, head: list[Field]):  # type: ignore[no-untyped-def]
        rnd = self.rnd
        end = self._ends[from_client]
        body = _body(rnd)
        trailers = [(b"x-checksum", b"%d" % rnd.randrange(5))] if body and rnd.random() < 0.15 else None
        fields = head + _fields(rnd, self._pool)
        half.heads.append(fields)
        half.body, half.trailers, half.ended = body, trailers, "complete"
        self._send_block(from_client, end.headers(stream, fields, not body))
        yield
        while body:
            size = rnd.randint(1, len(body)) if rnd.random() < 0.4 else len(body)
            piece, body = body[:size], body[size:]
            self._send(from_client, end.data(stream, piece, not body and trailers is None))
            yield
        if trailers is not None:
            self._send_block(from_client, end.headers(stream, trailers, True))
            yield

    def _push(self, stream: int):  # type: ignore[no-untyped-def]
        promised, self._promised = self._promised, self._promised + 2
        head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"smf.5gc:80"), (b":path", b"/pushed")]
        self.conversation.truth[promised, 0] = Half([head], None, b"", "complete")
        self._send_block(False, self._ends[False].headers(stream, head, False, promised))
        yield
        response = self.conversation.truth.setdefault((promised, 1), Half())
        yield from self._half(False, promised, response, [(b":status", b"200")])


def conversation(seed: int, streams: int = 12) -> Conversation:
    """Return the conversation of that seed."""
    return Maker(seed, streams).conversation
