"""The kernel source on this kernel: bytes captured are bytes sent, at both ends, with every hook that loads here."""

import socket
import struct
from dataclasses import replace

import pytest

from collector.kernel_source import KernelSource
from collector.loader import FEXIT_TURNS
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from schemas.config import Collector
from schemas.refusal import Refusal
from tests import live_peers, live_unusual
from tests.kernel import LIVE, without
from tests.live_peers import Case, Recorder, Sent, connected, observed, pattern, receive

pytestmark = LIVE
HOOKS = ("sock", "fexit", "kprobe", "syscall")
AGENT = replace(Collector(), ring_bytes=16_777_216)
TRIES = 3
Ports = tuple[int, int]
CASES = (*live_peers.WHOLE, *live_peers.WITH_GAPS, *live_unusual.WHOLE, *live_unusual.WITH_GAPS)
PIECES = sum(len(pattern(1 + number % 13, number)) for number in range(FEXIT_TURNS))
CUT = {
    ("fexit", "many_small_pieces"): PIECES
}  # that hook has no tail calls: bytes copied of the call, the rest is a gap


@pytest.fixture(params=HOOKS, scope="module")
def hook(request: pytest.FixtureRequest) -> str:
    """Return each hook that this kernel takes."""
    try:
        Probes(begun(replace(AGENT, hook=request.param))).close()
    except Refusal as refusal:
        without(request.param, refusal)
    return str(request.param)


@pytest.fixture(scope="module")
def taken(hook: str) -> tuple[Recorder, dict[str, tuple[Ports, Sent]]]:
    """Run every case under one agent; return what it recorded, and by case the ports of both ends and what was sent.

    A machine so busy that the ring ran full meanwhile, which is counted, is asked again.
    """
    for _ in range(TRIES):
        recorder, done = Recorder(), {}
        probes = Probes(begun(replace(AGENT, hook=hook)))
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            for case in CASES:
                done[case.__name__] = played(case, socket.AF_INET)
            done["ipv6"] = played(CASES[0], socket.AF_INET6)
        lost = {name: count for name, count in recorder.counters.by_reason.items() if "full" in name and count}
        if not lost:
            break
        print(f"hook {hook} lost {lost}")
    return recorder, done


def played(case: Case, family: socket.AddressFamily) -> tuple[Ports, Sent]:
    with connected(family) as (client, server):
        return (client.getsockname()[1], server.getsockname()[1]), case(client, server)


def with_gaps(whole: bytes, gaps: tuple[tuple[int, int], ...]) -> bytes:
    for begin, length in gaps:
        whole = whole[:begin] + b"?" * length + whole[begin + length :]
    return whole


def difference(got: bytearray, wanted: bytes) -> str:
    """Return where two texts differ first, in few words: pytest compares megabytes for minutes."""
    if got == wanted:
        return ""
    first = next((at for at, pair in enumerate(zip(got, wanted, strict=False)) if pair[0] != pair[1]), len(wanted))
    return f"{len(got)} bytes instead of {len(wanted)}, others from {first} on: {bytes(got[first : first + 20])!r}"


@pytest.mark.parametrize("case", [*(case.__name__ for case in CASES), "ipv6"])
def test_what_was_sent_is_what_was_captured_at_both_ends(
    hook: str, taken: tuple[Recorder, dict[str, tuple[Ports, Sent]]], case: str
) -> None:
    recorder, done = taken
    ports, sent = done[case]
    if (hook, case) in CUT:
        whole = CUT[hook, case]
        sent = replace(sent, sent_gaps=((whole, len(sent.to_server) - whole),))
    client, server = (recorder.of(vantage, *ports) for vantage in (Vantage.CLIENT, Vantage.SERVER))
    assert client.from_start
    assert server.from_start
    assert not difference(client.text[True], with_gaps(sent.to_server, sent.sent_gaps))
    assert not difference(server.text[True], with_gaps(sent.to_server, sent.received_gaps))
    assert not difference(server.text[False], sent.to_client)
    assert not difference(client.text[False], sent.to_client if sent.is_answer_read else b"")
    if sent.is_answer_read:  # else unread bytes are waited for
        assert client.is_closed
        assert server.is_closed


def answered(client: socket.socket, server: socket.socket) -> None:
    for sender, receiver in ((client, server), (server, client)):
        sender.sendall(pattern(5_000))
        receive(receiver, 5_000)


def test_both_ends_have_a_number_that_the_next_connection_of_their_ports_has_not(hook: str) -> None:
    recorder = Recorder()
    probes = Probes(begun(replace(AGENT, hook=hook)))
    with (
        observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        own = ("127.0.0.1", 0)
        for _ in range(3):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(own)
                own = client.getsockname()
                client.connect(listener.getsockname())
                with listener.accept()[0] as server:
                    answered(client, server)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                    client.close()
    ends: dict[int | None, list[Vantage]] = {}
    for taken in recorder.taken:
        if own[1] in {taken.ends.client_port, taken.ends.server_port}:
            ends.setdefault(taken.ends.answers_from, []).append(taken.ends.vantage)
    assert None not in ends
    assert [sorted(seen) for seen in ends.values()] == 3 * [[Vantage.CLIENT, Vantage.SERVER]]


def test_ends_joined_late_have_that_number_too(hook: str) -> None:
    """Nothing tells which of two joined late began: the lower port is taken for the server's."""
    recorder = Recorder()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        port = listener.getsockname()[1]
        client.bind(("127.0.0.1", next(free for free in range(port + 1, port + 500) if is_free(free))))
        client.connect(("127.0.0.1", port))
        with listener.accept()[0] as server:
            answered(client, server)
            probes = Probes(begun(replace(AGENT, hook=hook)))
            with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
                answered(client, server)
    numbers = [recorder.of(vantage, port).ends.answers_from for vantage in (Vantage.CLIENT, Vantage.SERVER)]
    assert numbers[0] == numbers[1] is not None


def is_free(port: int) -> bool:
    with socket.socket() as link:
        try:
            link.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
