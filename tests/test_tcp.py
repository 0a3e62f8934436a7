"""TCP connections of a capture: which end is the client, positions over 2^32, reuse of ports, joins, ends, bounds."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.connections import Bounds, Connections
from collector.message import Half, Limits
from collector.packets import Packets
from collector.tcp import Tracker
from tests.conversation import Written, conversation, told
from tests.wire import ACK, CLIENT, CLIENT_6, FIN, RST, SERVER, SERVER_6, SYN, segment

MS = 1_000_000
TALK = conversation(5)
TRUTH = told(5)


class Wire:
    """Two ends that exchange segments, seen by the real reader, tracker and connections."""

    def __init__(
        self, client: Any = CLIENT, server: Any = SERVER, initial: tuple[int, int] = (100, 900), **bounds: int
    ) -> None:
        self.connections = Connections(Limits(), Bounds(**bounds))
        self.loss = self.connections.counters
        self.tracker = Tracker(self.connections, "digest", self.loss, max_flows=8)
        self.packets = Packets(self.tracker.segment, self.loss)
        self.taken: list[Any] = []
        self.now_ns = 10**18
        self.begin(client, server, initial)

    def begin(self, client: Any, server: Any, initial: tuple[int, int]) -> None:
        """Let another connection follow."""
        self.ends = {True: (client, server), False: (server, client)}
        self.next = {True: initial[0], False: initial[1]}

    def packet(self, octets: bytes) -> None:
        """Let one IP packet pass, a millisecond after the one before."""
        self.now_ns += MS
        self.packets.packet(101, self.now_ns, octets, 0, len(octets), len(octets))

    def made(self, from_client: bool, payload: bytes = b"", flags: int = ACK) -> bytes:
        """Return the next segment of one end."""
        source, target = self.ends[from_client]
        octets = segment(source, target, self.next[from_client], payload, flags, self.next[not from_client])
        length = len(payload) + bool(flags & SYN) + bool(flags & FIN)
        self.next[from_client] = (self.next[from_client] + length) % 2**32
        return octets

    def send(self, from_client: bool, payload: bytes = b"", flags: int = ACK) -> None:
        """Let the next segment of one end pass."""
        self.packet(self.made(from_client, payload, flags))

    def shake(self) -> None:
        """Let the handshake pass."""
        self.send(True, flags=SYN)
        self.send(False, flags=SYN | ACK)
        self.send(True)

    def talk(self, written: Written = TALK) -> None:
        """Let a conversation pass, a segment a write."""
        for from_client, data in written:
            self.send(from_client, data)

    def part(self) -> None:
        """Let both ends close."""
        self.send(True, flags=FIN | ACK)
        self.send(False, flags=FIN | ACK)
        self.send(True)

    def read(self) -> list[tuple[int, str]]:
        """End the capture and return stream id and path or status of each message, sorted."""
        self.connections.advance(self.now_ns)
        self.connections.finish(self.now_ns)
        self.taken = self.connections.take()
        return sorted((message.stream_id, gist(message)) for _, message in self.taken)


def gist(message: Any) -> str:
    """Return the path of a request, the status of a response."""
    name = b":path" if message.half == Half.REQUEST else b":status"
    return next((value.decode() for key, value in message.headers if key == name and value is not None), "")


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), (CLIENT_6, SERVER_6)], ids=["IPv4", "IPv6"])
def test_a_connection_from_syn_to_fin(client: Any, server: Any) -> None:
    wire = Wire(client, server)
    wire.shake()
    wire.talk()
    wire.part()
    assert len(wire.connections) == 0
    assert (wire.read(), wire.loss.by_reason) == (TRUTH, {})
    ends, _ = wire.taken[0]
    assert (ends.client_address, ends.client_port, ends.server_address, ends.server_port) == (*client, *server)


@pytest.mark.parametrize("initial", [2**32 - 1, 2**32 - 2, 2**32 - 300, 2**31 - 5])
def test_sequence_numbers_pass_the_end_of_32_bits(initial: int) -> None:
    wire = Wire(initial=(initial, initial))
    wire.shake()
    wire.talk()
    assert (wire.read(), wire.loss.by_reason) == (TRUTH, {})


@pytest.mark.parametrize("seen", [(SYN,), (SYN | ACK,)], ids=["only the SYN", "only the SYN-ACK"])
def test_half_a_handshake_is_enough(seen: tuple[int, ...]) -> None:
    wire = Wire()
    for from_client, flags in ((True, SYN), (False, SYN | ACK)):
        octets = wire.made(from_client, flags=flags)
        if flags in seen:
            wire.packet(octets)
    wire.talk()
    assert wire.read() == TRUTH


def test_a_connection_without_syn_is_joined() -> None:
    wire = Wire()
    wire.talk()
    assert wire.read() == TRUTH
    assert wire.taken[0][0].client_port == CLIENT[1]


def test_content_tells_the_client_where_the_ports_do_not() -> None:
    wire = Wire(client=("10.0.0.1", 7000), server=("10.0.0.2", 39_000))
    wire.talk()
    assert wire.read() == TRUTH
    assert {ends.client_port for ends, _ in wire.taken} == {7000}


def test_ports_used_again_are_another_connection() -> None:
    wire = Wire()
    for initial in ((100, 900), (50_000, 70_000), (7, 8)):
        wire.begin(CLIENT, SERVER, initial)
        wire.shake()
        wire.talk()
    assert (wire.read(), wire.loss.by_reason) == (sorted(TRUTH * 3), {})
    assert len({ends.connection_id for ends, _ in wire.taken}) == 3


def test_syns_sent_again_open_nothing() -> None:
    wire = Wire()
    opening = [wire.made(True, flags=SYN), wire.made(False, flags=SYN | ACK)]
    for octets in opening * 3:
        wire.packet(octets)
    wire.talk(TALK[:3])
    for octets in opening:
        wire.packet(octets)
    wire.talk(TALK[3:])
    assert (wire.read(), len({ends.connection_id for ends, _ in wire.taken})) == (TRUTH, 1)


@pytest.mark.parametrize("flags", [RST, RST | ACK])
def test_a_reset_ends_the_connection(flags: int) -> None:
    wire = Wire()
    wire.shake()
    wire.talk()
    wire.send(False, flags=flags)
    assert len(wire.connections) == 0
    assert wire.read() == TRUTH


def test_what_comes_again_after_the_end_opens_nothing() -> None:
    wire = Wire()
    wire.shake()
    late = [wire.made(from_client, data) for from_client, data in TALK]
    for octets in late:
        wire.packet(octets)
    wire.part()
    for octets in late:
        wire.packet(octets)
    assert (wire.read(), wire.loss.by_reason) == (TRUTH, {})


def test_a_jump_no_window_explains_is_another_connection() -> None:
    wire = Wire()
    wire.talk()
    wire.begin(CLIENT, SERVER, (2**31, 2**31))
    wire.talk()
    assert wire.read() == sorted(TRUTH * 2)
    assert wire.loss.by_reason["sequence_restarted"] == 1
    assert len({ends.connection_id for ends, _ in wire.taken}) == 2


def test_more_flows_than_the_bound_evict_the_oldest() -> None:
    wire = Wire()
    for port in range(1, 24):
        wire.begin(("10.0.0.1", 40_000 + port), SERVER, (1, 1))
        wire.shake()
        wire.talk(TALK[:4])
    assert wire.loss.by_reason["flows_evicted"] == 23 - 8
    assert len(wire.connections) == 8


def test_an_evicted_connection_is_joined_again_under_another_id() -> None:
    wire = Wire(max_connections=1)
    other = Wire()
    other.begin(("10.0.0.9", 40_009), SERVER, (1, 1))
    wire.shake()
    wire.talk(TALK[:8])
    wire.packet(other.made(True, TALK[0][1]))
    wire.talk(TALK[8:])
    wire.read()
    assert wire.loss.by_reason["connections_evicted"] == 2
    assert len({ends.connection_id for ends, _ in wire.taken}) >= 2


def test_a_connection_to_itself_breaks_nothing() -> None:
    wire = Wire(client=SERVER, server=SERVER)
    wire.shake()
    wire.talk()
    for port in range(1, 24):
        wire.begin(("10.0.0.1", 40_000 + port), SERVER, (1, 1))
        wire.shake()
    wire.read()


@st.composite
def disturbed(draw: Any) -> tuple[list[tuple[bool, int, bytes]], bool]:
    """Return segments of the conversation cut anew, repeated and reordered a little; whether some were lost."""
    out: list[tuple[bool, int, bytes]] = []
    at = {True: 0, False: 0}
    for from_client, data in TALK:
        cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=3))})
        for begin, end in pairwise(cuts):
            out.append((from_client, at[from_client] + begin, data[begin:end]))
        at[from_client] += len(data)
    for i in draw(st.lists(st.integers(0, len(out) - 1), max_size=8)):
        out.insert(draw(st.integers(i, len(out))), out[i])
    for i in draw(st.lists(st.integers(0, len(out) - 2), max_size=8)):
        out[i], out[i + 1] = out[i + 1], out[i]
    lost = draw(st.sets(st.integers(0, len(out) - 1), max_size=3))
    kept = [one for i, one in enumerate(out) if i not in lost]
    covered = {(c, p + i) for c, p, data in kept for i in range(len(data))}
    return kept, len(covered) < sum(at.values())


@settings(max_examples=150, deadline=None)
@given(disturbed(), st.integers(0, 2**32 - 1), st.booleans())
def test_disorder_changes_nothing_and_loss_makes_nothing_up(case: Any, initial: int, shaken: bool) -> None:
    segments, lossy = case
    wire = Wire(initial=(initial, initial))
    if shaken:
        wire.shake()
    for from_client, position, data in segments:
        source, target = wire.ends[from_client]
        wire.packet(segment(source, target, (initial + shaken + position) % 2**32, data))
    found = wire.read()
    if shaken and not lossy:
        assert (found, wire.loss.by_reason) == (TRUTH, {})
    assert [one for one in found if one not in TRUTH and one[1]] == []
