"""Pairs of TCP sockets that move bytes in every way Linux offers, and what is written down of it on the kernel's word.

Each case is a function of (client, server), connected sockets of this process; what it sends follows from its text.
"""

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from collector.bytestream import ByteStream
from collector.connections import Verdict
from collector.kernel_source import KernelSource
from collector.message import Counters, Endpoints, Vantage
from collector.workload import Workload

HOLE_NS = 200_000_000
TLS_HANDSHAKE = b"\x16\x03"  # RFC 8446 5.1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Taken:
    """What one socket's records brought: per direction the bytes, `?` for each one said to be missing."""

    ends: Endpoints
    from_start: bool
    text: dict[bool, bytearray] = field(default_factory=lambda: {True: bytearray(), False: bytearray()})
    gaps: list[tuple[bool, int]] = field(default_factory=list)
    is_closed: bool = False

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
        self.text[from_client] += data

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        self.gaps.append((from_client, length))
        self.text[from_client] += b"?" * length


class Recorder:
    """Takes what the kernel source brings in the place of Connections, and keeps every byte."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.traffic = Counters()
        self.taken: list[Taken] = []
        self._streams: dict[tuple[int, bool], ByteStream] = {}
        self._by_key: dict[int, Taken] = {}
        self._foreign: set[int] = set()

    def open(
        self, key: int, endpoints: Endpoints, time_ns: int, from_start: bool, positions: tuple[int, int] | None
    ) -> None:
        taken = self._by_key[key] = Taken(endpoints, from_start)
        self.taken.append(taken)
        for from_client, position in zip((True, False), positions or (-1, -1), strict=True):
            stream = ByteStream(taken, from_client, position, from_start, self.counters, self.traffic, True)
            self._streams[key, from_client] = stream

    def chunk(self, key: int, from_client: bool, position: int, data: bytes, time_ns: int) -> Verdict:
        if key not in self._by_key:
            return Verdict.ABSENT
        self._streams[key, from_client].chunk(position, data, time_ns)
        if data.startswith(TLS_HANDSHAKE):
            self._foreign.add(key)  # a record's head and the rest of it may come by a call each
        return Verdict.FOREIGN if key in self._foreign else Verdict.SBI

    def missing(self, key: int, from_client: bool, position: int, length: int, time_ns: int) -> Verdict:
        if key not in self._by_key:
            return Verdict.ABSENT
        self._streams[key, from_client].missing(position, length, time_ns)
        return Verdict.SBI

    def close(self, key: int, time_ns: int) -> None:
        if key in self._by_key:
            self._by_key[key].is_closed = True

    def attribute(self, key: int, workload: Workload) -> bool:
        return False

    def advance(self, now_ns: int) -> None:
        for stream in self._streams.values():
            while 0 <= stream.oldest_held_ns() < now_ns - HOLE_NS:
                stream.give_up()

    def of(self, vantage: Vantage, *ports: int) -> Taken:
        """Return the one connection that has `ports`, one or both, as that end saw it; one is given out again later."""
        (found,) = [
            taken
            for taken in self.taken
            if {*ports} <= {taken.ends.client_port, taken.ends.server_port} and taken.ends.vantage is vantage
        ]
        return found


@contextmanager
def observed(source: KernelSource, recorder: Recorder) -> Iterator[None]:
    """Let `source` run in the background; what went before the end is all in `recorder` then."""
    thread = threading.Thread(target=source.run, args=(recorder, recorder.advance))
    thread.start()
    try:
        yield
        time.sleep(0.05)
    finally:
        source.stop()
        thread.join()
    recorder.advance(time.time_ns() + 60_000_000_000)


@contextmanager
def connected(family: socket.AddressFamily = socket.AF_INET) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two connected sockets on loopback, the client's first."""
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_server((address, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        server, _ = listener.accept()
        with client, server:
            yield client, server


def pattern(length: int, seed: int = 1) -> bytes:
    """Return bytes in which no stretch is like another."""
    return b"".join(
        ((seed * 1_000_003 + number) % 4_294_967_291).to_bytes(4, "big") for number in range(-(-length // 4))
    )[:length]


def receive(link: socket.socket, length: int, piece: int = 65_536) -> bytes:
    """Receive exactly `length` bytes, in calls of at most `piece`."""
    got = b""
    while len(got) < length:
        got += link.recv(min(piece, length - len(got)))
    return got


@dataclass(frozen=True)
class Sent:
    """What a case moved, by direction; `gaps` tells which stretches cannot be copied (begin, length)."""

    to_server: bytes
    to_client: bytes = b""
    is_answer_read: bool = True
    sent_gaps: tuple[tuple[int, int], ...] = ()
    received_gaps: tuple[tuple[int, int], ...] = ()


Case = Callable[[socket.socket, socket.socket], Sent]


def send_and_recv(client: socket.socket, server: socket.socket) -> Sent:
    for number in range(7):
        client.send(pattern(100, number))
        assert receive(server, 100) == pattern(100, number)
    server.sendall(pattern(5_000, 9))
    receive(client, 5_000)
    return Sent(b"".join(pattern(100, number) for number in range(7)), pattern(5_000, 9))


def read_and_write(client: socket.socket, server: socket.socket) -> Sent:
    os.write(client.fileno(), pattern(3_000))
    got = b""
    while len(got) < 3_000:
        got += os.read(server.fileno(), 999)
    return Sent(pattern(3_000))


def readv_and_writev(client: socket.socket, server: socket.socket) -> Sent:
    pieces = [pattern(length, length) for length in (1, 9, 300, 0, 5_000)]
    os.writev(client.fileno(), pieces)
    whole = b"".join(pieces)
    buffers = [bytearray(length) for length in (10, 500, 0, len(whole) - 510)]
    assert os.readv(server.fileno(), buffers) == len(whole)
    return Sent(whole)


def sendmsg_and_recvmsg(client: socket.socket, server: socket.socket) -> Sent:
    pieces = [pattern(9, 1), pattern(700, 2)]
    client.sendmsg(pieces)
    buffers = [bytearray(200), bytearray(509)]
    assert server.recvmsg_into(buffers)[0] == 709
    return Sent(b"".join(pieces))


def peeked(client: socket.socket, server: socket.socket) -> Sent:
    client.sendall(pattern(400))
    assert server.recv(400, socket.MSG_PEEK | socket.MSG_WAITALL) == pattern(400)
    assert server.recv(100) == pattern(400)[:100]
    server.recv(50, socket.MSG_PEEK)
    receive(server, 300)
    return Sent(pattern(400))


def partial_reads(client: socket.socket, server: socket.socket) -> Sent:
    client.sendall(pattern(2_000))
    receive(server, 2_000, piece=7)
    return Sent(pattern(2_000))


def non_blocking(client: socket.socket, server: socket.socket) -> Sent:
    client.setblocking(False)
    server.setblocking(False)
    whole = PREFACE + pattern(3_000_000)  # without the preface the kernel side would not copy so much unjudged
    sent = received = 0
    while received < len(whole):
        try:
            sent += client.send(whole[sent : sent + 200_000]) if sent < len(whole) else 0
        except BlockingIOError:
            pass
        try:
            received += len(server.recv(90_000))
        except BlockingIOError:
            pass
    return Sent(whole)


def large_send(client: socket.socket, server: socket.socket) -> Sent:
    client.sendall(PREFACE)
    receive(server, len(PREFACE))
    whole = pattern(1_048_576)
    reader = threading.Thread(target=receive, args=(server, len(whole), 1 << 20))
    reader.start()
    assert client.send(whole) == len(whole)
    reader.join()
    return Sent(PREFACE + whole)


def many_small_pieces(client: socket.socket, server: socket.socket) -> Sent:
    pieces = [pattern(1 + number % 13, number) for number in range(1_024)]
    whole = b"".join(pieces)
    assert os.writev(client.fileno(), pieces) == len(whole)
    receive(server, len(whole))
    return Sent(whole)


def last_bytes_with_fin(client: socket.socket, server: socket.socket) -> Sent:
    client.sendall(pattern(300))
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.02)
    assert server.recv(4_096) == pattern(300)
    assert server.recv(4_096) == b""
    server.sendall(pattern(50, 2))
    receive(client, 50)
    return Sent(pattern(300), pattern(50, 2))


def read_after_reset(client: socket.socket, server: socket.socket) -> Sent:
    server.sendall(pattern(10, 3))
    time.sleep(0.02)
    client.sendall(pattern(300))
    client.close()  # with bytes unread: a reset
    time.sleep(0.08)
    try:
        server.recv(4_096)
    except ConnectionResetError:
        assert server.recv(4_096) == pattern(300)
    return Sent(pattern(300), pattern(10, 3), is_answer_read=False)


def one_message(client: socket.socket, server: socket.socket) -> Sent:
    sendmmsg(client, [pattern(600)])
    receive(server, 600)
    return Sent(pattern(600))


def sent_file(client: socket.socket, server: socket.socket) -> Sent:
    """sendfile: no buffer of the process; what is read at the other end is."""
    with Path("/proc/self/exe").open("rb") as file:
        whole = file.read(3_000)
        client.sendall(pattern(100))
        assert os.sendfile(client.fileno(), file.fileno(), 0, 3_000) == 3_000
        client.sendall(pattern(100, 2))
    receive(server, 3_200)
    return Sent(pattern(100) + whole + pattern(100, 2), sent_gaps=((100, 3_000),))


def many_messages(client: socket.socket, server: socket.socket) -> Sent:
    """sendmmsg: which of its messages a call of the socket belongs to is not known."""
    client.sendall(pattern(10))
    sendmmsg(client, [pattern(100, 1), pattern(50, 2)])
    client.sendall(pattern(10, 3))
    receive(server, 170)
    whole = pattern(10) + pattern(100, 1) + pattern(50, 2) + pattern(10, 3)
    return Sent(whole, sent_gaps=((10, 150),))


def thrown_away(client: socket.socket, server: socket.socket) -> Sent:
    """MSG_TRUNC: the kernel throws the bytes away that a process does not want (tcp(7))."""
    client.sendall(pattern(300))
    server.recv(100, socket.MSG_WAITALL)
    assert len(server.recv(100, socket.MSG_TRUNC)) == 100
    receive(server, 100)
    return Sent(pattern(300), received_gaps=((100, 100),))


def spliced(client: socket.socket, server: socket.socket) -> Sent:
    """splice from a socket: no probe sees it, the next call's position does."""
    client.sendall(pattern(300))
    server.recv(100, socket.MSG_WAITALL)
    out, into = os.pipe()
    splice(server.fileno(), into, 100)
    os.close(out)
    os.close(into)
    receive(server, 100)
    return Sent(pattern(300), received_gaps=((100, 100),))


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("iov", ctypes.POINTER(Iovec)),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("length", ctypes.c_uint),
        ("unused", ctypes.c_uint),
    )


def sendmmsg(link: socket.socket, messages: list[bytes]) -> None:
    """Send several messages by one call."""
    headers = (Header * len(messages))()
    for header, message in zip(headers, messages, strict=True):
        header.iov = ctypes.pointer(Iovec(message, len(message)))
        header.iov_length = 1
    assert libc.sendmmsg(link.fileno(), headers, len(messages), 0) == len(messages)


def splice(source: int, target: int, length: int) -> None:
    """Move bytes from a socket to a pipe within the kernel."""
    moved = 0
    while moved < length:
        count = libc.splice(source, None, target, None, ctypes.c_size_t(length - moved), 0)
        assert count > 0
        moved += count


WHOLE: tuple[Case, ...] = (
    send_and_recv,
    read_and_write,
    readv_and_writev,
    sendmsg_and_recvmsg,
    peeked,
    partial_reads,
    non_blocking,
    large_send,
    many_small_pieces,
    last_bytes_with_fin,
    read_after_reset,
    one_message,
)
WITH_GAPS: tuple[Case, ...] = (sent_file, many_messages, thrown_away, spliced)
