"""A ring too small: what was sent is what was captured and what was lost, by TCP position; and nothing leaks."""

import ctypes
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.loading import Loading
from collector.probes import Probes
from collector.record import HEAD, Head, Kind, ending_of, head_of
from collector.window import MAPS, Window
from tests.kernel import LIVE
from tests.live_peers import PREFACE, pattern, receive

pytestmark = LIVE
HOOKS = ("sock", "fexit", "kprobe", "syscall")
SMALLEST_RING = 65_536
SIZES = (101, 1_009, 4_099, 20_011)  # of calls: each class of records, and several of the largest for one call
CALLS, CALLS_AFTER = 89, 7
CYCLES = 100 if os.environ.get("SBISCOPE_LONG") else 2
SYS_BPF, MAP_GET_FD_BY_ID = 321, 14
GONE_S = 5.0

Records = list[bytes]


class Stream:
    """One direction of one end: the pieces that records brought, by position."""

    def __init__(self, first: Head) -> None:
        self.is_sent_by_client = (first.role == 1) == (first.direction == 0)
        self.pieces: list[tuple[int, bytes]] = []

    def gaps(self, whole: bytes) -> list[tuple[int, int]]:
        """Return what no record brought of `whole`; every piece must stand in it, in order, none twice."""
        missing, at = [], 0
        for position, piece in self.pieces:
            assert position >= at
            assert piece == whole[position : position + len(piece)]
            if position > at:
                missing.append((at, position - at))
            at = position + len(piece)
        return [*missing, (at, len(whole) - at)] if at < len(whole) else missing


def drained(window: Window) -> Records:
    """Return what is in the ring, and tell the kernel side that there is room again."""
    records: Records = []
    chunks = window.chunks
    while taken := window.ring.read(256):
        records += taken
    window.have_read(chunks)
    return records


def exchanged(client: socket.socket, server: socket.socket, calls: int) -> bytes:
    sent = b""
    for number in range(calls):
        piece = pattern(SIZES[number % len(SIZES)], number + len(sent))
        client.sendall(piece)
        assert receive(server, len(piece)) == piece
        sent += piece
    return sent


def streams(records: Records) -> dict[tuple[int, int], Stream]:
    """Gather the data of each socket and direction."""
    found: dict[tuple[int, int], Stream] = {}
    for record in records:
        head = head_of(record)
        if head.kind == Kind.DATA:
            stream = found.setdefault((head.key, head.direction), Stream(head))
            stream.pieces.append((head.position, record[HEAD.size :]))
            assert len(record) == HEAD.size + head.length
    return found


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_what_was_sent_is_what_was_captured_and_what_was_lost(listener: socket.socket) -> None:
    """Nobody reads the ring while 89 calls go through; then it is read, and 7 more calls find room."""
    probes = Probes(Loading(HOOKS, SMALLEST_RING, (listener.getsockname()[1],)))
    window = probes.window()
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        client.sendall(PREFACE)
        receive(server, len(PREFACE))
        whole = PREFACE + exchanged(client, server, CALLS)
        records = drained(window)
        for _ in range(CALLS_AFTER):
            whole += exchanged(client, server, 1)
            records += drained(window)
    records += drained(window)
    counts = window.counts()
    probes.close()
    ends = streams(records)
    assert sorted(stream.is_sent_by_client for stream in ends.values()) == [True, True]
    gaps = [gap for stream in ends.values() for gap in stream.gaps(whole)]
    captured = sum(len(piece) for stream in ends.values() for _, piece in stream.pieces)
    assert counts["ring_full_bytes"] == sum(length for _, length in gaps) > 0
    assert captured + counts["ring_full_bytes"] == 2 * len(whole)
    assert sum(counts[f"ring_full_{size}"] for size in ("small", "medium", "large", "chunk")) > 0
    endings = {head_of(one).key: ending_of(one) for one in records if head_of(one).kind == Kind.CLOSED}
    assert sorted((end.sent, end.received) for end in endings.values()) == [(0, len(whole)), (len(whole), 0)]


def test_started_and_ended_again_and_again_nothing_is_left() -> None:
    """100 times with SBISCOPE_LONG: descriptors, mappings, and the kernel's own objects."""
    Probes(Loading(HOOKS, SMALLEST_RING)).close()
    before = opened()
    for _ in range(CYCLES):
        probes = Probes(Loading(HOOKS, SMALLEST_RING))
        maps = {map_number(probes.maps[name]) for name in MAPS}
        probes.window()
        probes.close()
        assert gone(maps)
        assert opened() == before


def opened() -> tuple[int, int, int]:
    """Return how many descriptors, maps of the kernel in memory, and children this process has."""
    own = Path("/proc/self")
    children = (own / f"task/{os.getpid()}/children").read_text().split()
    return len(list((own / "fd").iterdir())), (own / "maps").read_text().count("bpf-map"), len(children)


def map_number(descriptor: int) -> int:
    """Return the number that the kernel has given a map."""
    found = re.search(r"map_id:\s*(\d+)", Path(f"/proc/self/fdinfo/{descriptor}").read_text())
    assert found is not None
    return int(found[1])


def gone(maps: set[int]) -> bool:
    """Wait until the kernel has none of the maps: they go after a grace period."""
    until = time.monotonic() + GONE_S
    while any(map(exists, maps)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(exists, maps))


def exists(number: int) -> bool:
    attribute = (ctypes.c_uint32 * 32)(number)
    descriptor = ctypes.CDLL(None).syscall(SYS_BPF, MAP_GET_FD_BY_ID, ctypes.byref(attribute), 128)
    if descriptor >= 0:
        os.close(descriptor)
    return bool(descriptor >= 0)
