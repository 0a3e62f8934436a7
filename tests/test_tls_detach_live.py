"""Probes come onto a TLS library and are taken off while programs go on: without SBI, by back-off's last step."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.message import Vantage
from collector.probes import Probes
from collector.record import TLS_OFF, TLS_PROBED
from collector.window import Dials
from schemas.config import Collector
from tests.chattering import PYTHON, begin, chattering, line_of, own_libraries
from tests.kernel import LIVE
from tests.live_peers import Recorder, connected, observed, pattern, receive
from tests.test_agent_live import agent, each, seen
from tests.test_tls_live import ROOT, children, command_line, followed, identity, killed_at_last, python, serving
from tests.tls_peers import BODY, BlockingClient

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
COUNT = 23
LINKS = 2  # of a file: at the entry and at the return of its functions
WAIT_S = 60.0
FORKS = """
import os, ssl, sys
from tests import tls_peers
print("mapped", flush=True)
assert sys.stdin.readline() == "fork\\n"
if not os.fork():
    tls_peers.main()
elif {stays}:
    os.wait()
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Return a folder with OpenSSL's libraries."""
    if not PYTHON.exists() or not own_libraries(tmp_path / "lib"):
        pytest.skip(f"no {PYTHON} with OpenSSL beside it")
    return tmp_path / "lib"


def links(supervisor: int, library: Path | None = None) -> int:
    """Return how many links the attacher holds, of a library; of all where the kernel does not say it (before 6.16)."""
    (keeper,) = (one for one in children(supervisor) if b"tls_keeper" in command_line(one))
    (attacher,) = children(keeper)
    place = Path(f"/proc/{attacher}")
    told = [said for file in (place / "fd").iterdir() if (said := link_said(file))]
    return sum(library is None or "\npath:" not in one or f"\npath:\t{library}\n" in one for one in told)


def link_said(file: Path) -> str:
    """Return what the kernel says of a descriptor that is a link; nothing of others, or of one closed meanwhile."""
    with suppress(FileNotFoundError):
        if "bpf_link" in os.readlink(file):  # noqa: PTH115 (no path)
            return (file.parent.parent / "fdinfo" / file.name).read_text()
    return ""


def openssl_of_ours() -> Path:
    """Return the library that this process's own Python, and so the peers', has loaded."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return Path(next(line.split()[-1] for line in lines if "/libssl" in line))


def is_reading(thread: threading.Thread) -> bool:
    """Tell whether a thread is within read(2), number 0, as it is within SSL_read of a silent peer."""
    return Path(f"/proc/self/task/{thread.native_id}/syscall").read_text().split()[0] == "0"


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_library_that_speaks_of_something_else_is_let_go_and_sbi_beside_it_is_seen(
    libraries: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    (own,) = libraries.glob("libssl*")
    with agent(tmp_path) as running, serving(python("blocking", *identity)) as (_, port):
        subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
        before = links(running.process.pid, own)
        with chattering(libraries, identity) as foreign:
            assert line_of(foreign) == str(own)
            until(lambda: links(running.process.pid, own) == before + LINKS)
            begin(foreign)
            assert line_of(foreign) == "200"
            until(lambda: links(running.process.pid, own) == before)
            subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
            assert [line_of(foreign) for _ in range(2)] == ["400", "600"]
        running.end()
    assert seen(running.events(), port) == each(2 * COUNT)


def test_who_was_silent_while_others_let_its_library_go_is_followed_and_they_are_not(
    libraries: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    """Then the library is probed for each process that maps it alone, until its own calls let it go."""
    (own,) = libraries.glob("libssl*")
    server = ["env", f"LD_LIBRARY_PATH={libraries}", *python("blocking", *identity)]
    with agent(tmp_path) as running, serving(server) as (silent, port), chattering(libraries, identity) as foreign:
        let_go_by(foreign, running.process.pid, own, silent.pid)
        subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
        silent.kill()
        silent.wait()
        until(lambda: links(running.process.pid, own) == 0)
        running.end()
    assert seen(running.events(), port) == each(COUNT)


@pytest.mark.parametrize("stays", [True, False], ids=["as a server's worker", "as a daemon"])
def test_what_a_silent_process_forks_is_followed_too(
    stays: bool, libraries: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    (own,) = libraries.glob("libssl*")
    program = FORKS.format(stays=stays)
    command = ["env", f"LD_LIBRARY_PATH={libraries}", sys.executable, "-c", program, "blocking", *identity]
    with agent(tmp_path) as running, killed_at_last(command) as silent, chattering(libraries, identity) as foreign:
        assert silent.stdin is not None and silent.stdout is not None
        assert silent.stdout.readline() == "mapped\n"
        let_go_by(foreign, running.process.pid, own, silent.pid)
        silent.stdin.write("fork\n")
        silent.stdin.flush()
        port = int(silent.stdout.readline())
        if not stays:
            until(lambda: links(running.process.pid, own) == 0)
        until(lambda: links(running.process.pid, own) == LINKS * (1 + stays))
        subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
        running.end()
    assert seen(running.events(), port) == each(COUNT)


def let_go_by(foreign: "subprocess.Popen[str]", supervisor: int, own: Path, silent: int) -> None:
    """Let a program without SBI call, and wait until a library is probed for the other process alone."""
    if str(own) not in Path(f"/proc/{silent}/maps").read_text():
        pytest.skip("this Python has OpenSSL from elsewhere")
    assert line_of(foreign) == str(own)
    until(lambda: links(supervisor, own) == LINKS)
    begin(foreign)
    until(lambda: links(supervisor, own) == 2 * LINKS)
    until(lambda: links(supervisor, own) == LINKS)


def test_back_off_takes_every_probe_off_and_a_connection_from_before_is_joined_anew(identity: tuple[str, str]) -> None:
    recorder = Recorder()
    with serving(python("blocking", *identity)) as (_, port):
        probes = Probes(begun(replace(Collector(), ports=str(port))))
        assert probes.await_tls()
        dials, ours = Dials(probes.maps), openssl_of_ours()  # others' programs come and go on this node
        before = links(os.getpid(), ours)
        with observed(KernelSource(probes.window(), 5, detach=probes.close), recorder):
            client = BlockingClient(port)
            for is_off in (0, 1, 0):
                dials.control(TLS_OFF, is_off)
                until(lambda off=is_off: links(os.getpid(), ours) == (0 if off else before))  # type: ignore[misc]
                until(lambda off=is_off: not off or links(os.getpid()) == 0)  # type: ignore[misc]
                for _ in range(COUNT):
                    client.exchange()
            client.close()
    assert before > 0
    for vantage in (Vantage.CLIENT, Vantage.SERVER):
        own = [one for one in recorder.taken if one.ends.tls and one.ends.vantage is vantage]
        first, second = (one for one in own if one.ends.server_port == port)
        assert (first.from_start, second.from_start) == (True, False)
        for one in (first, second):
            assert one.gaps == []
            said = vantage, recorder.counters.by_reason, recorder.traffic.by_reason
            assert one.text[False].count(BODY) == COUNT, said


def test_what_a_thread_says_is_its_own_if_the_probes_went_while_it_was_within_a_call(identity: tuple[str, str]) -> None:
    recorder, are_back, said = Recorder(), threading.Event(), pattern(997)
    with serving(python("blocking", *identity)) as (_, port):
        probes = Probes(begun(Collector()))
        assert probes.await_tls()
        dials, ours = Dials(probes.maps), openssl_of_ours()
        before = links(os.getpid(), ours)
        with observed(KernelSource(probes.window(), 5, detach=probes.close), recorder), connected() as (asks, answers):
            ends = asks.getsockname()[1], asks.getpeername()[1]
            client = BlockingClient(port)
            client.exchange()

            def wait_and_say() -> None:
                client.await_nothing()
                are_back.wait(WAIT_S)
                asks.sendall(said)
                receive(answers, len(said))

            thread = threading.Thread(target=wait_and_say, daemon=True)
            thread.start()
            until(lambda: is_reading(thread))
            dials.control(TLS_OFF, 1)
            until(lambda: links(os.getpid()) == 0)
            client.hang_up()
            dials.control(TLS_OFF, 0)
            until(lambda: links(os.getpid(), ours) == before)
            are_back.set()
            thread.join(WAIT_S)
            client.close()
    assert bytes(recorder.of(Vantage.CLIENT, *ends).text[True]) == said
    assert bytes(recorder.of(Vantage.SERVER, *ends).text[True]) == said


def test_threads_that_were_silent_for_long_lose_no_word(identity: tuple[str, str]) -> None:
    recorder = Recorder()
    with serving(python("blocking", *identity)) as (_, port):
        probes = Probes(begun(replace(Collector(), ports=str(port))))
        assert probes.await_tls()
        dials = Dials(probes.maps)
        with observed(KernelSource(probes.window(), 5, detach=probes.close), recorder):
            client = BlockingClient(port)
            for later in range(COUNT):
                dials.control(TLS_PROBED, 1_000_003 * (later + 1))  # the server's thread is within a call
                client.exchange()
            client.close()
    for vantage in (Vantage.CLIENT, Vantage.SERVER):
        (own,) = (one for one in recorder.taken if one.ends.vantage is vantage and one.ends.server_port == port)
        assert (own.ends.tls, own.from_start, own.gaps) == (True, True, [])
        assert own.text[False].count(BODY) == COUNT


def test_the_first_call_on_memory_is_tied_to_what_its_thread_has_just_received(identity: tuple[str, str]) -> None:
    recorder = Recorder()
    with serving(python("asyncio", *identity)) as (process, port):
        client = BlockingClient(port)
        client.exchange()
        probes = Probes(begun(Collector()))
        assert probes.await_tls()
        with observed(KernelSource(probes.window(), 5, detach=probes.close), recorder):
            for _ in range(COUNT):
                client.exchange()
            client.close()
    (own,) = (one for one in recorder.taken if one.ends.tls and one.ends.process_id == process.pid)
    # Of one joined late the lower port is taken for the server's.
    assert ({own.ends.client_port, own.ends.server_port}, own.from_start, own.gaps) == ({client.port, port}, False, [])
    assert sum(text.count(BODY) for text in own.text.values()) == COUNT
