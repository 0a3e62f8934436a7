"""schemas/gathered_lines.py: chunked bodies in any pieces, and lines as they come over real sockets, with TLS too."""

import socket
import ssl
import threading
from http.client import HTTPException
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import gathered_lines
from schemas.gathered_lines import Chunks, OnlyHead, Pace, gathered
from tests.certificates import Authority

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(part: bytes, extension: bytes = b"") -> bytes:
    return b"%X%s\r\n%s\r\n" % (len(part), extension, part)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=7), st.lists(st.integers(1, 9), min_size=1), st.binary())
def test_a_chunked_body_may_come_in_any_pieces(parts: list[bytes], sizes: list[int], behind: bytes) -> None:
    octets = b"".join(chunk(part, b";a=b") for part in parts) + END + behind
    taken, found, at, turn = Chunks(), b"", 0, 0
    while at < len(octets) and not taken.is_over:
        size = sizes[turn % len(sizes)]
        found += taken.body(octets[at : at + size])
        at, turn = at + size, turn + 1
    assert (found, taken.is_over) == (b"".join(parts), True)


@pytest.mark.parametrize("octets", [b"xyz\r\n", b"-5\r\n", b"5 5\r\n", b";\r\n", b"1" * 2_000])
def test_what_is_no_chunk_is_refused(octets: bytes) -> None:
    with pytest.raises(HTTPException):
        Chunks().body(octets)


def pair(context: ssl.SSLContext | None) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection on loopback, the server's first; over TLS with a context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), 10)
        server, _ = listening.accept()
    if context is None:
        return server, client
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    wrapped: list[socket.socket] = []
    thread = threading.Thread(target=lambda: wrapped.append(context.wrap_socket(server, server_side=True)))
    thread.start()
    ours = blind.wrap_socket(client)
    thread.join(10)
    return wrapped[0], ours


def answer_on(client: socket.socket) -> OnlyHead:
    """Return the answer whose head was sent; nothing behind it is read yet."""
    answer = OnlyHead(client)
    answer.begin()
    return answer


@pytest.fixture(params=["cleartext", "TLS"])
def context(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    if request.param == "cleartext":
        return None
    made = Authority(tmp_path, "cluster").signed("api")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    return context


def test_lines_that_came_meanwhile_come_together(context: ssl.SSLContext | None) -> None:
    server, client = pair(context)
    with server, client:
        more = iter([[b"two\nth", b"ree\n", b"f"], [b"our" * 40_000 + b"\n"]])

        def gather() -> None:
            for part in next(more, []):
                server.sendall(chunk(part))

        server.sendall(HEAD + CHUNKED + chunk(b"one\n"))
        found = gathered(client, answer_on(client), gather)
        first = next(found)
        assert first == [b"one", b"two", b"three"]
        server.sendall(chunk(b"-"))
        assert next(line for lines in found for line in lines) == b"f-" + b"our" * 40_000
        server.sendall(END)
        assert [line for lines in found for line in lines] == []


def test_where_much_is_there_no_more_is_waited_for(context: ssl.SSLContext | None) -> None:
    server, client = pair(context)
    turns: list[int] = []
    with server, client:
        server.sendall(HEAD + CHUNKED + chunk(b"x" * 99 + b"\n") * 1_500)
        found = gathered(client, answer_on(client), lambda: turns.append(0))
        assert len(next(found)) * 100 > gathered_lines.READ_BYTES
        assert not turns


@pytest.mark.parametrize("end", [b"", b"cut off"])
def test_a_body_without_chunks_ends_with_its_connection(end: bytes) -> None:
    server, client = pair(None)
    with client:
        server.sendall(HEAD + b"Connection: close\r\n\r\none\ntwo\n" + end)
        answer = answer_on(client)
        server.close()
        lines = [line for lines in gathered(client, answer, lambda: None) for line in lines]
    assert lines == [b"one", b"two"]


def test_who_says_nothing_is_given_up() -> None:
    server, client = pair(None)
    with server, client:
        server.sendall(HEAD + CHUNKED)
        answer = answer_on(client)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            next(gathered(client, answer, lambda: None))


def test_a_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered_lines, "MOST_LINE_BYTES", 10)
    server, client = pair(None)
    with server, client:
        server.sendall(HEAD + CHUNKED + chunk(b"0123456789"))
        found = gathered(client, answer_on(client), lambda: None)
        assert next(found) == []
        server.sendall(chunk(b"0"))
        with pytest.raises(HTTPException, match="without end"):
            next(found)


@pytest.mark.parametrize(
    ("times_s", "waits_s"),
    [
        pytest.param([0, 1, 2], [0, 0, 0], id="few"),
        pytest.param([100] * 4, [0, 0, 0, 0.25], id="the fourth at once"),
        pytest.param([100, 100, 100, 100, 100.25, 100.5], [0, 0, 0, 0.25, 0.25, 0.25], id="they go on"),
        pytest.param([100] * 4 + [109] * 4, [0, 0, 0, 0.25] * 2, id="again after a quiet time"),
    ],
)
def test_turns_are_held_back_where_they_go_on_coming(times_s: list[float], waits_s: list[float]) -> None:
    pace = Pace(0.25, 3)
    assert [pace.wait_s(now_s) for now_s in times_s] == waits_s
