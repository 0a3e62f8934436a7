"""TLS as real programs speak it: each message is an event, from both ends, on its real socket."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from collector.loading import Loading
from collector.probes import Probes
from tests.test_agent_live import Agent, agent, each, free_port, nghttp, seen, wait_for
from tests.tls_peers import BlockingClient

__all__ = ["nghttp"]  # a fixture
from tests.debian import GNUTLS, OPENSSL, can_build_with, installed
from tests.kernel import LIVE

pytestmark = LIVE
ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "tests/tls_programs"
COUNT = 23
KNOWN_S = 0.5  # a new file of a new process is probed long before


@pytest.fixture(scope="module", autouse=True)
def followed() -> None:
    """Skip where the kernel has no links for uprobes, which came with Linux 6.6."""
    probes = Probes(Loading(["sock", "syscall"], 1 << 20))
    follows = probes.follows_tls
    probes.close()
    if not follows:
        pytest.skip("this kernel has no uprobe_multi links: TLS is not followed")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Make a certificate and its key."""
    installed("openssl", "openssl")
    place = tmp_path_factory.mktemp("tls")
    files = str(place / "certificate.pem"), str(place / "key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", *curve, "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


# How Go's compiler is asked: for a debugger it defers otherwise, and its functions are probed at each RET.
GO_BUILDS = {"fixed": ["-buildmode=exe"], "movable": ["-buildmode=pie"], "for a debugger": ["-gcflags=all=-N -l"]}


@pytest.fixture(scope="module", params=GO_BUILDS.values(), ids=GO_BUILDS)
def go_program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the Go peers, stripped: they are found by Go's own function table."""
    if not shutil.which("go"):
        pytest.skip("no Go to build its program with")
    program = tmp_path_factory.mktemp("go") / "peers"
    command = [
        "go",
        "build",
        *request.param,
        "-ldflags=-s -w",
        "-o",
        str(program),
        str(PROGRAMS / "peers.go"),
    ]
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return program


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server that prints its port; give both."""
    with killed_at_last(command) as server:
        assert server.stdout is not None
        yield server, int(server.stdout.readline())


@contextmanager
def killed_at_last(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def python(*words: object) -> list[str]:
    return [sys.executable, "-m", "tests.tls_peers", *map(str, words)]


def of_port(running: Agent, port: int) -> list[dict[str, object]]:
    return [event for event in running.events() if event["server_port"] == port]


def is_tls_on_a_real_socket(running: Agent, port: int) -> bool:
    """Tell whether every event of a server's port is TLS between two sockets of loopback."""
    ends = {(one["tls"], one["client_address"], one["server_address"]) for one in of_port(running, port)}
    ports = {one["client_port"] for one in of_port(running, port)}
    return ends == {(True, "127.0.0.1", "127.0.0.1")} and 0 not in ports


class Asking(Protocol):
    """One connection to a server, one exchange at a time."""

    def exchange(self) -> object: ...

    def close(self) -> None: ...


def check_joined(client: Asking, port: int, place: Path) -> None:
    """Let an agent join a connection between its exchanges: what comes is told once, and next to nothing is missed.

    As without TLS, the first message of a direction may be spent on finding a frame's begin.
    """
    for _ in range(COUNT):
        client.exchange()
    with agent(place) as running:
        for _ in range(COUNT):
            client.exchange()
        client.close()
        running.end()
    events = of_port(running, port)
    assert is_tls_on_a_real_socket(running, port)
    whole = Counter((one["vantage"], one["half"], one["stream_id"]) for one in events if one["ended"] == "complete")
    assert set(whole.values()) == {1}
    for end in each(1):
        assert COUNT - 1 <= sum(one[:2] == end for one in whole) <= COUNT


@pytest.mark.parametrize("client", ["nghttp", "h2load", "curl"])
@pytest.mark.usefixtures("nghttp")
def test_debians_programs_are_seen_from_both_ends(identity: tuple[str, str], tmp_path: Path, client: str) -> None:
    (tmp_path / "page").write_bytes(b"{}" * 3_000)
    port = free_port()
    certificate, key = identity
    server = ["nghttpd", "--address=127.0.0.1", "-d", str(tmp_path), str(port), key, certificate]
    url = f"https://127.0.0.1:{port}/page"
    commands = {
        "nghttp": [["nghttp", "-n", "-m", str(COUNT), url]],
        "h2load": [["h2load", "-n", str(COUNT), "-c", "3", "-m", "4", url]],
        "curl": [["curl", "-s", "-k", "-f", "--http2", url]] * COUNT,
    }
    with agent(tmp_path) as running, killed_at_last(server):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close())
        for command in commands[client]:
            subprocess.run(command, check=True, capture_output=True)
        running.end()
    assert seen(running.events(), port) == each(COUNT)
    assert is_tls_on_a_real_socket(running, port)
    names = {(event["vantage"], event["process_name"]) for event in of_port(running, port)}
    assert names == {("client", client), ("server", "nghttpd")}


@pytest.mark.parametrize("server", ["blocking", "asyncio"])
@pytest.mark.parametrize("client", ["blocking", "asyncio"])
def test_pythons_are_seen_from_both_ends(identity: tuple[str, str], tmp_path: Path, server: str, client: str) -> None:
    with agent(tmp_path) as running, serving(python(server, *identity)) as (_, port):
        subprocess.run(python(f"call-{client}", port, COUNT), cwd=ROOT, check=True)
        running.end()
    assert seen(running.events(), port) == each(COUNT)
    assert is_tls_on_a_real_socket(running, port)


def test_go_is_seen_from_both_ends(identity: tuple[str, str], go_program: Path, tmp_path: Path) -> None:
    """The program is new to the agent: it is known by when its first connection comes."""
    with agent(tmp_path) as running, serving([str(go_program), "serve", *identity]) as (_, port):
        time.sleep(KNOWN_S)
        subprocess.run([go_program, "call", str(port), str(COUNT)], check=True)
        running.end()
    assert seen(running.events(), port) == each(COUNT)
    assert is_tls_on_a_real_socket(running, port)


def test_two_libraries_in_one_process_are_told_apart(identity: tuple[str, str], tmp_path: Path) -> None:
    """One process, OpenSSL in front and GnuTLS behind: each seen on its own socket."""
    can_build_with(OPENSSL, GNUTLS)
    program = tmp_path / "two_libraries"
    libraries = ["-lssl", "-lcrypto", "-lgnutls"]
    subprocess.run(["cc", "-o", program, PROGRAMS / "two_libraries.c", *libraries], check=True)
    with (
        agent(tmp_path) as running,
        serving(python("blocking", *identity)) as (_, behind),
        serving([str(program), *identity, str(behind)]) as (proxy, front),
    ):
        subprocess.run(python("call-blocking", front, COUNT), cwd=ROOT, check=True)
        proxy.wait(timeout=60)
        running.end()
    for port, vantage in ((front, "server"), (behind, "client")):
        assert seen(running.events(), port) == each(COUNT)
        assert is_tls_on_a_real_socket(running, port)
        by = {(one["process_id"], one["process_name"]) for one in of_port(running, port) if one["vantage"] == vantage}
        assert by == {(proxy.pid, "two_libraries")}


@pytest.mark.parametrize("server", ["blocking", "asyncio"])
def test_a_connection_older_than_the_agent_is_joined(identity: tuple[str, str], tmp_path: Path, server: str) -> None:
    with serving(python(server, *identity)) as (_, port):
        check_joined(BlockingClient(port), port, tmp_path)


def test_the_attacher_has_one_right_and_ends_with_the_observer(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        (attacher,) = (int(one) for one in children if b"tls_keeper" in Path(f"/proc/{one}/cmdline").read_bytes())
        status = Path(f"/proc/{attacher}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["65534"] * 4
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 1 << 2 | 1 << 19
        assert fields["NoNewPrivs"] == "1"
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        assert ended(attacher)


def test_a_dead_attacher_is_counted_and_another_one_goes_on(identity: tuple[str, str], tmp_path: Path) -> None:
    with agent(tmp_path) as running, serving(python("blocking", *identity)) as (_, port):
        (keeper,) = (one for one in children(running.process.pid) if b"tls_keeper" in command_line(one))
        for _ in range(2):
            (attacher,) = children(keeper)
            os.kill(attacher, signal.SIGKILL)
            assert ended(attacher)
            next_one(keeper, attacher)
        waits(children(keeper)[-1])  # its first look at every process is over
        subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
        said = running.end()
    assert seen(running.events(), port) == each(COUNT)
    assert "2 tls_attacher_deaths" in said


def next_one(keeper: int, before: int) -> None:
    until = time.monotonic() + 60
    while not set(children(keeper)) - {before}:
        assert time.monotonic() < until
        time.sleep(0.02)


def waits(process_id: int) -> None:
    until = time.monotonic() + 60
    while Path(f"/proc/{process_id}/syscall").read_text().split()[0] not in {"232", "281"}:  # epoll_wait, epoll_pwait
        assert time.monotonic() < until
        time.sleep(0.05)


def children(process_id: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def command_line(process_id: int) -> bytes:
    return Path(f"/proc/{process_id}/cmdline").read_bytes()


def ended(process_id: int) -> bool:
    """Wait until a process is gone, or dead and not yet collected."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False
