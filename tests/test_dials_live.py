"""What the supervisor tells the kernel side to leave out is left out, counted to the byte, and told of each minute."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from collector.record import COPY_AT_MOST, FLOW_MINUTE, ONE_IN, Moved, head_of, moved_of
from collector.window import Dials
from schemas.config import Collector
from tests.kernel import LIVE
from tests.live_peers import PREFACE, Recorder, connected, observed

pytestmark = LIVE
MOST, CALL = 2_048, 7_001  # bytes of a call: copied, and in all


@pytest.fixture(scope="module")
def probes() -> Iterator[Probes]:
    running = Probes(begun(replace(Collector(), ring_bytes=1 << 22)))
    yield running
    running.close()


@pytest.fixture
def dials(probes: Probes) -> Iterator[Dials]:
    """Return the dials; afterwards they are as they were."""
    made = Dials(probes.maps)
    yield made
    for place in (COPY_AT_MOST, ONE_IN, FLOW_MINUTE):
        made.control(place, 0)


def talk(calls: int) -> tuple[int, int, bytes]:
    """Send from a client in `calls` calls; return the ports and what was sent."""
    with connected() as (client, server):
        first = PREFACE + b"\0" * (CALL - len(PREFACE))
        sent = b""
        for number in range(calls):
            data = first if not number else bytes([number]) * CALL
            client.sendall(data)
            taken(server, CALL)
            sent += data
        return client.getsockname()[1], server.getsockname()[1], sent


def taken(link: socket.socket, count: int) -> None:
    while count:
        count -= len(link.recv(count))


def test_calls_are_shortened_and_what_is_left_out_is_counted(probes: Probes, dials: Dials) -> None:
    recorder = Recorder()
    before = probes.window().counts()["shortened_bytes"]
    dials.control(COPY_AT_MOST, MOST)
    with observed(KernelSource(probes.window(), 5), recorder):
        _, port, sent = talk(3)
    of_client = recorder.of(Vantage.CLIENT, port)
    calls = [sent[at : at + CALL] for at in range(0, len(sent), CALL)]
    assert bytes(of_client.text[True]) == b"".join(call[:MOST] + b"?" * (CALL - MOST) for call in calls)
    assert probes.window().counts()["shortened_bytes"] - before >= 3 * (CALL - MOST)


def test_connections_are_left_out_by_their_ports_at_both_ends(probes: Probes, dials: Dials) -> None:
    recorder = Recorder()
    before = probes.window().counts()["sampled_out_bytes"]
    dials.control(ONE_IN, 2)
    with observed(KernelSource(probes.window(), 5), recorder):
        played = [talk(1) for _ in range(40)]
    seen = [(one.ends.client_port, one.ends.server_port) for one in recorder.taken if one.text[True]]
    both = {(client, server) for client, server, _ in played if seen.count((client, server)) == 2}
    either = {(client, server) for client, server, _ in played if (client, server) in seen}
    assert both == either
    assert 5 <= len(both) <= 35
    left_out = probes.window().counts()["sampled_out_bytes"] - before
    assert left_out >= 2 * CALL * (len(played) - len(both))


def test_a_flow_is_told_once_a_minute_while_something_moves(probes: Probes, dials: Dials) -> None:
    told: list[tuple[int, Moved]] = []

    def note(record: bytes, _: int) -> None:
        told.append((head_of(record).local_port, moved_of(record)))

    dials.control(FLOW_MINUTE, 1)
    with observed(KernelSource(probes.window(), 5, tell_flow=note), Recorder()), connected() as (client, server):
        for minute in (1, 1, 2, 2, 3):
            dials.control(FLOW_MINUTE, minute)
            client.sendall(b"x" * CALL)
            taken(server, CALL)
        ports = client.getsockname()[1], server.getsockname()[1]
    for port in ports:
        moved = [one for local, one in told if local == port]
        assert len(moved) == 2 + (moved[-1].state == 7)  # minutes 2 and 3, and its end
    received = [one.received for local, one in told if local == ports[1]]
    assert received == sorted(received)
    assert received[-1] >= 5 * CALL
