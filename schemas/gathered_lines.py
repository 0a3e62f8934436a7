"""The lines of an HTTP answer that goes on and on, gathered: what came in a while costs one waking.

A watch of the Kubernetes API is a line a change. Read as they come, most of the cost is in being woken for each.
"""

import socket
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from math import inf
from ssl import SSLWantReadError
from typing import Any

READ_BYTES = 65_536
TOGETHER_BYTES = 1_048_576  # then what is there is acted on before more is read
MOST_LINE_BYTES = 4_194_304  # one object; etcd takes no larger than 1.5 MB
MOST_HEAD_BYTES = 1_024  # of a chunk


class OnlyHead(HTTPResponse):
    """An answer of which nothing but the head was read: its body is still in the socket."""

    def __init__(self, sock: socket.socket, *more: Any, **named: Any) -> None:
        super().__init__(sock, *more, **named)
        self.fp = BufferedReader(sock.makefile("rb", 0), 1)


class Chunks:
    """A chunked body (RFC 9112, section 7.1) in whatever pieces it comes; trailers are not looked at."""

    def __init__(self) -> None:
        self.is_over = False
        self._left = 0  # of the chunk
        self._head = b""  # as far as it came

    def body(self, octets: bytes) -> bytes:
        """Return what a piece has of the body. Raises HTTPException where it is not chunked."""
        octets, self._head = self._head + octets, b""
        found, at = [], 0
        while at < len(octets) and not self.is_over:
            if self._left:
                part = octets[at : at + self._left]
                found.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            end = octets.find(b"\r\n", at)
            if end < 0:
                self._head = octets[at:]
                if len(self._head) > MOST_HEAD_BYTES:
                    raise HTTPException("a chunk without end of its head")
                break
            if end > at:  # else the end of the chunk before
                self._left = _size(octets[at:end])
                self.is_over = not self._left
            at = end + 2
        return b"".join(found)


class Pace:
    """How long to let changes gather: not at all after a quiet time, a whole turn each time where they go on coming."""

    def __init__(self, turn_s: float, at_once: int) -> None:
        """Of turns that follow each other faster than `turn_s`, the first `at_once` are not held back."""
        self._turn_s = turn_s
        self._allowed_s = at_once * turn_s
        self._due_s = -inf

    def wait_s(self, now_s: float) -> float:
        """Return for how long a turn that begins by `now_s` is to wait (seconds of one clock that only goes on)."""
        self._due_s = max(self._due_s, now_s - self._allowed_s) + self._turn_s
        return max(0.0, self._due_s - now_s)


def gathered(sock: socket.socket, answer: HTTPResponse, gather: Callable[[], object]) -> Iterator[list[bytes]]:
    """Yield whole lines, those together that are there when `gather`, called where little has come, returns.

    Ends with the answer. Raises OSError (TimeoutError where nothing came for the socket's time), and HTTPException
    where what comes is no such body.
    """
    chunks = Chunks() if answer.chunked else None
    rest, is_over = b"", False
    while not is_over:
        octets, is_over = _next(sock, gather)
        if chunks is not None:
            octets, is_over = chunks.body(octets), is_over or chunks.is_over
        *lines, rest = (rest + octets).split(b"\n")
        if len(rest) > MOST_LINE_BYTES:
            raise HTTPException("a line without end")
        yield lines


def _next(sock: socket.socket, gather: Callable[[], object]) -> tuple[bytes, bool]:
    """Wait for something, and let more gather where it is little; return what is there, and whether it is the last."""
    found = [sock.recv(READ_BYTES)]
    if not found[0]:
        return b"", True
    timeout_s = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        is_over = _drain(sock, found)
        if not is_over and sum(map(len, found)) < READ_BYTES:  # a server ends the watch of who lets it wait
            gather()
            is_over = _drain(sock, found)
    finally:
        sock.settimeout(timeout_s)
    return b"".join(found), is_over


def _drain(sock: socket.socket, found: list[bytes]) -> bool:
    """Add what is there by now, as far as it is acted on together; return whether it is the last."""
    many = sum(map(len, found))
    try:
        while many < TOGETHER_BYTES:
            octets = sock.recv(READ_BYTES)
            if not octets:
                return True
            found.append(octets)
            many += len(octets)
    except (BlockingIOError, SSLWantReadError):
        pass  # no more yet
    return False


def _size(head: bytes) -> int:
    """Return the size of a chunk. Raises HTTPException for what is none."""
    digits = head.partition(b";")[0].strip()
    try:
        size = int(digits, 16)
    except ValueError:
        size = -1
    if size < 0:
        raise HTTPException(f"no size of a chunk: {digits[:20]!r}")
    return size
