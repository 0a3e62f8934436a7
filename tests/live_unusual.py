"""Calls that programs of network functions may make and few do, as cases like those of tests/live_peers.py.

Several messages by one recvmmsg, splice to a socket, zero-copy and io_uring (io_uring_setup(2), io_uring_enter(2)).
"""

import ctypes
import mmap
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.live_peers import PREFACE, Case, Header, Iovec, Sent, libc, pattern, receive, splice

MSG_ZEROCOPY, SO_ZEROCOPY = 0x4000000, 60
SETUP, ENTER = 425, 426  # x86-64
GET_EVENTS = 1
SEND, RECV = 26, 27  # IORING_OP_
SUBMISSIONS, COMPLETIONS, ENTRIES = 0, 0x8000000, 0x10000000  # IORING_OFF_
ENTRY_BYTES, COMPLETION_BYTES = 64, 16
NO_OFFSET = ctypes.c_long(-1)


def preadv2_and_pwritev2(client: socket.socket, server: socket.socket) -> Sent:
    pieces = [pattern(17, 1), pattern(2_003, 2)]
    sent = (Iovec * 2)(*((piece, len(piece)) for piece in pieces))
    assert libc.pwritev2(client.fileno(), sent, 2, NO_OFFSET, 0) == 2_020
    room = [ctypes.create_string_buffer(length) for length in (1_013, 1_007)]
    taken = (Iovec * 2)(*((ctypes.cast(one, ctypes.c_char_p), len(one)) for one in room))
    assert libc.preadv2(server.fileno(), taken, 2, NO_OFFSET, 0) == 2_020
    return Sent(b"".join(pieces))


def received_message(client: socket.socket, server: socket.socket) -> Sent:
    """recvmmsg of one message: its buffers are known."""
    client.sendall(pattern(701))
    assert recvmmsg(server, [701]) == [pattern(701)]
    return Sent(pattern(701))


def received_messages(client: socket.socket, server: socket.socket) -> Sent:
    """recvmmsg of several: which of them a call of the socket belongs to is not known."""
    client.sendall(pattern(10) + pattern(150, 1) + pattern(10, 3))
    receive(server, 10)
    assert b"".join(recvmmsg(server, [101, 49])) == pattern(150, 1)
    receive(server, 10)
    return Sent(pattern(10) + pattern(150, 1) + pattern(10, 3), received_gaps=((10, 150),))


def spliced_out(client: socket.socket, server: socket.socket) -> Sent:
    """splice to a socket: no buffer of the process; what is read at the other end is."""
    out, into = os.pipe()
    os.write(into, pattern(1_009, 1))
    client.sendall(pattern(100))
    splice(out, client.fileno(), 1_009)
    client.sendall(pattern(100, 2))
    os.close(out)
    os.close(into)
    receive(server, 1_209)
    return Sent(pattern(100) + pattern(1_009, 1) + pattern(100, 2), sent_gaps=((100, 1_009),))


def zero_copy(client: socket.socket, server: socket.socket) -> Sent:
    """MSG_ZEROCOPY: the kernel sends the process's own pages, which are still there when the call returns."""
    client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    client.sendall(PREFACE)
    whole = pattern(50_021)
    sent = 0
    while sent < len(whole):
        sent += client.send(memoryview(whole)[sent:], MSG_ZEROCOPY)
    receive(server, len(PREFACE) + len(whole))
    return Sent(PREFACE + whole)


def by_io_uring(client: socket.socket, server: socket.socket) -> Sent:
    """Sends and receives without a system call of their own: their buffers are not known, their positions are."""
    client.sendall(pattern(100))
    receive(server, 100)
    with ring() as one:
        one.do(SEND, client, bytearray(pattern(307, 1)))
        received = bytearray(307)
        one.do(RECV, server, received)
    assert received == pattern(307, 1)
    client.sendall(pattern(100, 2))
    receive(server, 100)
    whole = pattern(100) + pattern(307, 1) + pattern(100, 2)
    return Sent(whole, sent_gaps=((100, 307),), received_gaps=((100, 307),))


def recvmmsg(link: socket.socket, sizes: list[int]) -> list[bytes]:
    """Receive several messages by one call, each as long as its buffer."""
    buffers = [ctypes.create_string_buffer(size) for size in sizes]
    headers = (Header * len(sizes))()
    for header, buffer in zip(headers, buffers, strict=True):
        header.iov = ctypes.pointer(Iovec(ctypes.cast(buffer, ctypes.c_char_p), len(buffer)))
        header.iov_length = 1
    assert libc.recvmmsg(link.fileno(), headers, len(sizes), socket.MSG_WAITALL, None) == len(sizes)
    return [buffer.raw for buffer in buffers]


class Ring:
    """An io_uring for one operation at a time; offsets of its fields are those that the kernel tells (struct
    io_uring_params)."""

    def __init__(self, descriptor: int, told: bytes) -> None:
        self._descriptor = descriptor
        entries, completions = struct.unpack_from("II", told)
        self._submit = dict(zip(("head", "tail", "mask"), struct.unpack_from("III", told, 40), strict=True))
        self._array = struct.unpack_from("I", told, 64)[0]
        self._done = dict(zip(("head", "tail", "mask"), struct.unpack_from("III", told, 80), strict=True))
        self._results = struct.unpack_from("I", told, 100)[0]
        self._asked = mmap.mmap(descriptor, self._array + 4 * entries, offset=SUBMISSIONS)
        self._told = mmap.mmap(descriptor, self._results + COMPLETION_BYTES * completions, offset=COMPLETIONS)
        self._entries = mmap.mmap(descriptor, ENTRY_BYTES * entries, offset=ENTRIES)

    def do(self, operation: int, link: socket.socket, buffer: bytearray) -> None:
        """Have one operation on the whole of `buffer`, and wait for it."""
        place = ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
        (tail,) = struct.unpack_from("I", self._asked, self._submit["tail"])
        (mask,) = struct.unpack_from("I", self._asked, self._submit["mask"])
        slot = tail & mask
        entry = struct.pack("BBHiQQIi", operation, 0, 0, link.fileno(), 0, place, len(buffer), socket.MSG_WAITALL)
        self._entries[slot * ENTRY_BYTES : (slot + 1) * ENTRY_BYTES] = entry.ljust(ENTRY_BYTES, b"\0")
        struct.pack_into("I", self._asked, self._array + 4 * slot, slot)
        struct.pack_into("I", self._asked, self._submit["tail"], tail + 1)
        assert libc.syscall(ENTER, self._descriptor, 1, 1, GET_EVENTS, None, 0) == 1
        (head,) = struct.unpack_from("I", self._told, self._done["head"])
        (mask,) = struct.unpack_from("I", self._told, self._done["mask"])
        _, result, _ = struct.unpack_from("QiI", self._told, self._results + COMPLETION_BYTES * (head & mask))
        struct.pack_into("I", self._told, self._done["head"], head + 1)
        assert result == len(buffer), os.strerror(-result) if result < 0 else result

    def close(self) -> None:
        """Give everything back."""
        for one in (self._asked, self._told, self._entries):
            one.close()
        os.close(self._descriptor)


@contextmanager
def ring() -> Iterator[Ring]:
    """Make an io_uring as long as the block lasts. Raises OSError where the kernel allows none."""
    told = ctypes.create_string_buffer(120)
    descriptor = libc.syscall(SETUP, 4, told)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    one = Ring(descriptor, told.raw)
    try:
        yield one
    finally:
        one.close()


WHOLE: tuple[Case, ...] = (preadv2_and_pwritev2, received_message, zero_copy)
WITH_GAPS: tuple[Case, ...] = (received_messages, spliced_out, by_io_uring)
