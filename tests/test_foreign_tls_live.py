"""OpenSSL 1.1 and BoringSSL as wheels bring them: each byte and message from both ends, on its socket, told once."""

import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from collector.kernel_source import KernelSource
from collector.loading import Loading, begun
from collector.message import Vantage
from collector.probes import Probes
from collector.record import TLS_BYTES, head_of
from tests import netty_peers, unseen_tls
from tests.foreign_tls import Client, Library, brought_by, calls, serves
from tests.kernel import LIVE
from tests.live_peers import PREFACE, Recorder, observed
from tests.live_programs import CONNECTIONS, COUNT, POLICY, by_library, had, nghttpd, said_by
from tests.test_agent_live import Agent, agent, each, nghttp, seen
from tests.test_bytes_live import AGENT, check_said, ends, exchanges
from tests.test_http2_live import program
from tests.test_kernel_live import difference
from tests.test_logged_live import as_told
from tests.test_loss_live import SMALLEST_RING, drained, streams
from tests.test_tls_detach_live import LINKS, links, until
from tests.test_tls_live import check_joined, followed, identity, is_tls_on_a_real_socket, python, serving

__all__ = ["followed", "identity", "nghttp", "program"]  # fixtures
pytestmark = LIVE
MANY, FEW = 149, 7
UNREAD = 61  # exchanges, of which the smallest ring holds half; HTTP/2's first window takes 72 answers
KNOWN_S = 0.5  # a new file of a new process is probed long before
READ_S = 0.5  # the server reads a client's last words
LAZILY = "OpenSSL 1.1, handshake by a read or write"
PAIRS = {
    "OpenSSL 1.1": ("openssl11", "plain", "plain"),
    "OpenSSL 1.1, _ex": ("openssl11", "counting", "counting"),
    LAZILY: ("openssl11", "lazy", "lazy"),
    "OpenSSL 1.1 on memory": ("openssl11", "memory", "memory"),
    "BoringSSL": ("boringssl", "plain", "plain"),
    "BoringSSL, handshake by a read or write": ("boringssl", "lazy", "lazy"),
    "BoringSSL, requests within the handshake": ("boringssl", "early", "early"),
    "BoringSSL on memory": ("boringssl", "memory", "memory"),
    "BoringSSL on memory, handshake by a read or write": ("boringssl", "lazy-memory", "lazy-memory"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_messages_are_those_that_were_had_and_bytes_alike_at_both_ends(
    identity: tuple[str, str], tmp_path: Path, pair: str
) -> None:
    """The server is older than the agent; its connections are not."""
    recorder = Recorder()
    with by_library(*PAIRS[pair])(tmp_path, identity) as peers:
        probes = Probes(begun(replace(AGENT, ports=str(peers.port))))
        assert probes.await_tls()
        with observed(KernelSource(probes.window(), AGENT.consume_ms, detach=probes.close), recorder):
            said = peers.ask(peers.port)
    found = {}
    for port, by_vantage in ends(recorder, peers.port, True).items():
        client, server = by_vantage[Vantage.CLIENT], by_vantage[Vantage.SERVER]
        # OpenSSL makes such a handshake by no function of its own: for all that is known the stream began before.
        assert client.from_start == server.from_start == (pair != LAZILY)
        assert client.gaps == server.gaps == []
        assert client.text[True].startswith(PREFACE)
        assert not difference(client.text[True], bytes(server.text[True]))
        assert server.text[False].startswith(client.text[False])
        found[port] = exchanges(port, bytes(client.text[True]), bytes(client.text[False]))
    check_said(said, found)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_program_started_after_the_agent_is_seen(identity: tuple[str, str], tmp_path: Path, pair: str) -> None:
    library, server, client = PAIRS[pair]
    with agent(tmp_path, "--plain-identifiers") as running, serving(serves(library, server, identity)) as (_, port):
        time.sleep(KNOWN_S)
        said = had(said_by(calls(library, client, port, COUNT, CONNECTIONS)))
        running.end()
    assert len(said) == (CONNECTIONS + (client == "early")) * COUNT
    assert is_tls_on_a_real_socket(running, port)
    for vantage in ("client", "server"):
        assert sorted(as_told(running.events(), port, vantage, is_tls=True)) == sorted(said)


def test_netty_with_boringssl_on_memory_is_seen(identity: tuple[str, str], tmp_path: Path) -> None:
    """A few threads serve every connection, by a library that Java takes out of a jar."""
    peers = netty_peers.built(tmp_path)
    with agent(tmp_path, "--plain-identifiers") as running, serving([*peers, "serve", *identity]) as (_, port):
        time.sleep(KNOWN_S)
        said = had(said_by([*peers, "call", *map(str, (port, COUNT, CONNECTIONS))]))
        running.end()
    assert len(said) == CONNECTIONS * COUNT
    assert is_tls_on_a_real_socket(running, port)
    for vantage in ("client", "server"):
        assert sorted(as_told(running.events(), port, vantage, is_tls=True)) == sorted(said)


@pytest.mark.parametrize(("library", "way"), [("openssl11", "counting"), ("boringssl", "plain")])
def test_many_connections_at_once_are_told_apart(
    identity: tuple[str, str], tmp_path: Path, library: str, way: str
) -> None:
    with serving(serves(library, way, identity)) as (_, port), agent(tmp_path, "--plain-identifiers") as running:
        said = had(said_by(calls(library, way, port, FEW, MANY)))
        last = running.end()
    assert "nothing lost" in last
    assert len({one.client_port for one in said}) == MANY
    for vantage in ("client", "server"):
        assert sorted(as_told(running.events(), port, vantage, is_tls=True)) == sorted(said)


@pytest.mark.parametrize("library", ["openssl11", "boringssl"])
def test_a_connection_older_than_the_agent_is_joined(identity: tuple[str, str], tmp_path: Path, library: str) -> None:
    with serving(serves(library, "plain", identity)) as (_, port):
        check_joined(Client(Library(library), "plain", port), port, tmp_path)


@pytest.mark.usefixtures("nghttp")
def test_a_process_with_openssl_and_boringssl_has_each_told_once(
    identity: tuple[str, str], program: Path, tmp_path: Path
) -> None:
    """Python's own ssl beside libcurl with BoringSSL and libnghttp2 in it; another program's libnghttp2 is probed."""
    with (
        agent(tmp_path, "--plain-identifiers") as running,
        serving(unseen_tls.serves(program, "memory", identity)) as (_, unseen),
        serving(python("blocking", *identity)) as (_, other),
        nghttpd(tmp_path, identity) as (port, _),
    ):
        time.sleep(KNOWN_S)
        words = [port, POLICY, COUNT, CONNECTIONS, other]
        said = had(said_by([sys.executable, "-m", "tests.curl_cffi_client", *map(str, words)]))
        asked = had(said_by(unseen_tls.calls(program, "memory", unseen, COUNT)))
        running.end()
    events = running.events()
    assert {one.method for one in said} == {"GET", "POST"}
    assert len(said) == CONNECTIONS * COUNT
    for vantage in ("client", "server"):
        assert sorted(as_told(events, port, vantage, is_tls=True)) == sorted(said)
        assert len(as_told(events, unseen, vantage, is_tls=True)) == len(asked) == COUNT
    assert seen(events, other) == each(CONNECTIONS * COUNT)
    assert len({one["process_id"] for one in events if one["vantage"] == "client"}) == 2
    odd = [one for one in events if one["server_port"] not in {port, other, unseen}]
    assert not odd, odd


def is_probed(running: Agent, file: Path) -> bool:
    return links(running.process.pid, file) >= LINKS


def test_a_file_is_probed_by_whatever_name_a_wheel_gave_it(identity: tuple[str, str], tmp_path: Path) -> None:
    files = {
        "openssl11": brought_by("psycopg2", "psycopg2_binary.libs/libssl-*.so.1.1"),
        "boringssl": brought_by("curl_cffi", "curl_cffi/_wrapper.abi3.so"),
    }
    with agent(tmp_path) as running:
        for name, file in files.items():
            with serving(serves(name, "plain", identity)):
                until(partial(is_probed, running, file.resolve()))
        running.end()


@pytest.mark.parametrize("library", ["openssl11", "boringssl"])
def test_what_was_sent_is_what_was_captured_and_what_was_lost(identity: tuple[str, str], library: str) -> None:
    """Nobody reads the ring while more exchanges go through than it can hold; then there is room again."""
    with serving(serves(library, "plain", identity)) as (_, port):
        probes = Probes(Loading(["sock", "syscall"], SMALLEST_RING, (port,)))
        assert probes.await_tls()
        window = probes.window()
        client = Client(Library(library), "plain", port)
        records = []
        for number in range(UNREAD + FEW):
            client.exchange()
            if number >= UNREAD:
                records += drained(window)
        client.close()
        time.sleep(READ_S)
        records += drained(window)
        counts = window.counts()
        probes.close()
    ends_of = streams([one for one in records if head_of(one).layer == TLS_BYTES]).values()
    wholes = {True: bytes(client.secure.sent), False: bytes(client.secure.received)}
    assert Counter(one.is_sent_by_client for one in ends_of) == {True: 2, False: 2}
    lost = sum(length for one in ends_of for _, length in one.gaps(wholes[one.is_sent_by_client]))
    captured = sum(len(piece) for one in ends_of for _, piece in one.pieces)
    assert counts["ring_full_bytes"] == lost > 0
    assert captured + lost == 2 * sum(map(len, wholes.values()))
