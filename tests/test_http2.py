"""Streams to messages, told as conversations: who speaks, what is sent, what comes out and how it ended."""

import struct

import hpack
import pytest

from collector.connection import Connection
from collector.message import Ended, Half, HeaderState, Limits
from tests.traffic import (
    DATA,
    GOAWAY,
    HEADERS,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    settings,
)

Told = tuple[int, str, str]  # stream, half, how it ended


class Talk:
    """A conversation in which each end has a real encoder."""

    def __init__(self, limits: Limits | None = None, from_start: bool = True) -> None:
        self.connection = Connection(limits or Limits(), from_start)
        self._encoders = {True: hpack.Encoder(), False: hpack.Encoder()}
        self._time_ns = 0
        self.seen: list = []
        if from_start:
            self.client(PREFACE + settings())

    def client(self, octets: bytes) -> None:
        self._send(True, octets)

    def server(self, octets: bytes) -> None:
        self._send(False, octets)

    def _send(self, from_client: bool, octets: bytes) -> None:
        self._time_ns += 1000
        self.connection.feed(from_client, octets, self._time_ns)

    def lose(self, from_client: bool, length: int = 0) -> None:
        self._time_ns += 1000
        self.connection.gap(from_client, length, self._time_ns)

    def request(self, stream: int, end: bool = True, path: bytes = b"/a", method: bytes = b"POST") -> bytes:
        fields = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"nf")]
        return frame(HEADERS, 4 + end, stream, self._encoders[True].encode(fields))

    def response(self, stream: int, end: bool = True, status: bytes = b"200", *more: tuple[bytes, bytes]) -> bytes:
        return frame(HEADERS, 4 + end, stream, self._encoders[False].encode([(b":status", status), *more]))

    def block(self, from_client: bool, *fields: tuple[bytes, bytes]) -> bytes:
        return bytes(self._encoders[from_client].encode(fields))

    def close(self) -> None:
        self.connection.close(self._time_ns + 1000)

    def told(self) -> list[Told]:
        fresh = self.connection.take()
        self.seen += fresh
        return [(m.stream_id, m.half.name.lower(), m.ended.name.lower()) for m in fresh]


def reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def goaway(last: int) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, 0))


def test_a_request_and_its_response() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + frame(DATA, 0, 1, b"ab"))
    talk.client(frame(DATA, 1, 1, b"cd"))
    assert talk.told() == [(1, "request", "complete")]
    talk.server(settings() + talk.response(1, False, b"201", (b"location", b"/a/1")))
    talk.server(frame(DATA, 1, 1, b"efg"))
    assert talk.told() == [(1, "response", "complete")]
    request, response = talk.seen
    assert (request.body, request.body_bytes, request.http_version) == (b"abcd", 4, "h2")
    assert (request.first_byte_ns, request.headers_ns, request.last_byte_ns) == (2000, 2000, 3000)
    assert (response.body, response.first_byte_ns, response.last_byte_ns) == (b"efg", 4000, 5000)
    assert response.headers == [(b":status", b"201"), (b"location", b"/a/1")]
    assert (response.request.headers, response.request.body, response.request.body_bytes) == (request.headers, b"", 4)
    assert talk.connection.counters.by_reason == {}


def test_streams_interleave() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + talk.request(3) + talk.request(5, end=False))
    talk.server(talk.response(5) + talk.response(3, end=False))
    talk.client(frame(DATA, 1, 5, b"5") + frame(DATA, 1, 1, b"1"))
    talk.server(talk.response(1) + frame(DATA, 1, 3, b"3"))
    assert sorted(talk.told()) == sorted(
        (stream, half, "complete") for stream in (1, 3, 5) for half in ("request", "response")
    )
    assert talk.connection.oldest_open_ns is None


def test_trailers_and_interim_responses() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + frame(DATA, 0, 1, b"x"))
    talk.client(frame(HEADERS, 5, 1, talk.block(True, (b"x-checksum", b"1"))))
    talk.server(talk.response(1, False, b"100") + talk.response(1, False, b"103", (b"link", b"</a>")))
    talk.server(talk.response(1, False, b"200") + frame(HEADERS, 5, 1, talk.block(False, (b"grpc-status", b"0"))))
    assert talk.told() == [(1, "request", "complete"), (1, "response", "complete")]
    request, response = talk.seen
    assert (response.headers, response.first_byte_ns) == ([(b":status", b"200")], 4000)
    assert (request.trailers, response.trailers) == ([], [])  # nobody reads such fields
    assert request.header_state is response.header_state is HeaderState.EXACT


@pytest.mark.parametrize("who", [True, False])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("none", [(1, "response", "reset")]),
        ("head", [(1, "response", "reset")]),
        ("whole", []),
    ],
)
def test_a_reset_ends_what_is_open_and_answers_what_is_not_answered(who: bool, answer: str, told: list[Told]) -> None:
    talk = Talk()
    talk.client(talk.request(1))
    if answer != "none":
        talk.server(talk.response(1, end=answer == "whole"))
    talk.told()
    (talk.client if who else talk.server)(reset(1))
    talk.server(frame(DATA, 1, 1, b"late") if answer == "head" else b"")
    assert [one for one in talk.told() if one[1:] != ("response", "complete")] == told
    if answer == "none":
        assert talk.seen[-1].missing == (":status",)
        assert talk.seen[-1].headers == []


def test_an_answer_that_comes_twice_behind_a_hole_is_told_once() -> None:
    """A fault of its sender; which streams are over cannot be told by the order of ids behind a hole."""
    talk = Talk()
    talk.client(talk.request(1))
    talk.lose(True)
    talk.server(talk.response(1) + talk.response(1))
    assert talk.told() == [(1, "request", "complete"), (1, "response", "complete")]


def test_a_request_reset_in_its_body_has_no_answer() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + frame(DATA, 0, 1, b"x"))
    talk.client(reset(1) + talk.request(3))
    talk.server(talk.response(1) + talk.response(3))
    assert talk.told() == [(1, "request", "reset"), (3, "request", "complete"), (3, "response", "complete")]
    assert (talk.connection.traffic.by_reason, talk.connection.counters.by_reason) == ({"late_frames": 1}, {})


def test_goaway_ends_what_the_server_will_not_process() -> None:
    talk = Talk()
    talk.client(talk.request(1) + talk.request(3) + talk.request(5, end=False))
    talk.server(goaway(1))
    assert talk.told() == [
        (1, "request", "complete"),
        (3, "request", "complete"),
        (3, "response", "goaway"),
        (5, "request", "goaway"),
    ]
    talk.client(talk.request(7))
    talk.server(talk.response(1))
    assert talk.told() == [(7, "request", "complete"), (7, "response", "goaway"), (1, "response", "complete")]


def test_the_end_of_the_connection_ends_all() -> None:
    talk = Talk()
    talk.client(talk.request(1) + talk.request(3, end=False) + talk.request(5))
    talk.server(talk.response(5, end=False))
    talk.close()
    assert talk.told() == [
        (1, "request", "complete"),
        (5, "request", "complete"),
        (1, "response", "closed"),
        (3, "request", "closed"),
        (5, "response", "closed"),
    ]


def test_an_answer_that_may_have_been_lost_is_a_gap_not_a_closed_stream() -> None:
    talk = Talk()
    talk.client(talk.request(1))
    talk.server(settings())
    talk.lose(False)
    talk.client(talk.request(3))
    talk.server(
        frame(WINDOW_UPDATE, 0, 0, bytes(4)) + talk.response(3, False, b"200") + frame(DATA, 0, 3, b"x" * 9) * 9
    )
    talk.close()
    ended = {(stream, half): how for stream, half, how in talk.told()}
    assert ended[1, "response"] == "gap"
    assert ended[3, "response"] == "closed"


def test_a_push_is_a_request_by_the_server() -> None:
    talk = Talk()
    talk.client(talk.request(1))
    promise = struct.pack(">I", 2) + talk.block(False, (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/p"))
    talk.server(frame(PUSH_PROMISE, 4, 1, promise) + talk.response(1) + talk.response(2))
    assert talk.told() == [
        (1, "request", "complete"),
        (2, "request", "complete"),
        (1, "response", "complete"),
        (2, "response", "complete"),
    ]
    assert talk.seen[3].request is talk.seen[1]


def test_a_tunnel_is_left_alone() -> None:
    talk = Talk()
    connect = talk.block(True, (b":method", b"CONNECT"), (b":authority", b"nf:80"))
    talk.client(frame(HEADERS, 4, 1, connect))
    talk.server(talk.response(1, end=False))
    talk.client(frame(DATA, 0, 1, b"anything"))
    talk.server(frame(DATA, 0, 1, b"whatever") + frame(DATA, 1, 1))
    talk.client(frame(DATA, 1, 1))
    assert talk.told() == [(1, "request", "complete"), (1, "response", "complete")]
    assert talk.connection.traffic.by_reason["tunnel_bytes"] == 16
    talk.close()
    assert talk.told() == []


def test_frames_against_the_state_end_their_half() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + talk.request(1, end=False) + talk.request(3))
    talk.server(talk.response(3, False, b"103") + frame(DATA, 0, 3, b"body of what?"))
    assert talk.told() == [(1, "request", "malformed"), (3, "request", "complete"), (3, "response", "malformed")]
    assert talk.connection.counters.by_reason == {"messages_malformed": 2}


def test_the_status_decides_between_interim_and_final() -> None:
    talk = Talk()
    talk.client(talk.request(1) + talk.request(3))
    talk.server(talk.response(1, False, b"299") + talk.response(3, False, b"404"))
    talk.server(frame(HEADERS, 5, 1, talk.block(False, (b"x", b"y"))))
    assert talk.told()[-1] == (1, "response", "complete")
    assert talk.seen[-1].trailers == []


def test_joined_late_the_fields_of_the_table_are_unknown_then_exact() -> None:
    early, talk = Talk(), Talk(from_start=False)
    talk._encoders = early._encoders
    early.client(early.request(1, path=b"/before"))
    for stream in (3, 5, 7):
        talk.client(talk.request(stream, path=b"/a/%d" % stream))
        talk.server(talk.response(stream, True, b"404", (b"location", b"/l/%d" % stream)))
    talk.close()
    told = {(m.stream_id, m.half): m for m in (talk.told(), talk.seen)[1]}
    first, second = told[3, Half.REQUEST], told[5, Half.REQUEST]
    assert (None, None) in first.headers
    assert (first.header_state, first.missing, len(first.unknown)) == (HeaderState.PARTIAL, (":authority",), 1)
    assert first.unknown[0][1] == second.unknown[0][1]
    assert {dict(m.headers).get(b":path") for m in told.values() if not m.half} == {b"/a/3", b"/a/5", b"/a/7"}
    assert told[7, Half.RESPONSE].header_state is HeaderState.EXACT


def test_who_is_the_client_is_told_by_content() -> None:
    talk = Talk(from_start=False)
    early = Talk()
    talk._encoders = early._encoders
    for stream in (1, 3, 5):
        talk.server(talk.request(stream))
        talk.client(talk.response(stream, False, b"404") + frame(DATA, 1, stream, b"x"))
    assert talk.connection.swapped
    assert {(stream, half) for stream, half, _ in talk.told()} >= {(5, "request"), (5, "response")}
    assert all((b":method" in dict(m.headers)) == (m.half is Half.REQUEST) for m in talk.seen if m.headers)


def test_more_streams_than_the_bound_evict_the_oldest() -> None:
    talk = Talk(Limits(max_streams=3))
    for stream in (1, 3, 5, 7, 9):
        talk.client(talk.request(stream, end=False))
    assert talk.told() == [(1, "request", "evicted"), (3, "request", "evicted")]
    assert talk.connection.counters.by_reason == {"streams_evicted": 2}
    talk.client(frame(DATA, 1, 3, b"late"))
    assert talk.told() == [(5, "request", "evicted")]  # for the late frame's stream is open again, awaiting its answer


def test_an_answer_that_comes_after_the_bound_was_reached_is_still_told() -> None:
    talk = Talk(Limits(max_streams=3))
    talk.client(b"".join(talk.request(stream) for stream in (1, 3, 5, 7)))
    talk.server(talk.response(1, True, b"504"))
    assert talk.told()[-1] == (1, "response", "complete")
    assert talk.seen[-1].request is None
    assert talk.connection.counters.by_reason == {}
    assert talk.connection.traffic.by_reason == {"answers_not_awaited": 2}  # the late answer takes a place, too


def test_bodies_and_fields_are_bounded_over_all_streams() -> None:
    talk = Talk(Limits(max_open_bytes=20_000, body_bytes=16_000))
    for stream in range(1, 41, 2):
        talk.client(talk.request(stream, end=False, path=b"/" + b"p" * 2000) + frame(DATA, 0, stream, bytes(3000)))
    talk.close()
    told = talk.told()
    assert len(told) == 20
    assert talk.connection.counters.by_reason["streams_evicted"] > 10
    assert sum(len(m.body) for m in talk.seen) <= 20_000 + 20 * 3000


def test_a_header_list_is_cut_at_its_bound() -> None:
    talk = Talk(Limits(max_header_bytes=1000))
    big = talk.block(True, (b"via", b"v" * 900))
    talk.client(frame(HEADERS, 4, 1, big))
    talk.client(frame(HEADERS, 5, 3, b"\x82\x86" + b"\xbe" * 900))
    talk.told()
    assert len(talk.seen[-1].headers) < 10
    assert talk.seen[-1].header_state is HeaderState.PARTIAL
    assert talk.connection.counters.by_reason["header_fields_cut"] == 902 - len(talk.seen[-1].headers)


def test_a_storm_of_settings_changes_nothing() -> None:
    talk = Talk()
    talk.server(settings(*((1, number) for number in range(1000))) * 50)
    talk.client(frame(SETTINGS, 1, 0) * 500 + talk.request(1) + talk.request(3))
    assert [one[2] for one in talk.told()] == ["complete"] * 2
    assert talk.connection.counters.by_reason == {}


def test_a_half_that_waits_too_long_times_out_and_its_late_frames_are_no_message() -> None:
    talk = Talk()
    talk.client(talk.request(1, end=False) + frame(DATA, 0, 1, b"x"))
    talk.connection.expire(10_000)
    assert talk.told() == [(1, "request", "timeout")]
    assert talk.connection.oldest_open_ns is None
    talk.client(frame(DATA, 1, 1, b"y"))
    talk.server(talk.response(1))
    assert talk.told() == [(1, "response", "complete")]


@pytest.mark.parametrize("table_bytes", [0, 100, 4096, 65_536])
def test_the_table_is_as_large_as_the_other_end_allows(table_bytes: int) -> None:
    talk = Talk()
    talk.server(settings((1, table_bytes)))
    talk._encoders[True].header_table_size = table_bytes
    for stream in range(1, 201, 2):
        talk.client(talk.request(stream, path=b"/%d" % (stream % 90)))
    told = talk.told()
    assert [m.headers[2] for m in talk.seen] == [(b":path", b"/%d" % (stream % 90)) for stream, *_ in told]
    assert {m.header_state for m in talk.seen} == {HeaderState.EXACT}
    assert {m.ended for m in talk.seen} == {Ended.COMPLETE}


def test_the_servers_octets_may_come_first() -> None:
    talk = Talk(from_start=False)
    talk.connection = Connection(Limits(), True)
    for octet in settings((1, 4096), (3, 100)) + frame(SETTINGS, 1, 0):
        talk.server(bytes((octet,)))
    talk.client(PREFACE + settings() + talk.request(1))
    talk.server(talk.response(1))
    assert talk.told() == [(1, "request", "complete"), (1, "response", "complete")]
    assert talk.connection.counters.by_reason == {}
