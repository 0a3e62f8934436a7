"""What Go's programs give to TLS and get from it, byte for byte, where their code or their stacks make that hard."""

import os
import shutil
import subprocess
from dataclasses import dataclass, replace

import pytest

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from tests.kernel import LIVE
from tests.live_peers import Recorder, Taken, observed
from tests.test_bytes_live import AGENT, ends
from tests.test_tls_live import PROGRAMS, followed, identity, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
CONNECTIONS, OCTETS = 7, 1_009
# For a debugger each RET is probed, else what Read and Write defer (collector/go_deferred.py).
BUILDS = {"as usual": [], "for a debugger": ["-gcflags=all=-N -l"]}


@dataclass(frozen=True)
class Program:
    """The program that has nothing but Read and Write, and whether it is probed at each RET."""

    path: str
    is_probed_at_returns: bool


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Build it."""
    if not shutil.which("go"):
        pytest.skip("no Go to build its program with")
    built = tmp_path_factory.mktemp("go") / "bare"
    command = ["go", "build", *request.param, "-o", str(built), str(PROGRAMS / "bare.go")]
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return Program(str(built), bool(request.param))


def said(number: int) -> bytes:
    """Return what the program says on a connection, or the second time on one."""
    return (f"connection {number} says: ".encode() * OCTETS)[:OCTETS]


def heard(program: Program, identity: tuple[str, str], *words: str) -> tuple[Recorder, int]:
    """Let the program call its own server, which is older than the probes; return what they saw, and the port."""
    recorder = Recorder()
    with serving([program.path, "serve", *identity]) as (_, port):
        probes = Probes(begun(replace(AGENT, ports=str(port))))
        assert probes.await_tls()
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            subprocess.run([program.path, words[0], str(port), *words[1:]], check=True)
    return recorder, port


def test_a_handshake_within_write_and_a_stack_that_moves_within_read_change_no_byte(
    identity: tuple[str, str], program: Program
) -> None:
    recorder, port = heard(program, identity, "call", str(CONNECTIONS))
    found = []
    for by_vantage in ends(recorder, port, True).values():
        client, server = by_vantage[Vantage.CLIENT], by_vantage[Vantage.SERVER]
        assert client.gaps == server.gaps == []
        assert client.text == server.text
        assert client.text[True] == client.text[False]
        found.append(bytes(client.text[True]))
    assert found == [said(number) for number in range(CONNECTIONS)]


def test_a_stream_is_met_anew_behind_a_read_that_panicked_where_it_is_not_seen_how_much_that_brought(
    identity: tuple[str, str], program: Program
) -> None:
    """At a RET it is: there is none for a panic."""
    recorder, port = heard(program, identity, "panic")
    taken: dict[Vantage, list[Taken]] = {Vantage.CLIENT: [], Vantage.SERVER: []}
    for one in recorder.taken:
        if one.ends.server_port == port and one.ends.tls:
            taken[one.ends.vantage].append(one)
    (server,) = taken[Vantage.SERVER]
    assert bytes(server.text[True]) == bytes(server.text[False]) == said(0) + said(1)
    client = [(one.from_start, bytes(one.text[True]), bytes(one.text[False])) for one in taken[Vantage.CLIENT]]
    if program.is_probed_at_returns:
        assert client == [(True, said(0) + said(1), said(0) + said(1))]
    else:
        assert client == [(True, said(0), said(0)), (False, said(1), said(1))]
    assert recorder.counters.by_reason.get("tls_calls_unreadable", 0) == (not program.is_probed_at_returns)
