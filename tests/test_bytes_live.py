"""What programs of others say, in cleartext and TLS: bytes captured are bytes sent, at both ends, in order, each hook.

In cleartext a relay between them keeps what passes. In TLS the two ends are captured apart and must agree, and a plain
HTTP/2 decoder must find in the bytes what the client has written down.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import hpack
import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from schemas.config import Collector
from schemas.refusal import Refusal
from tests.kernel import LIVE, without
from tests.live_peers import PREFACE, Recorder, Taken, observed
from tests.live_programs import CLEARTEXT, TLS, all_running, missing
from tests.relay import Relay, relay
from tests.said import Said
from tests.test_kernel_live import HOOKS, difference
from tests.test_tls_live import identity

__all__ = ["identity"]  # a fixture
pytestmark = LIVE
AGENT = replace(Collector(), ring_bytes=67_108_864)
HEAD = 9


@dataclass
class Heard:
    """What was captured under a hook, and what each pair of programs said, by its name: TLS's after a slash."""

    recorder: Recorder
    follows_tls: bool
    said: dict[str, list[Said]]
    ports: dict[str, int]
    relays: dict[str, Relay]


@pytest.fixture(params=HOOKS, scope="module")
def heard(
    request: pytest.FixtureRequest, identity: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Heard]:
    """Let every pair of programs speak while the kernel is watched by one hook, which sees their ports only."""
    with ExitStack() as ending:
        running = ending.enter_context(all_running(identity, tmp_path_factory.mktemp("programs")))
        relays = {name: ending.enter_context(relay(one.port)) for name, one in running.items() if name in CLEARTEXT}
        ports = [one.port for one in (*running.values(), *relays.values())]
        try:
            asked = replace(AGENT, hook=request.param, ports=",".join(map(str, ports)))
            probes = Probes(begun(asked))
        except Refusal as refusal:
            without(request.param, refusal)
        assert probes.await_tls()
        recorder, follows = Recorder(), probes.follows_tls
        said = {}
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            for name, peers in running.items():
                said[name] = peers.ask(relays[name].port if name in relays else peers.port)
            for one in relays.values():
                one.end()
        yield Heard(recorder, follows, said, {name: one.port for name, one in running.items()}, relays)


def ends(recorder: Recorder, port: int, is_tls: bool) -> dict[int, dict[Vantage, Taken]]:
    """Return what was captured of a server's connections, by the client's port and the end."""
    found: dict[int, dict[Vantage, Taken]] = {}
    for one in recorder.taken:
        if one.ends.server_port == port and one.ends.tls == is_tls:
            assert found.setdefault(one.ends.client_port, {}).setdefault(one.ends.vantage, one) is one
    return found


@dataclass
class Spoken:
    """What stands in the frames of one direction, by stream."""

    heads: dict[int, dict[str, str]]
    octets: Counter[int]


def spoken(octets: bytes) -> Spoken:
    """Decode a direction of HTTP/2 by hyperframe and hpack; every octet must belong to a frame."""
    octets = octets.removeprefix(PREFACE)
    decoder, found, block = hpack.Decoder(), Spoken({}, Counter()), b""
    at = 0
    while at < len(octets):
        frame, length = Frame.parse_frame_header(memoryview(octets[at : at + HEAD]))
        assert at + HEAD + length <= len(octets)
        frame.parse_body(memoryview(octets[at + HEAD : at + HEAD + length]))
        at += HEAD + length
        if isinstance(frame, DataFrame):
            found.octets[frame.stream_id] += len(frame.data)
        elif isinstance(frame, HeadersFrame | ContinuationFrame):
            block += frame.data
            if "END_HEADERS" in frame.flags:
                found.heads[frame.stream_id] = {str(name): str(value) for name, value in decoder.decode(block)}
                block = b""
    return found


def exchanges(client_port: int, asked: bytes, answered: bytes) -> list[Said]:
    question, answer = spoken(asked), spoken(answered)
    return [
        Said(
            client_port,
            head[":method"],
            head[":path"],
            int(answer.heads[stream][":status"]),
            question.octets[stream],
            answer.octets[stream],
        )
        for stream, head in question.heads.items()
    ]


def check_said(said: list[Said], found: dict[int, list[Said]]) -> None:
    """Compare with what the client wrote down, which may have left its port away."""
    tells_port = all(one.client_port for one in said)
    every = [one if tells_port else replace(one, client_port=0) for some in found.values() for one in some]
    assert sorted(every) == sorted(said) != []


@pytest.mark.parametrize("name", CLEARTEXT)
def test_cleartext_is_captured_as_it_passed_between_both_ends(heard: Heard, name: str) -> None:
    if why := missing(name):
        pytest.skip(why)
    between = heard.relays[name]
    before, behind = (ends(heard.recorder, port, False) for port in (between.port, heard.ports[name]))
    assert len(before) == len(behind) == len(between.passed) > 0
    found = {}
    for passed in between.passed:
        four = [*before[passed.client_port].values(), *behind[passed.onward_port].values()]
        assert len(four) == 4
        for one in four:
            assert (one.from_start, one.gaps) == (True, [])
            assert not difference(one.text[True], bytes(passed.text[True]))
        answers = [one.text[False] for one in four]
        for text in answers[1:]:
            assert not difference(text, bytes(passed.text[False]))
        # A client may end with the leave that the server takes of it still unread.
        assert passed.text[False].startswith(answers[0])
        found[passed.client_port] = exchanges(
            passed.client_port, bytes(before[passed.client_port][Vantage.CLIENT].text[True]), bytes(answers[0])
        )
    check_said(heard.said[name], found)


@pytest.mark.parametrize("name", TLS)
def test_tls_is_captured_alike_at_both_ends_and_holds_what_was_said(heard: Heard, name: str) -> None:
    if why := missing(name):
        pytest.skip(why)
    if not heard.follows_tls:
        pytest.skip("this kernel has no uprobe_multi links: TLS is not followed")
    found = {}
    for port, by_vantage in ends(heard.recorder, heard.ports[f"{name}/tls"], True).items():
        client, server = by_vantage[Vantage.CLIENT], by_vantage[Vantage.SERVER]
        assert client.gaps == server.gaps == []
        assert not difference(client.text[True], bytes(server.text[True]))
        assert server.text[False].startswith(client.text[False])
        found[port] = exchanges(port, bytes(client.text[True]), bytes(client.text[False]))
    check_said(heard.said[f"{name}/tls"], found)
