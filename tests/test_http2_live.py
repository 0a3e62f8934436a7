"""HTTP/2 over TLS that is not followed, by what passes libnghttp2; and never what is told already."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from collector.tls_attacher import LOOK_S
from tests.kernel import LIVE
from tests.live_programs import said_by
from tests.said import Said
from tests.test_agent_live import agent, each, free_port, nghttp, nghttpd, seen, wait_for
from tests.test_tls_detach_live import links, until
from tests.test_tls_library import library
from tests.test_tls_live import (
    children,
    command_line,
    ended,
    followed,
    identity,
    is_tls_on_a_real_socket,
    killed_at_last,
    next_one,
    of_port,
    serving,
    waits,
)
from tests.unseen_tls import built, calls, serves

__all__ = ["followed", "identity", "nghttp"]  # fixtures
pytestmark = LIVE
COUNT = 23
LINKS = 3  # of a file: behind the callback's call, at the return and at the entry of functions
KNOWN_S = 0.5  # a new file of a new process is probed long before


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program."""
    return built(tmp_path_factory.mktemp("unseen"))


def asked(program: Path, way: str, port: int, *plain: int) -> list[Said]:
    """Let the client have its exchanges; return what it says of those over TLS."""
    return [Said(**json.loads(line)) for line in said_by(calls(program, way, port, COUNT, *plain)).splitlines()]


@pytest.mark.parametrize("server", ["memory", "callback"])
@pytest.mark.parametrize("client", ["memory", "callback"])
def test_messages_over_tls_that_nobody_follows_are_seen_from_both_ends(
    program: Path, identity: tuple[str, str], tmp_path: Path, server: str, client: str
) -> None:
    with agent(tmp_path) as running, serving(serves(program, server, identity)) as (_, port):
        time.sleep(KNOWN_S)
        said = asked(program, client, port)
        running.end()
    assert len(said) == COUNT
    assert seen(running.events(), port) == each(COUNT)
    assert is_tls_on_a_real_socket(running, port)
    assert {one["client_port"] for one in of_port(running, port)} == {one.client_port for one in said}


def test_a_session_of_a_thread_without_sockets_is_told_by_its_process(
    program: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    with agent(tmp_path) as running, serving(serves(program, "handed", identity)) as (_, port):
        time.sleep(KNOWN_S)
        asked(program, "memory", port)
        running.end()
    events = [one for one in running.events() if one["process_name"] == "unseen_tls"]
    ends = {(one["vantage"], one["server_port"], one["tls"], one["ended"], one["header_state"]) for one in events}
    assert ends == {("client", port, True, "complete", "exact"), ("server", 0, True, "complete", "exact")}
    assert len(events) == 4 * COUNT


@pytest.mark.parametrize("client", ["nghttp", "h2load", "curl"])
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "cleartext"])
@pytest.mark.usefixtures("nghttp")
def test_what_is_told_already_is_told_once(
    program: Path, identity: tuple[str, str], tmp_path: Path, client: str, tls: bool
) -> None:
    """Their libnghttp2 is probed, since another program needs it; OpenSSL is followed, and cleartext captured."""
    (tmp_path / "page").write_bytes(b"{}" * 3_000)
    port = free_port()
    shown = [str(port), *identity[::-1]] if tls else ["--no-tls", str(port)]
    server = ["nghttpd", "--address=127.0.0.1", "-d", str(tmp_path), *shown]
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/page"
    commands = {
        "nghttp": [["nghttp", "-n", "-m", str(COUNT), url]],
        "h2load": [["h2load", "-n", str(COUNT), "-c", "3", "-m", "4", url]],
        "curl": [["curl", "-s", "-k", "-f", *(["--http2"] if tls else ["--http2-prior-knowledge"]), url]] * COUNT,
    }
    with (
        agent(tmp_path) as running,
        serving(serves(program, "memory", identity)) as (_, other),
        killed_at_last(server),
    ):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close())
        time.sleep(KNOWN_S)
        for command in commands[client]:
            subprocess.run(command, check=True, capture_output=True)
        asked(program, "memory", other)
        running.end()
    events = running.events()
    assert seen(events, port) == each(COUNT)
    assert seen(events, other) == each(COUNT)
    told = Counter(one["process_name"] for one in events)
    assert {name: told[name] for name in ("nghttpd", client)} == {"nghttpd": 2 * COUNT, client: 2 * COUNT}
    assert told["unseen_tls"] == 4 * COUNT


@pytest.mark.usefixtures("nghttp")
def test_a_process_with_cleartext_beside_its_tls_has_each_told_once(
    program: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "npcf-am-policy-control/v1/policies").mkdir(parents=True)
    (tmp_path / "npcf-am-policy-control/v1/policies/1").write_bytes(b"{}" * 3_000)
    with (
        agent(tmp_path) as running,
        serving(serves(program, "memory", identity)) as (_, port),
        nghttpd(tmp_path) as plain,
    ):
        time.sleep(KNOWN_S)
        asked(program, "memory", port, plain)
        running.end()
    events = running.events()
    assert seen(events, port) == seen(events, plain) == each(COUNT)
    assert {one["tls"] for one in events if one["server_port"] == plain} == {False}
    assert Counter(one["process_name"] for one in events)["unseen_tls"] == 6 * COUNT


def with_libraries(*names: str) -> list[str]:
    """Return the command of a program that waits, with these libraries in it."""
    return ["env", f"LD_PRELOAD={':'.join(str(library(name)) for name in names)}", "cat"]


def test_it_is_probed_only_while_a_program_lives_whose_tls_nothing_else_shows(tmp_path: Path) -> None:
    """Where the kernel does not say whose links there are, all are counted."""
    own = library("libnghttp2").resolve()
    with agent(tmp_path) as running, killed_at_last(with_libraries("libnghttp2", "libssl")):
        held = links(running.process.pid, own)
        with killed_at_last(with_libraries("libnghttp2")) as first:
            until(lambda: links(running.process.pid, own) == held + LINKS)
            with killed_at_last(with_libraries("libnghttp2")):
                time.sleep(KNOWN_S)
                first.kill()
                first.wait()
                time.sleep(LOOK_S + KNOWN_S)
                assert links(running.process.pid, own) == held + LINKS
        until(lambda: links(running.process.pid, own) == held)
        running.end()


FORKING = """
import ctypes, os, sys
ctypes.CDLL("libnghttp2.so.14")
print("0", flush=True)
sys.stdin.readline()
if os.fork():
    os._exit(0)
sys.stdin.read()
"""


def test_a_child_needs_it_after_its_parent(tmp_path: Path) -> None:
    """As of a server that goes to the background."""
    own = library("libnghttp2").resolve()
    with agent(tmp_path) as running:
        held = links(running.process.pid, own)
        with serving([sys.executable, "-S", "-c", FORKING]) as (parent, _):
            until(lambda: links(running.process.pid, own) == held + LINKS)
            assert parent.stdin is not None
            parent.stdin.write("\n")
            parent.stdin.flush()
            parent.wait()
            time.sleep(2 * LOOK_S)
            assert links(running.process.pid, own) == held + LINKS
            parent.stdin.close()
            until(lambda: links(running.process.pid, own) == held)
            running.end()


def test_a_dead_attacher_is_followed_by_one_that_knows_what_is_needed(
    program: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    with agent(tmp_path) as running, serving(serves(program, "memory", identity)) as (_, port):
        (keeper,) = (one for one in children(running.process.pid) if b"tls_keeper" in command_line(one))
        (attacher,) = children(keeper)
        os.kill(attacher, signal.SIGKILL)
        assert ended(attacher)
        next_one(keeper, attacher)
        waits(children(keeper)[-1])  # its first look at every process is over
        asked(program, "memory", port)
        running.end()
    assert seen(running.events(), port) == each(COUNT)
