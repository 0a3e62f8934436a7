"""HTTP/1.1 by an observer: what h11 writes is told exactly, whole, cut anywhere, with holes, joined late; tables."""

import random
from itertools import groupby

import h2.config
import h2.connection
import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import reasons
from collector.connection import Connection, Protocol
from collector.http1 import Http1
from collector.http1_pairing import Exchanges
from collector.http1_state import TABLE, Effect, Input, State
from collector.message import Counters, Half, HeaderState, Limits
from collector.selection import EVERYTHING
from tests.http1_traffic import Talk, talk
from tests.observing import Event, lose, observe, summary

POST = b"POST /nausf-auth/v1/ue-authentications HTTP/1.1\r\nHost: ausf.5gc:80\r\nContent-Length: 2\r\n\r\n{}"
CREATED = b"HTTP/1.1 201 Created\r\nLocation: /x/1\r\nContent-Length: 4\r\n\r\nabcd"
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
TO_SERVER, TO_CLIENT = True, False


def chop(written: list[Event], rnd: random.Random, longest: int) -> list[Event]:
    """Join what one end wrote in a row and cut it to chunks of 1 to `longest` octets."""
    events: list[Event] = []
    for side, group in groupby(written, key=lambda sent: sent[0]):
        rest = b"".join(data for _, data in group)
        while rest:
            size = rnd.randint(1, longest)
            events.append((side, rest[:size]))
            rest = rest[size:]
    return events


def gist(messages: list) -> list[tuple]:
    """Return stream, half, what the start line says, body and end of each message, in order of ending."""
    return [
        (
            m.stream_id,
            m.half.name[:3],
            b" ".join(value for name, value in m.headers if name in (b":method", b":path", b":status")).decode(),
            m.body.decode(),
            m.ended.name,
        )
        for m in messages
    ]


def told(*events: Event, from_start: bool = True, limits: Limits | None = None) -> list[tuple]:
    """Return the gist of what is told of a conversation."""
    return gist(observe(list(events), from_start, limits)[1])


# True traffic.


def check_whole(made: Talk, messages: list) -> None:
    """A conversation seen whole is told exactly, and each answer with its request."""
    by_half = {(m.stream_id, int(m.half)): m for m in messages}
    assert len(by_half) == len(messages)
    assert by_half.keys() == made.truth.keys()
    for (stream, half), said in made.truth.items():
        message = by_half[stream, half]
        assert (message.headers, message.body, message.trailers) == (said.headers, said.body, said.trailers)
        assert (message.body_bytes, message.ended.name) == (len(said.body), "COMPLETE")
        assert (message.header_state, message.missing, message.http_version) == (HeaderState.EXACT, (), "http1")
        if half:
            assert message.request is not None
            assert message.request.headers == made.truth[stream, 0].headers


def check_partly(made: Talk, messages: list) -> None:
    """Whatever is told of a conversation seen in part is true; every half ends once."""
    truth = {(half, tuple(said.headers)): said for (_, half), said in made.truth.items()}
    keys = [(m.stream_id, m.half) for m in messages]
    assert len(set(keys)) == len(keys)
    for message in messages:
        if message.header_state is not HeaderState.EXACT or message.headers == [(b":status", b"100")]:
            continue
        said = truth[int(message.half), tuple(message.headers)]
        if message.ended.name == "COMPLETE":
            assert (message.body, message.trailers) == (said.body, said.trailers)
        if message.request is not None and message.request.header_state is HeaderState.EXACT and not made.pipelined:
            assert dict(message.headers)[b"x-number"] == dict(message.request.headers)[b"x-number"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from((1, 2, 7, 60, 1000)))
def test_what_h11_writes_is_told_exactly_however_it_is_cut(seed: int, pipelined: bool, longest: int) -> None:
    made = talk(seed, 5, pipelined)
    _, messages = observe(made.written)
    check_whole(made, messages)
    connection, cut = observe(chop(made.written, random.Random(seed), longest))
    assert summary(cut) == summary(messages)
    assert connection.counters.by_reason == {}


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
def test_holes_and_late_joins_never_give_a_wrong_field(seed: int, pipelined: bool, cut: bool, late: bool) -> None:
    rnd = random.Random(seed)
    made = talk(seed, 7, pipelined)
    events = chop(made.written, rnd, 60) if cut else list(made.written)
    events = lose(events, rnd, 0.1)
    if late:
        events = events[rnd.randrange(len(events)) :]
    _, messages = observe(events, from_start=not late)
    check_partly(made, messages)


def test_joined_at_each_octet() -> None:
    made = talk(3, 5)
    whole = b"".join(data for _, data in made.written)
    for first in range(0, len(whole), 3):
        events, left = [], first
        for side, data in made.written:
            if left < len(data):
                events.append((side, data[left:]))
            left = max(0, left - len(data))
        check_partly(made, observe(events, from_start=False)[1])


def test_what_follows_a_late_join_and_a_hole_is_paired_again() -> None:
    made = talk(11, 23)
    turns = [index for index, (side, _) in enumerate(made.written) if side and not made.written[index - 1][0]]
    events: list[Event] = made.written[turns[4] + 1 :]
    _, messages = observe(events, from_start=False)
    check_partly(made, messages)
    paired = [m for m in messages if m.half is Half.RESPONSE and m.request is not None and m.headers]
    assert len(paired) >= 17  # of 18 whose request begins after the join


# Tables.


@pytest.mark.parametrize(
    ("answer", "body", "ended"),
    [
        pytest.param(OK + b"Content-Length: 5\r\n\r\nhello", "hello", "COMPLETE", id="content-length"),
        pytest.param(OK + b"Content-Length: 5, 5\r\n\r\nhello", "hello", "COMPLETE", id="the same length twice"),
        pytest.param(OK + b"content-length:0\r\n\r\n", "", "COMPLETE", id="empty"),
        pytest.param(OK + b"\r\nto the end", "to the end", "COMPLETE", id="until the connection ends"),
        pytest.param(OK + b"Content-Length: 9\r\n\r\nhello", "hello", "CLOSED", id="cut short"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc", "COMPLETE", id="chunked"),
        pytest.param(
            OK + b'Transfer-Encoding: chunked\r\n\r\n03;a="b";c\r\nabc\r\nA\r\n0123456789\r\n0;x\r\nT: u\r\n\r\n',
            "abc0123456789",
            "COMPLETE",
            id="chunk extensions, trailers",
        ),
        pytest.param(
            OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n", "z", "COMPLETE", id="two codings"
        ),
        pytest.param(
            OK + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
            "z",
            "COMPLETE",
            id="chunked goes before a length (RFC 9112 6.3, rule 3)",
        ),
        pytest.param(OK + b"Transfer-Encoding: gzip\r\n\r\nrest", "rest", "COMPLETE", id="coded until the end"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc", "CLOSED", id="chunked, cut between chunks"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nold", "old", "COMPLETE", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", "COMPLETE", id="no reason phrase"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", "COMPLETE", id="bare line feeds (2.2)"),
        pytest.param(OK + b"X: a\r\n  b\r\nContent-Length: 2\r\n\r\nok", "ok", "COMPLETE", id="folded line (5.2)"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            + OK
            + b"Content-Length: 2\r\n\r\nok",
            "ok",
            "COMPLETE",
            id="interim responses",
        ),
        pytest.param(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nok", "", "MALFORMED", id="two lengths"),
        pytest.param(OK + b"Content-Length: -1\r\n\r\nok", "", "MALFORMED", id="negative length"),
        pytest.param(OK + b"Content-Length: 1e3\r\n\r\nok", "", "MALFORMED", id="no number"),
        pytest.param(OK + b"no colon\r\n\r\n", "", "MALFORMED", id="no field"),
        pytest.param(OK + b"Space : x\r\n\r\n", "", "MALFORMED", id="space before the colon (5.1)"),
        pytest.param(OK + b" folded first\r\n\r\n", "", "MALFORMED", id="folded line without a field"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "", "MALFORMED", id="no chunk size"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n", "", "MALFORMED", id="negative chunk"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "abc", "MALFORMED", id="no line end behind a chunk"
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\n", "", "MALFORMED", id="chunk beyond reason"
        ),
    ],
)
def test_how_a_body_ends(answer: bytes, body: str, ended: str) -> None:
    expected = [(1, "REQ", "GET /a", "", "COMPLETE"), (1, "RES", "200", body, ended)]
    assert told((TO_SERVER, GET), (TO_CLIENT, answer)) == expected
    single = [(TO_CLIENT, answer[at : at + 1]) for at in range(len(answer))]
    assert told((TO_SERVER, GET), *single) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [
                (TO_SERVER, HEAD),
                (TO_CLIENT, OK + b"Content-Length: 9\r\n\r\n"),
                (TO_SERVER, GET),
                (TO_CLIENT, NO_CONTENT),
            ],
            ["HEAD /a", "200", "GET /a", "204"],
            id="HEAD has no body",
        ),
        pytest.param(
            [(TO_SERVER, GET), (TO_CLIENT, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + NO_CONTENT)],
            ["GET /a", "304", "204"],
            id="304 has no body, an answer nobody asked for",
        ),
        pytest.param(
            [(TO_SERVER, GET + POST + HEAD), (TO_CLIENT, NO_CONTENT + CREATED + OK + b"Content-Length: 9\r\n\r\n")],
            ["GET /a", "POST /nausf-auth/v1/ue-authentications", "HEAD /a", "204", "201", "200"],
            id="pipelined",
        ),
        pytest.param(
            [(TO_SERVER, GET + b"\r\n" + GET), (TO_CLIENT, NO_CONTENT * 2)],
            ["GET /a", "GET /a", "204", "204"],
            id="empty line before a request",
        ),
        pytest.param(
            [(TO_CLIENT, NO_CONTENT), (TO_SERVER, GET)], ["GET /a", "204"], id="the answer is read before its request"
        ),
        pytest.param(
            [(TO_CLIENT, OK + b"Content-Length: 9\r\n\r\n" + NO_CONTENT), (TO_SERVER, HEAD), (TO_SERVER, GET)],
            ["HEAD /a", "200", "GET /a", "204"],
            id="two answers are, one to HEAD",
        ),
        pytest.param(
            [(TO_SERVER, POST[:-1]), (TO_CLIENT, CREATED), (TO_SERVER, POST[-1:])],
            ["201", "POST /nausf-auth/v1/ue-authentications"],
            id="answered before the request is complete",
        ),
    ],
)
def test_the_kth_answer_belongs_to_the_kth_request(events: list[Event], expected: list[str]) -> None:
    messages = told(*events)
    assert [line for _, _, line, _, _ in messages] == expected
    assert {ended for *_, ended in messages} == {"COMPLETE"}
    requests = [stream for stream, half, *_ in messages if half == "REQ"]
    responses = [stream for stream, half, *_ in messages if half == "RES"]
    assert requests == [1, 3, 5][: len(requests)]
    assert responses == [1, 3, 5][: len(responses)]


@pytest.mark.parametrize(
    ("line", "pseudo"),
    [
        (b"GET /a?b=c HTTP/1.1", [(b":method", b"GET"), (b":authority", b"h"), (b":path", b"/a?b=c")]),
        (
            b"GET HTTP://smf:80/a HTTP/1.1",
            [
                (b":method", b"GET"),
                (b":scheme", b"http"),
                (b":authority", b"smf:80"),
                (b":path", b"/a"),
                (b"host", b"h"),
            ],
        ),
        (
            b"GET http://smf?x HTTP/1.1",
            [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"smf"), (b":path", b"/?x"), (b"host", b"h")],
        ),
        (b"OPTIONS * HTTP/1.1", [(b":method", b"OPTIONS"), (b":authority", b"h"), (b":path", b"*")]),
        (b"CONNECT smf:80 HTTP/1.1", [(b":method", b"CONNECT"), (b":authority", b"smf:80"), (b"host", b"h")]),
    ],
)
def test_request_targets_become_pseudo_headers(line: bytes, pseudo: list) -> None:
    _, messages = observe([(TO_SERVER, line + b"\r\nHost: h\r\n\r\n")])
    assert messages[0].headers == pseudo


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [(TO_SERVER, POST), (TO_CLIENT, CREATED[:-3]), (TO_CLIENT, 2), (TO_CLIENT, CREATED[-1:]), (TO_SERVER, GET)],
            [("POST", "COMPLETE"), ("201", "GAP"), ("GET", "COMPLETE"), ("", "CLOSED")],
            id="inside a body of known length: framing goes on",
        ),
        pytest.param(
            [(TO_SERVER, POST), (TO_CLIENT, CREATED[:-3]), (TO_CLIENT, 3), (TO_SERVER, GET), (TO_CLIENT, NO_CONTENT)],
            [("POST", "COMPLETE"), ("201", "GAP"), ("GET", "COMPLETE"), ("204", "COMPLETE")],
            id="up to its end",
        ),
        pytest.param(
            [(TO_SERVER, POST), (TO_CLIENT, CREATED[:-3]), (TO_CLIENT, 99), (TO_SERVER, GET), (TO_CLIENT, CREATED)],
            [("POST", "COMPLETE"), ("201", "GAP"), ("GET", "COMPLETE"), ("201", "COMPLETE")],
            id="beyond its end: the next start line is found",
        ),
        pytest.param(
            [(TO_SERVER, POST[:40]), (TO_SERVER, 5), (TO_SERVER, POST[45:]), (TO_CLIENT, CREATED)],
            [("201", "COMPLETE")],
            id="inside a start line",
        ),
        pytest.param(
            [
                (TO_SERVER, POST[:60]),
                (TO_SERVER, 0),
                (TO_CLIENT, CREATED),
                (TO_SERVER, GET),
                (TO_CLIENT, NO_CONTENT),
            ],
            [("POST", "GAP"), ("201", "COMPLETE"), ("GET", "COMPLETE"), ("204", "COMPLETE")],
            id="inside the fields",
        ),
        pytest.param(
            [(TO_SERVER, GET), (TO_CLIENT, OK + b"\r\nab"), (TO_CLIENT, 0), (TO_CLIENT, b"yz")],
            [("GET", "COMPLETE"), ("200", "GAP")],
            id="in a body without an end of its own",
        ),
        pytest.param(
            [(TO_SERVER, GET), (TO_CLIENT, 30), (TO_SERVER, POST), (TO_CLIENT, CREATED)],
            [("GET", "COMPLETE"), ("", "GAP"), ("POST", "COMPLETE"), ("201", "COMPLETE")],
            id="an answer is missing",
        ),
        pytest.param(
            [
                (TO_SERVER, GET),
                (TO_CLIENT, NO_CONTENT),
                (TO_SERVER, 30),
                (TO_CLIENT, OK + b"Content-Length: 0\r\n\r\n"),
            ],
            [("GET", "COMPLETE"), ("204", "COMPLETE"), ("200", "COMPLETE")],
            id="a request is missing",
        ),
    ],
)
def test_a_hole_costs_what_it_hits(events: list[Event], expected: list[tuple[str, str]]) -> None:
    assert [(line.split(" ")[0], ended) for _, _, line, _, ended in told(*events)] == expected


@pytest.mark.parametrize(
    ("turns", "pairs"),
    [
        pytest.param("R r R r", "0 1", id="in turn"),
        pytest.param("r R r R r", "- 0 1", id="joined between request and answer"),
        pytest.param("R S r R r", "0 1", id="octets of the server missing, the answer is not"),
        pytest.param("R S R r", "1", id="the answer is"),
        pytest.param("R C r r R r", "0 - 1", id="a request is missing"),
        pytest.param("R C S R r", "1", id="both"),
        pytest.param("R R r r R r", "- - 2", id="two wait: not known which is answered"),
        pytest.param("R R r R r R r R r R r R r", "- - - - 5 6", id="believed again after strict turns"),
    ],
)
def test_pairing_out_of_step(turns: str, pairs: str) -> None:
    exchanges = Exchanges(False, Limits())
    asked: list = []
    answered: list[str] = []
    for turn in turns.split():
        if turn == "R":
            asked.append(exchanges.request(b"GET")[0])
        elif turn == "r":
            found = exchanges.response()
            answered.append("-" if found is None else str(asked.index(found)))
        else:
            exchanges.lose(turn == "C")
    assert " ".join(answered) == pairs


def test_a_client_that_was_seen_to_pipeline_is_not_paired_out_of_step() -> None:
    exchanges = Exchanges(True, Limits())
    first, second = exchanges.request(b"GET")[0], exchanges.request(b"GET")[0]
    assert (exchanges.response(), exchanges.response()) == (first, second)
    exchanges.lose(True)
    third, given_up = exchanges.request(b"GET")
    assert given_up == [third]
    assert exchanges.response() is None


# The state table.


def test_every_state_knows_a_hole_and_the_end() -> None:
    for state in State:
        assert (state, Input.LOST) in TABLE
        assert (state, Input.GONE) in TABLE


def test_states_with_an_open_message_end_it_once() -> None:
    ends = {Effect.COMPLETE, Effect.HEAD_COMPLETE, Effect.GAP, Effect.CLOSED, Effect.MALFORMED, Effect.SWITCH}
    for (state, met), (effect, then) in TABLE.items():
        if then in (State.START, State.SEEK, State.TUNNEL, State.SWITCHED) and state not in (State.SEEK, then):
            assert effect in ends | {Effect.REPLACE}, (state, met)


# Ends from outside.


def test_what_is_open_ends_with_the_connection_or_for_want_of_room() -> None:
    for how, ends in (("close", ["CLOSED", "CLOSED"]), ("evict", ["EVICTED"])):
        connection = Connection(Limits(), True, selection=EVERYTHING)
        connection.feed(True, POST[:-1], 5)
        assert connection.oldest_open_ns == 5
        getattr(connection, how)(9)
        assert [m.ended.name for m in connection.take()] == ends
        assert connection.oldest_open_ns is None
        getattr(connection, how)(10)
        assert connection.take() == []


def test_a_half_that_takes_too_long_ends_and_its_rest_is_passed_over() -> None:
    connection = Connection(Limits(), True, selection=EVERYTHING)
    connection.feed(True, POST[:-1], 5)
    connection.expire(6)
    connection.feed(True, POST[-1:] + GET, 7)
    connection.feed(False, CREATED + NO_CONTENT, 8)
    assert [(m.stream_id, m.ended.name) for m in connection.take()] == [
        (1, "TIMEOUT"),
        (3, "COMPLETE"),
        (1, "COMPLETE"),
        (3, "COMPLETE"),
    ]
    assert connection.counters.by_reason == {reasons.TIMED_OUT: 1}


def test_times_and_sizes() -> None:
    _, messages = observe(
        [(TO_SERVER, POST[:10]), (TO_SERVER, POST[10:-2]), (TO_SERVER, POST[-2:]), (TO_CLIENT, CREATED)]
    )
    request, response = messages
    assert (request.first_byte_ns, request.headers_ns, request.last_byte_ns) == (1000, 2000, 3000)
    assert (request.header_bytes, request.body_bytes) == (len(POST) - 2, 2)
    assert response.header_bytes + response.body_bytes == len(CREATED)


# Hostile input.


def test_hostile_input_costs_bounded_memory_and_is_counted() -> None:
    limits = Limits(max_header_bytes=4096, max_streams=50, body_bytes=100)
    endless = [(TO_SERVER, b"GET / HTTP/1.1\r\n"), *[(TO_SERVER, b"A: " + b"x" * 60 + b"\r\n")] * 1000]
    connection, messages = observe(endless, limits=limits)
    assert connection.counters.by_reason[reasons.BLOCKS_TOO_LARGE] == 1
    assert [m.ended.name for m in messages] == ["MALFORMED", "CLOSED"]
    assert sum(len(name) + len(value) for name, value in messages[0].headers) < 4096
    connection, messages = observe([(TO_SERVER, b"G" * 50)] * 1000, limits=limits)
    assert messages == []
    http1 = Http1(limits, True, EVERYTHING, Counters(), Counters())
    for _ in range(1009):
        http1.feed(True, GET, 1)
    assert len(http1.take()) >= 1009
    assert len(http1._exchanges.waiting) <= 50
    large = OK + b"Content-Length: 100000\r\n\r\n"
    _, messages = observe([(TO_SERVER, GET), (TO_CLIENT, large), (TO_CLIENT, b"z" * 100_000)], limits=limits)
    assert (len(messages[1].body), messages[1].body_bytes) == (100, 100_000)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(
                st.binary(max_size=60),
                st.integers(0, 50),
                st.sampled_from(
                    (
                        GET,
                        POST,
                        HEAD,
                        CREATED,
                        NO_CONTENT,
                        OK,
                        b"\r\n",
                        b"0\r\n\r\n",
                        b"5\r\nhello\r\n",
                        b"PRI * HTTP/2.0\r\n",
                    )
                ),
            ),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_any_octets_are_survived_and_every_half_ends_once(events: list[Event], from_start: bool) -> None:
    _, messages = observe([(True, GET), *events], from_start)
    keys = [(m.stream_id, m.half, m.http_version) for m in messages]
    assert len(set(keys)) == len(keys)
    assert all(m.ended is not None for m in messages)


# The upgrade to HTTP/2 (RFC 7540 3.2).


def upgraded() -> list[tuple[bool, bytes]]:
    """Return a conversation that begins in HTTP/1.1 and goes on in HTTP/2, written by the h2 library."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    asked = client.initiate_upgrade_connection()
    ask = b"GET /nnrf-disc/v1/nf-instances HTTP/1.1\r\nHost: nrf\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    ask += b"Upgrade: h2c\r\nHTTP2-Settings: " + asked + b"\r\n\r\n"
    server.initiate_upgrade_connection(asked)
    grant = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    written = [(True, ask), (False, grant + server.data_to_send()), (True, client.data_to_send())]
    server.receive_data(written[-1][1])
    client.receive_data(written[1][1][len(grant) :])
    server.send_headers(1, [(":status", "200"), ("server", "nrf")])
    server.send_data(1, b"{}", end_stream=True)
    written.append((False, server.data_to_send()))
    client.receive_data(written[-1][1])
    client.send_headers(3, [(":method", "GET"), (":scheme", "http"), (":authority", "nrf"), (":path", "/b")], True)
    written.append((True, client.data_to_send()))
    server.receive_data(written[-1][1])
    server.send_headers(3, [(":status", "204"), ("server", "nrf")], end_stream=True)
    return [*written, (False, server.data_to_send())]


UPGRADED = [
    (1, "REQ", "GET /nnrf-disc/v1/nf-instances", "", "COMPLETE"),
    (1, "RES", "200", "{}", "COMPLETE"),
    (3, "REQ", "GET /b", "", "COMPLETE"),
    (3, "RES", "204", "", "COMPLETE"),
]


def test_an_upgrade_to_http2_is_followed() -> None:
    written = upgraded()
    connection, messages = observe(written)
    assert connection.protocol is Protocol.H2
    assert gist(messages) == UPGRADED
    assert [m.http_version for m in messages] == ["http1", "h2", "h2", "h2"]
    assert messages[1].request is not None
    assert messages[1].request.headers[0] == (b":method", b"GET")
    assert all(m.header_state is HeaderState.EXACT for m in messages)
    for longest in (1, 5, 40):
        assert gist(observe(chop(written, random.Random(longest), longest))[1]) == UPGRADED


def test_the_preface_may_overtake_the_grant() -> None:
    ask, grant, preface, *rest = upgraded()
    assert gist(observe([ask, preface, grant, *rest])[1]) == UPGRADED
    assert gist(observe([(True, ask[1] + preface[1]), grant, *rest])[1]) == UPGRADED
    halves = [(True, preface[1][:9]), (True, preface[1][9:30]), (False, grant[1][:20]), (True, preface[1][30:])]
    assert gist(observe([ask, *halves, (False, grant[1][20:]), *rest])[1]) == UPGRADED


def test_a_refused_upgrade_stays_http1() -> None:
    ask = upgraded()[0]
    messages = told(ask, (TO_CLIENT, CREATED), (TO_SERVER, GET), (TO_CLIENT, NO_CONTENT))
    assert [line for _, _, line, _, _ in messages] == ["GET /nnrf-disc/v1/nf-instances", "201", "GET /a", "204"]


def test_an_upgrade_met_late_is_followed() -> None:
    _, grant, *rest = upgraded()
    connection, messages = observe([grant, *rest], from_start=False)
    assert connection.protocol is Protocol.H2
    assert gist(messages) == UPGRADED[1:]


def test_another_protocol_and_a_tunnel_are_left_alone() -> None:
    ask = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    grant = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    for first, answer, line in (
        (ask, grant, "GET /chat"),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", OK + b"\r\n", "CONNECT"),
    ):
        connection, messages = observe(
            [(True, first), (False, answer + b"\1\2"), (True, b"GET"), (False, b"HTTP/1.1 200")]
        )
        assert [(said[2], said[4]) for said in gist(messages)] == [
            (line, "COMPLETE"),
            (answer[9:12].decode(), "COMPLETE"),
        ]
        assert connection.traffic.by_reason == {reasons.TUNNEL_BYTES: 17}


def test_h11_agrees_that_this_is_http() -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(POST)
    request = server.next_event()
    assert (request.method, request.target) == (b"POST", b"/nausf-auth/v1/ue-authentications")
