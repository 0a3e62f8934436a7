"""What Go's programs give to TLS and get from it, byte for byte, where their code or their stacks make that hard."""

import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from tests.kernel import LIVE
from tests.live_peers import Recorder, observed
from tests.test_bytes_live import AGENT, ends
from tests.test_tls_live import PROGRAMS, followed, identity, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
CONNECTIONS, OCTETS = 7, 1_009
# For a debugger each RET is probed, else what Read and Write defer (collector/go_deferred.py).
BUILDS = {"as usual": [], "for a debugger": ["-gcflags=all=-N -l"]}


@pytest.fixture(scope="module", params=BUILDS.values(), ids=BUILDS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the program that has nothing but Read and Write."""
    if not shutil.which("go"):
        pytest.skip("no Go to build its program with")
    built = tmp_path_factory.mktemp("go") / "bare"
    command = ["go", "build", *request.param, "-o", str(built), str(PROGRAMS / "bare.go")]
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return str(built)


def test_a_handshake_within_write_and_a_stack_that_moves_within_read_change_no_byte(
    identity: tuple[str, str], program: str
) -> None:
    recorder = Recorder()
    with serving([program, "serve", *identity]) as (_, port):
        probes = Probes(begun(replace(AGENT, ports=str(port))))
        assert probes.await_tls()
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            subprocess.run([program, "call", str(port), str(CONNECTIONS)], check=True)
    found = []
    for by_vantage in ends(recorder, port, True).values():
        client, server = by_vantage[Vantage.CLIENT], by_vantage[Vantage.SERVER]
        assert client.gaps == server.gaps == []
        assert client.text == server.text
        assert client.text[True] == client.text[False]
        found.append(bytes(client.text[True]))
    assert found == [(f"connection {number} says: ".encode() * OCTETS)[:OCTETS] for number in range(CONNECTIONS)]
