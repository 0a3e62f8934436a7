"""True HTTP/1.1 traffic made by the h11 library, and what it says: exchanges in turn or pipelined."""

import random
from dataclasses import dataclass, field

import h11

Written = list[tuple[bool, bytes]]  # from the client?, octets of one send()
Fields = list[tuple[bytes, bytes]]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
STATUSES = (200, 201, 204, 304, 307, 400, 404, 500, 504)
BODIES = (
    b"",
    b"{}",
    b'{"supi":"imsi-001010000000001"}' * 9,
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(700),
)


@dataclass
class Said:
    """What a half says: fields as the observer tells them, body, trailers."""

    headers: Fields
    body: bytes = b""
    trailers: Fields | None = None


@dataclass
class Talk:
    """The writes of one connection in their order, and the truth by (stream id, half: 0 = request)."""

    written: Written = field(default_factory=list)
    truth: dict[tuple[int, int], Said] = field(default_factory=dict)
    pipelined: bool = False
    ends_open: bool = False  # the last response ends with the connection


class Exchange:
    """One request and its answer, as h11 writes them."""

    def __init__(self, rnd: random.Random, number: int, last: bool) -> None:
        self._rnd = rnd
        self._number = number
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self._client = h11.Connection(h11.CLIENT)
        self._server = h11.Connection(h11.SERVER)
        self.request = self._ask()
        self.response, self.ends_open = self._answer(last)

    def _ask(self) -> Said:
        rnd = self._rnd
        method = rnd.choice(METHODS)
        self._method = method
        target = f"/nudm-sdm/v2/imsi-00101{self._number}/am-data"
        host = b"udm.5gc.example:80"
        fields = self._fields()
        body = b"" if method in ("GET", "HEAD", "DELETE") else rnd.choice(BODIES)
        framing, trailers = self._framing(body, optional=not body)
        sent = [(b"Host", host), *fields, *framing]
        self.asked = self._write(self._client, h11.Request(method=method, target=target, headers=sent), body, trailers)
        self._server.receive_data(b"".join(self.asked))
        while not isinstance(self._server.next_event(), h11.EndOfMessage):
            pass
        pseudo = [(b":method", method.encode()), (b":authority", host), (b":path", target.encode())]
        return Said(pseudo + _lower(fields + framing), body, _lower(trailers) or None)

    def _answer(self, last: bool) -> tuple[Said, bool]:
        rnd = self._rnd
        if rnd.random() < 0.1:
            self.answered.append(self._server.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        status = rnd.choice(STATUSES)
        bodiless = status in (204, 304) or self._method == "HEAD"
        body = b"" if bodiless else rnd.choice(BODIES)
        fields = self._fields()
        framing, trailers = ([], []) if bodiless else self._framing(body, optional=False)
        ends_open = last and not bodiless and rnd.random() < 0.5
        if ends_open:
            framing, trailers = [(b"Connection", b"close")], []
        if self._method == "HEAD" and status not in (204, 304):
            framing = [(b"Content-Length", b"77")]
        if ends_open:  # h11 would rather send it chunked
            lines = [b"HTTP/1.1 %d " % status, *(b"%s: %s" % field for field in fields + framing), b"", body]
            self.answered.append(b"\r\n".join(lines))
        else:
            head = h11.Response(status_code=status, headers=[*fields, *framing], reason=b"So be it")
            self.answered += self._write(self._server, head, body, trailers)
        return Said(
            [(b":status", b"%d" % status), *_lower(fields + framing)], body, _lower(trailers) or None
        ), ends_open

    def _fields(self) -> Fields:
        rnd = self._rnd
        fields = [(b"X-Number", b"%d" % self._number)]
        names = (b"User-Agent", b"3gpp-Sbi-Max-Rsp-Time", b"Content-Type", b"Accept")
        values = (b"AMF", b"", b"a b\tc", b"x:y; z", rnd.randbytes(20).hex().encode())
        fields += [(name, rnd.choice(values)) for name in names if rnd.random() < 0.5]
        rnd.shuffle(fields)
        return fields

    def _framing(self, body: bytes, optional: bool) -> tuple[Fields, Fields]:
        rnd = self._rnd
        kind = rnd.randrange(3 if optional else 2)
        if kind == 2:
            return [], []
        if kind == 1:
            return [(b"Content-Length", b"%d" % len(body))], []
        trailers = [(b"X-Trailer", b"%d" % self._number)] if rnd.random() < 0.3 else []
        return [(b"Transfer-Encoding", b"chunked")], trailers

    def _write(
        self, end: h11.Connection, head: h11.Request | h11.Response, body: bytes, trailers: Fields
    ) -> list[bytes]:
        """Return what `end` writes, in some number of sends."""
        pieces = [end.send(head)]
        while body:
            size = self._rnd.randint(1, len(body))
            pieces.append(end.send(h11.Data(data=body[:size])))
            body = body[size:]
        pieces.append(end.send(h11.EndOfMessage(headers=trailers)))
        if self._rnd.random() < 0.5:
            return [b"".join(piece or b"" for piece in pieces)]
        return [piece for piece in pieces if piece]


def _lower(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]


def talk(seed: int, exchanges: int, pipelined: bool = False) -> Talk:
    """Return a random conversation; a client that does not pipeline waits for each answer."""
    rnd = random.Random(seed)
    made = Talk(pipelined=pipelined)
    unanswered: list[Exchange] = []
    for number in range(1, exchanges + 1):
        exchange = Exchange(rnd, number, number == exchanges)
        stream = 2 * number - 1
        made.truth[stream, 0] = exchange.request
        made.truth[stream, 1] = exchange.response
        made.ends_open = exchange.ends_open
        made.written += [(True, data) for data in exchange.asked]
        unanswered.append(exchange)
        if not pipelined or rnd.random() < 0.5 or number == exchanges:
            made.written += [(False, data) for one in unanswered for data in one.answered if data]
            unanswered = []
    return made
