"""One direction split to frames: as a table of frame headers, and whole conversations through the connection."""

import random
import struct

import pytest

from collector.connection import Connection
from collector.frames import is_legal
from collector.message import Ended, HeaderState, Limits
from tests.traffic import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    settings,
)

GET = b"\x82\x86\x84\x41\x01a"  # :method GET, :scheme http, :path /, :authority a


@pytest.mark.parametrize(
    ("kind", "flags", "length", "stream", "legal"),
    [
        (DATA, 0, 0, 1, True),
        (DATA, 0, 5, 0, False),
        (DATA, 8, 0, 1, False),
        (HEADERS, 4, 5, 0, False),
        (HEADERS, 12, 0, 1, False),
        (PRIORITY, 0, 5, 0, False),
        (RST_STREAM, 0, 4, 1, True),
        (RST_STREAM, 0, 5, 1, False),
        (RST_STREAM, 0, 4, 0, False),
        (SETTINGS, 0, 12, 0, True),
        (SETTINGS, 0, 13, 0, False),
        (SETTINGS, 1, 6, 0, False),
        (SETTINGS, 0, 6, 1, False),
        (PUSH_PROMISE, 4, 3, 1, False),
        (PING, 0, 8, 0, True),
        (PING, 0, 8, 1, False),
        (PING, 0, 7, 0, False),
        (GOAWAY, 0, 7, 0, False),
        (WINDOW_UPDATE, 0, 4, 0, True),
        (WINDOW_UPDATE, 0, 3, 0, False),
        (CONTINUATION, 0, 0, 0, False),
        (77, 255, 99, 5, True),
    ],
)
def test_what_RFC_9113_allows(kind: int, flags: int, length: int, stream: int, legal: bool) -> None:  # noqa: N802
    assert is_legal(kind, flags, length, stream) == legal


def requests(octets: bytes, size: int = 1 << 20, limits: Limits | None = None) -> tuple[list, dict[str, int]]:
    """Return the requests of a client that sends these octets behind its preface, and what was counted as lost."""
    connection = Connection(limits or Limits(), True)
    octets = PREFACE + octets
    for at in range(0, len(octets), size):
        connection.feed(True, octets[at : at + size], at)
    connection.close(len(octets))
    return [m for m in connection.take() if not m.half], connection.counters.by_reason


WHOLE = {
    "plain": frame(HEADERS, 5, 1, GET),
    "padded": frame(HEADERS, 13, 1, b"\x03" + GET + bytes(3)),
    "with priority": frame(HEADERS, 37, 1, bytes(5) + GET),
    "padded, with priority": frame(HEADERS, 45, 1, b"\x02" + bytes(5) + GET + bytes(2)),
    "continued": frame(HEADERS, 1, 1, GET[:2])
    + frame(CONTINUATION, 0, 1, GET[2:5])
    + frame(CONTINUATION, 4, 1, GET[5:]),
    "continued by empty frames": frame(HEADERS, 1, 1) + frame(CONTINUATION, 0, 1) * 9 + frame(CONTINUATION, 4, 1, GET),
    "after frames of unknown type": frame(99, 3, 7, b"x" * 30) + frame(HEADERS, 5, 1, GET),
    "after an extension frame": frame(16, 0, 0, bytes(4)) + frame(HEADERS, 5, 1, GET),
}


@pytest.mark.parametrize("octets", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("size", [1, 2, 9, 10, 1000])
def test_a_request_is_read_however_it_is_framed_and_cut(octets: bytes, size: int) -> None:
    (request,), loss = requests(octets, size)
    assert (request.ended, request.header_state, loss) == (Ended.COMPLETE, HeaderState.EXACT, {})
    assert request.headers == [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]


@pytest.mark.parametrize("size", [1, 7, 300, 1 << 20])
def test_a_body_is_counted_without_its_padding(size: int) -> None:
    body = bytes(range(256)) * 3
    octets = frame(HEADERS, 4, 1, GET)
    for at in range(0, len(body), 100):
        octets += frame(DATA, 8, 1, b"\x09" + body[at : at + 100] + bytes(9))
    octets += frame(DATA, 9, 1, b"\xff" + bytes(255))
    (request,), loss = requests(octets, size)
    assert (request.body, request.body_bytes, request.ended, loss) == (body, len(body), Ended.COMPLETE, {})


BROKEN = {
    "DATA on stream 0": frame(DATA, 0, 0, b"x"),
    "more padding than DATA": frame(DATA, 8, 1, b"\x05abc"),
    "another frame between the frames of a block": frame(HEADERS, 0, 1, GET) + frame(PING, 0, 0, bytes(8)),
    "a block continued on another stream": frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 4, 3, GET),
    "SETTINGS of a wrong length": frame(SETTINGS, 0, 0, bytes(5)),
    "a frame above any size": struct.pack(">IB", 0xFFFFFF01, 0)[0:3] + b"\x01\x04\x00\x00\x00\x01",
    "HTTP/1 in the middle": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_what_is_no_frame_is_counted_and_the_next_frames_are_found(octets: bytes, size: int) -> None:
    after = b"".join(frame(HEADERS, 5, stream, GET) for stream in range(3, 13, 2))
    found, loss = requests(frame(HEADERS, 4, 1, GET) + octets + after, size)
    assert loss["broken_framing"] == 1
    assert found[0].ended is not Ended.COMPLETE
    assert [m.stream_id for m in found if m.ended is Ended.COMPLETE][-3:] == [7, 9, 11]


MALFORMED = {
    "more padding than block": frame(HEADERS, 13, 1, b"\x07" + GET),
    "priority cut off": frame(HEADERS, 37, 1, bytes(4)),
    "an index of no entry": frame(HEADERS, 5, 1, b"\xff\x20"),
    "a string cut off": frame(HEADERS, 5, 1, GET[:-1]),
}


@pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_block_ends_its_request_only(octets: bytes) -> None:
    found, loss = requests(octets + frame(HEADERS, 5, 3, GET))
    assert [(m.stream_id, m.ended) for m in found] == [(1, Ended.MALFORMED), (3, Ended.COMPLETE)]
    assert loss == {"header_blocks_malformed": 1, "messages_malformed": 1}
    assert (found[0].headers, found[0].header_state) == ([], HeaderState.UNKNOWN)
    assert found[0].missing == (":method", ":scheme", ":authority", ":path")


FLOODS = {
    "one large block": frame(HEADERS, 5, 1, b"\x82" * 5000),
    "CONTINUATION without end": frame(HEADERS, 1, 1, GET)
    + frame(CONTINUATION, 0, 1, b"\x82" * 90) * 200
    + frame(CONTINUATION, 4, 1),
    "empty CONTINUATION": frame(HEADERS, 1, 1, b"\x82" * 1000)
    + frame(CONTINUATION, 0, 1) * 3000
    + frame(CONTINUATION, 4, 1, b"\x82"),
}


@pytest.mark.parametrize("octets", FLOODS.values(), ids=FLOODS.keys())
def test_a_block_above_the_bound_is_passed_over(octets: bytes) -> None:
    found, loss = requests(octets + frame(HEADERS, 5, 3, GET), 1000, Limits(max_header_bytes=1000))
    assert [(m.stream_id, m.ended) for m in found] == [(1, Ended.COMPLETE), (3, Ended.COMPLETE)]
    assert (found[0].headers, found[0].header_state) == ([], HeaderState.UNKNOWN)
    assert found[0].header_bytes >= 1000
    assert loss == {"header_blocks_too_large": 1}


def test_a_gap_inside_a_body_costs_that_body_only() -> None:
    connection = Connection(Limits(), True)
    connection.feed(True, PREFACE + frame(HEADERS, 4, 1, GET) + frame(DATA, 1, 1, bytes(1000))[:109], 1)
    connection.gap(True, 700, 2)
    connection.feed(True, bytes(200) + frame(HEADERS, 5, 3, GET), 3)
    first, second = connection.take()
    assert (first.ended, first.body, first.body_bytes) == (Ended.GAP, bytes(100), 1000)
    assert (second.ended, second.header_state) == (Ended.COMPLETE, HeaderState.EXACT)
    assert connection.counters.by_reason == {"gaps_in_frame": 1}


@pytest.mark.parametrize("lost", [1, 4, 6])
def test_a_gap_inside_a_header_block_costs_that_block_and_the_table(lost: int) -> None:
    block = GET[:3] + b"\x41\x0aauthority!"  # with indexing: the next block refers to it
    head = frame(HEADERS, 5, 1, block)
    connection = Connection(Limits(), True)
    connection.feed(True, PREFACE + head[:12], 1)
    connection.gap(True, lost, 2)
    connection.feed(True, head[12 + lost :] + frame(HEADERS, 5, 3, GET[:3] + b"\xbe") + frame(HEADERS, 5, 5, block), 3)
    first, second, third = connection.take()
    assert (first.ended, first.headers, first.header_state) == (Ended.GAP, [], HeaderState.UNKNOWN)
    assert second.headers[3] == (None, None)
    assert (second.header_state, second.missing) == (HeaderState.PARTIAL, (":authority",))
    assert third.header_state is HeaderState.EXACT
    assert connection.counters.by_reason == {"gaps_in_frame": 1, "header_blocks_lost": 1}


def test_settings_allow_larger_frames_to_the_other_side() -> None:
    large = frame(DATA, 1, 1, bytes(1 << 21))
    connection = Connection(Limits(), True)
    connection.feed(True, PREFACE + frame(HEADERS, 4, 1, GET), 1)
    connection.feed(False, settings((5, 1 << 22)), 2)
    connection.feed(True, large, 3)
    (request,) = connection.take()
    assert (request.body_bytes, connection.counters.by_reason) == (1 << 21, {})


def test_octets_that_are_no_http_2_cost_no_crash() -> None:
    for seed in range(300):
        rnd = random.Random(seed)
        connection = Connection(Limits(), seed % 2 == 0)
        connection.feed(True, PREFACE, 0)
        for time_ns in range(20):
            connection.feed(rnd.random() < 0.5, rnd.randbytes(rnd.randrange(1, 400)), time_ns)
        connection.close(99)
        connection.take()
