"""What both ends of one connection read, used together: more is known, nothing told is wrong, strangers stay apart."""

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from collector.aligned_fields import LARGEST_LIST
from collector.both_ends import MOST_KEPT, MOST_WATCHED, UNTIL_ALONE, BothEnds
from collector.connection import Connection, Message
from collector.message import Endpoints, Half, HeaderState, Limits, Vantage
from collector.repair import Repair
from collector.selection import EVERYTHING, SBI, Selection
from tests.joining import Field, Recorded, Told, connections_of, told_now, truth_of
from tests.observing import Event, cut, join, lose
from tests.recorded import FULL
from tests.traffic import conversation

NS = 1_000_000_000
CLIENT = Endpoints("a" * 32, Vantage.CLIENT, False, "10.0.0.1", 40_000, "10.0.0.2", 7777, netns=1, answers_from=77_000)
SERVER = replace(CLIENT, connection_id="b" * 32, vantage=Vantage.SERVER, netns=2)
Seen = list[tuple[Vantage, Told]]


class Node:
    """Two observers of one connection, one at each end, and the repair of their shard."""

    def __init__(self, client: Endpoints, server: Endpoints, late: Vantage, selection: Selection) -> None:
        self.repair = Repair()
        self.seen: Seen = []
        self.ends = {
            one.vantage: (one, Connection(Limits(), one.vantage is not late, selection=selection))
            for one in (client, server)
        }

    def feed(self, vantage: Vantage, from_client: bool, data: bytes, time_ns: int) -> None:
        """Let one end see octets."""
        self.ends[vantage][1].feed(from_client, data, time_ns)

    def tick(self) -> None:
        """Mend what is finished at both ends."""
        taken = [(ends, message) for ends, one in self.ends.values() for message in one.take()]
        self.repair.mend(taken)
        self.seen += [(ends.vantage, told_now(message)) for ends, message in taken]

    def close(self, time_ns: int) -> Seen:
        """End both; return all that was told."""
        for _, one in self.ends.values():
            one.close(time_ns)
        self.tick()
        return self.seen


def watched(
    one: Recorded, first: int, rnd: random.Random, selection: Selection, client: Endpoints, server: Endpoints
) -> list[Told]:
    """Return what the later end tells, joined at chunk `first`, beside the other, which sees all."""
    late = rnd.choice((Vantage.CLIENT, Vantage.SERVER))
    node = Node(client, server, late, selection)
    for number, (from_client, data, time_ns) in enumerate(one.chunks):
        for vantage in rnd.sample(list(node.ends), 2):
            if vantage is not late or number >= first:
                node.feed(vantage, from_client, data, time_ns)
            if rnd.random() < 0.3:
                node.tick()
    return [told for vantage, told in node.close(one.chunks[-1][2]) if vantage is late]


@cache
def recorded() -> list[Recorded]:
    return connections_of(FULL)


def unread(told: list[Told], truth: dict[tuple[int, Half], list[Field]]) -> int:
    """Return how many fields that are there were not told, none of those told being wrong."""
    count = 0
    for one in told:
        known = Counter(field for field in one.headers if None not in field)
        assert not known - Counter(truth[one.key]), (one, truth[one.key])
        count += (Counter(truth[one.key]) - known).total()
    return count


@pytest.mark.parametrize("selection", [EVERYTHING, SBI], ids=["every field", "those that are read"])
def test_an_end_joined_late_learns_from_the_other_and_nothing_told_is_wrong(selection: Selection) -> None:
    rnd = random.Random(11)
    alone = together = 0
    for one in recorded():
        truth = truth_of(one, selection)
        for first in rnd.sample(range(1, len(one.chunks)), min(3, len(one.chunks) - 1)):
            told = watched(one, first, rnd, selection, CLIENT, SERVER)
            together += unread(told, truth)
            strangers = replace(SERVER, client_port=40_001)
            alone += unread(watched(one, first, rnd, selection, CLIENT, strangers), truth)
    print(f"fields not told: {alone} by one end alone, {together} by both")
    assert together < 0.3 * alone


def select(message: Message) -> None:
    """Leave out what nobody reads, as a decoder with a selection does: fields without a name stay."""
    unread = dict(message.unknown)
    kept = [at for at, (name, _) in enumerate(message.headers) if name is None or SBI.wants(name)]
    message.unknown = tuple((kept.index(at), identity) for at, identity in unread.items())
    message.headers = [message.headers[at] for at in kept]


def seen_by(events: list[Event], from_start: bool, ends: Endpoints) -> list[tuple[int, Endpoints, Message]]:
    """Return the messages of one end, each with the number of the event after which it is told."""
    connection, seen = Connection(Limits(), from_start, selection=EVERYTHING), []
    for number, (from_client, given) in enumerate([*events, (True, b"")]):
        if number == len(events):
            connection.close(number)
        elif isinstance(given, int):
            connection.gap(from_client, given, number)
        else:
            connection.feed(from_client, given, number)
        seen += [(number, ends, message) for message in connection.take()]
    return seen


@pytest.mark.parametrize("seed", range(100))
def test_what_is_disclosed_of_random_conversations_is_true(seed: int) -> None:
    rnd = random.Random(seed)
    made, late = conversation(seed), seed % 2 == 0
    partly = cut(made, rnd, 400)
    partly = lose(join(partly, rnd) if late else partly, rnd, rnd.choice((0.03, 0.1, 0.3)))
    seen = seen_by(cut(made, rnd, 400), True, CLIENT) + seen_by(partly, not late, SERVER)
    fields = {id(message): (list(message.headers), dict(message.unknown)) for _, _, message in seen}
    if rnd.random() < 0.5:
        for _, _, message in seen:
            select(message)
    both = BothEnds()
    seen.sort(key=lambda one: one[0])
    disclosed = [told for _, ends, message in seen for told in both.see([(ends, message)])]
    told_of = {(told.half, told.identity): told for told in disclosed}
    for _, ends, message in seen:
        headers, unknown = fields[id(message)]
        truth = made.truth[message.stream_id, int(message.half)]
        blocks = [block for block in [*truth.heads, truth.trailers or []] if len(block) == len(headers)]
        for at, identity in unknown.items():
            told = told_of.get((message.half, identity))
            if ends is SERVER and told is not None and message.stream_id & 1:
                assert any(block[at][0] == told.name for block in blocks), (told, blocks)
                if headers[at][1] is None and told.is_whole:
                    assert any(block[at] == (told.name, told.value) for block in blocks), (told, blocks)


# What is one connection, and which message is the same.


def message(unknown: bool, stream_id: int = 1, time_ns: int = NS) -> Message:
    """Return a GET, its path read or not."""
    made = Message(Half.REQUEST, stream_id, time_ns)
    path = (None, None) if unknown else (b":path", b"/nnrf-disc/v1/nf-instances")
    made.headers = [(b":method", b"GET"), (b":scheme", b"http"), path]
    made.unknown = ((2, 77),) if unknown else ()
    made.header_state = HeaderState.PARTIAL if unknown else HeaderState.EXACT
    made.header_bytes = 11
    return made


def test_the_other_end_discloses_whichever_comes_first() -> None:
    for order in (1, -1):
        seen = [(CLIENT, message(True)), (SERVER, message(False))][::order]
        both = BothEnds()
        both.see([(CLIENT, message(True, stream_id=3))])
        (told,) = [told for pair in seen for told in both.see([pair])]
        assert (told.endpoints, told.half, told.identity) == (CLIENT, Half.REQUEST, 77)
        assert (told.name, told.value, told.is_whole) == (b":path", b"/nnrf-disc/v1/nf-instances", True)


LOOPBACK = {"client_address": "127.0.0.1", "server_address": "127.0.0.1"}


@pytest.mark.parametrize(
    ("client", "server", "tells"),
    [
        pytest.param({}, {}, True, id="two namespaces, routed addresses"),
        pytest.param({}, {"client_port": 40_001}, False, id="another port"),
        pytest.param({}, {"server_address": "10.96.0.1"}, False, id="an address rewritten between them"),
        pytest.param({}, {"vantage": Vantage.CLIENT}, False, id="the same end twice"),
        pytest.param({"vantage": Vantage.WIRE}, {}, False, id="no end"),
        pytest.param({}, {"tls": True}, False, id="another layer"),
        pytest.param(
            {}, {"answers_from": 77_003}, False, id="a port used again, or a network apart with its addresses"
        ),
        pytest.param({}, {"answers_from": None}, False, id="a sequence number that is not known"),
        pytest.param({"answers_from": None}, {"answers_from": None}, False, id="two that are not known"),
        pytest.param({"tls": True}, {"tls": True}, False, id="streams of TLS, whose socket is concluded"),
        pytest.param({**LOOPBACK, "netns": 4}, {**LOOPBACK, "netns": 4}, True, id="loopback of one namespace"),
        pytest.param({**LOOPBACK, "netns": 4}, {**LOOPBACK, "netns": 5}, False, id="loopbacks of two namespaces"),
        pytest.param({**LOOPBACK, "netns": None}, {**LOOPBACK, "netns": None}, False, id="loopback, whose is open"),
    ],
)
def test_what_is_one_connection(client: dict[str, object], server: dict[str, object], tells: bool) -> None:
    seen = [(replace(CLIENT, **client), message(True)), (replace(SERVER, **server), message(False))]
    assert bool(BothEnds().see(seen)) is tells


def test_what_is_not_the_same_message_discloses_nothing() -> None:
    other_size = message(False)
    other_size.header_bytes = 12
    other_scheme = message(False)
    other_scheme.headers[1] = (b":scheme", b"https")
    with_trailers = message(False)
    with_trailers.trailers = []
    shorter = message(False)
    shorter.header_state = HeaderState.PARTIAL
    later, pushed = message(False, time_ns=2 * NS), message(False, stream_id=2)
    for other in (other_size, other_scheme, with_trailers, shorter, later, pushed, message(False, stream_id=3)):
        not_read = message(True, 2 if other is pushed else 1)
        assert BothEnds().see([(CLIENT, not_read), (SERVER, other)]) == []


def partly(*fields: Field) -> Message:
    """Return a response with these fields, of which those without a name are unknown."""
    made = Message(Half.RESPONSE, 1, NS)
    made.headers = list(fields)
    made.unknown = tuple((at, 70 + at) for at, (name, _) in enumerate(fields) if name is None)
    made.header_state = HeaderState.PARTIAL if made.unknown else HeaderState.EXACT
    return made


NOT_READ: Field = (None, None)
STATUS, SERVED, KIND, VIA = (b":status", b"201"), (b"server", b"UDM"), (b"content-type", b"a/b"), (b"via", b"1 x")


@pytest.mark.parametrize(
    ("fields", "whole", "told"),
    [
        pytest.param([NOT_READ, SERVED], [STATUS, SERVED], {70: b":status"}, id="the first is the status"),
        pytest.param([STATUS, NOT_READ], [STATUS, SERVED], {71: b"server"}, id="one is left"),
        pytest.param([STATUS, NOT_READ, NOT_READ], [STATUS, SERVED], {}, id="one of two, open which"),
        pytest.param([NOT_READ, NOT_READ, NOT_READ], [STATUS, SERVED], {70: b":status"}, id="but the status"),
        pytest.param([STATUS, NOT_READ, SERVED, NOT_READ], [STATUS, SERVED, KIND], {73: b"content-type"}, id="behind"),
        pytest.param([STATUS, (None, b"UDM")], [STATUS, SERVED], {71: b"server"}, id="the value agrees"),
        pytest.param([STATUS, (None, b"AMF")], [STATUS, SERVED], {}, id="the value does not"),
        pytest.param([NOT_READ, VIA, NOT_READ], [STATUS, VIA, VIA], {}, id="a field twice"),
        pytest.param([NOT_READ, SERVED], [STATUS, KIND], {}, id="a field that is not there"),
        pytest.param([NOT_READ, SERVED], [STATUS, KIND, SERVED], {}, id="fewer than there are"),
    ],
)
def test_which_field_is_which(fields: list[Field], whole: list[Field], told: dict[int, bytes]) -> None:
    found = BothEnds().see([(CLIENT, partly(*fields)), (SERVER, partly(*whole))])
    assert {one.identity: one.name for one in found} == told


def test_watching_is_bounded_and_ends() -> None:
    both = BothEnds()
    ports = range(MOST_WATCHED + 1)
    both.see([(replace(CLIENT, client_port=port, answers_from=port + 9), message(True)) for port in ports])
    assert both.see([(replace(SERVER, client_port=0, answers_from=9), message(False))]) == []
    assert len(both.see([(replace(SERVER, client_port=1, answers_from=10), message(False))])) == 1
    both = BothEnds()
    both.see([(CLIENT, message(True))])
    assert not both.is_idle
    for number in range(1_000):
        both.see([(CLIENT, message(False, 2 * number + 3)), (SERVER, message(False, 2 * number + 3))])
    assert both.is_idle


def test_an_end_whose_other_end_is_elsewhere_is_watched_no_more() -> None:
    both = BothEnds()
    for number in range(UNTIL_ALONE):
        both.see([(CLIENT, message(True, 2 * number + 1))])
    assert both.is_idle
    assert both.kept_bytes == 0
    assert both.see([(CLIENT, message(True, 9_999)), (SERVER, message(False, 9_999))]) == []
    assert both.is_idle


def test_an_end_that_is_late_by_some_messages_is_waited_for() -> None:
    both = BothEnds()
    both.see([(CLIENT, message(True, 2 * number + 1)) for number in range(UNTIL_ALONE - 1)])
    assert len(both.see([(SERVER, message(False, 2 * number + 1)) for number in range(UNTIL_ALONE - 1)])) == 255


def test_what_waits_for_its_other_end_is_bounded_in_octets() -> None:
    """What is larger than a list that can be aligned is not kept at all."""
    both = BothEnds()
    for number in range(8 * MOST_KEPT // LARGEST_LIST):
        ends = replace(CLIENT, client_port=number, answers_from=number + 1)
        made = message(True)
        made.headers.append((b"x", b"v" * (LARGEST_LIST - 1_000)))
        both.see([(ends, made)])
        assert both.kept_bytes <= MOST_KEPT
    assert both.kept_bytes > MOST_KEPT - 2 * LARGEST_LIST
    both = BothEnds()
    made = message(True)
    made.headers.append((b"x", b"v" * LARGEST_LIST))
    both.see([(CLIENT, made)])
    assert both.kept_bytes == 0
