"""The kernel source on this kernel: bytes captured are bytes sent, at both ends, with every hook that loads here."""

import socket
from dataclasses import replace

import pytest

from collector.kernel_source import KernelSource, loaded
from collector.loader import FEXIT_TURNS
from collector.message import Vantage
from schemas.config import Collector
from schemas.refusal import Refusal
from tests.kernel import LIVE
from tests.live_peers import WHOLE, WITH_GAPS, Case, Recorder, Sent, connected, observed, pattern

pytestmark = LIVE
HOOKS = ("sock", "fexit", "kprobe", "syscall")
AGENT = replace(Collector(), ring_bytes=16_777_216)
TRIES = 3
PIECES = sum(len(pattern(1 + number % 13, number)) for number in range(FEXIT_TURNS))
CUT = {
    ("fexit", "many_small_pieces"): PIECES
}  # that hook has no tail calls: bytes copied of the call, the rest is a gap


@pytest.fixture(params=HOOKS, scope="module")
def hook(request: pytest.FixtureRequest) -> str:
    """Return each hook that this kernel takes."""
    try:
        loaded(replace(AGENT, hook=request.param)).close()
    except Refusal as refusal:
        pytest.skip(f"hook {request.param} does not load here: {refusal.seen}")
    return str(request.param)


@pytest.fixture(scope="module")
def taken(hook: str) -> tuple[Recorder, dict[str, tuple[int, Sent]]]:
    """Run every case under one agent; return what it recorded, and by case the server's port and what was sent.

    A machine so busy that the ring ran full meanwhile, which is counted, is asked again.
    """
    for _ in range(TRIES):
        recorder, done = Recorder(), {}
        probes = loaded(replace(AGENT, hook=hook))
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            for case in (*WHOLE, *WITH_GAPS):
                done[case.__name__] = played(case, socket.AF_INET)
            done["ipv6"] = played(WHOLE[0], socket.AF_INET6)
        lost = {name: count for name, count in recorder.counters.by_reason.items() if "full" in name and count}
        if not lost:
            break
        print(f"hook {hook} lost {lost}")
    return recorder, done


def played(case: Case, family: socket.AddressFamily) -> tuple[int, Sent]:
    with connected(family) as (client, server):
        return server.getsockname()[1], case(client, server)


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


@pytest.mark.parametrize("case", [*(case.__name__ for case in (*WHOLE, *WITH_GAPS)), "ipv6"])
def test_what_was_sent_is_what_was_captured_at_both_ends(
    hook: str, taken: tuple[Recorder, dict[str, tuple[int, Sent]]], case: str
) -> None:
    recorder, done = taken
    port, sent = done[case]
    if (hook, case) in CUT:
        whole = CUT[hook, case]
        sent = replace(sent, sent_gaps=((whole, len(sent.to_server) - whole),))
    client, server = recorder.of(port, Vantage.CLIENT), recorder.of(port, Vantage.SERVER)
    assert client.from_start
    assert server.from_start
    assert not difference(client.text[True], with_gaps(sent.to_server, sent.sent_gaps))
    assert not difference(server.text[True], with_gaps(sent.to_server, sent.received_gaps))
    assert not difference(server.text[False], sent.to_client)
    assert not difference(client.text[False], sent.to_client if sent.is_answer_read else b"")
    if sent.is_answer_read:  # else unread bytes are waited for
        assert client.is_closed
        assert server.is_closed
