"""collector/tls_keeper.c and .py: another attacher after each death, none after an orderly end or the agent's own.

Also what holds a keeper, collector/tls_attachment.py."""

import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector import record
from collector.own_process import command
from collector.tls_attachment import TlsAttachment
from collector.tls_keeper_start import COMPILED

ROOT = Path(__file__).parent.parent
KEEPERS = {"compiled": [COMPILED], "python": command("collector.tls_keeper")}
# What is kept adds a dot to a file. First it is killed, then it fails, then it ends as it should.
THRICE = """
import os, sys
with open(sys.argv[1], "ab") as file:
    file.write(b".")
    before = file.tell()
if before == 1:
    os.kill(os.getpid(), 9)
sys.exit(7 if before == 2 else 0)
"""


@pytest.fixture(params=KEEPERS)
def keeper(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "compiled" and not Path(COMPILED).exists():
        pytest.skip("the keeper is not compiled here")
    return KEEPERS[str(request.param)]


@contextmanager
def counters() -> Iterator[int]:
    descriptor = os.memfd_create("counters")
    os.truncate(descriptor, mmap.PAGESIZE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def kept(keeper: list[str], control: int, counters: int, *program: str) -> tuple[int, str]:
    """Run a keeper until it ends; return its exit status and what it said."""
    done = subprocess.run(
        [*keeper, str(control), str(counters), *program],
        pass_fds=[control, counters],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stderr


def test_another_begins_until_one_ends_in_order_and_each_death_is_counted(keeper: list[str], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    ours, theirs = socket.socketpair()
    with ours, theirs, counters() as deaths:
        # As by the first, whose probes end with it.
        os.pwrite(deaths, (1).to_bytes(8, sys.byteorder), 8 * record.TLS_PROBED)
        status, said = kept(keeper, theirs.fileno(), deaths, sys.executable, "-c", THRICE, str(begun))
        words = memoryview(os.pread(deaths, mmap.PAGESIZE, 0)).cast("Q")
    assert (status, begun.read_text()) == (0, "...")
    assert {place: word for place, word in enumerate(words) if word} == {record.TLS_DEATHS: 2}
    assert said.splitlines() == [
        "sbiscope: the attacher of TLS was ended by signal 9; another begins in 0.2 s, TLS until then is not seen",
        "sbiscope: the attacher of TLS ended with 7; another begins in 0.4 s, TLS until then is not seen",
    ]


def test_no_other_one_begins_when_the_agent_has_ended(keeper: list[str], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs, counters() as deaths:
        assert kept(keeper, theirs.fileno(), deaths, sys.executable, "-c", THRICE, str(begun)) == (0, "")
    assert begun.read_text() == "."


def test_another_begins_though_a_death_cannot_be_counted(keeper: list[str], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    ours, theirs = socket.socketpair()
    with ours, theirs:  # a socket is no map
        status, said = kept(keeper, theirs.fileno(), theirs.fileno(), sys.executable, "-c", THRICE, str(begun))
    assert (status, begun.read_text()) == (0, "...")
    assert said.count("was not counted: No such device") == 2


def test_what_cannot_be_begun_is_told_and_tried_again_until_the_agent_ends(keeper: list[str]) -> None:
    ours, theirs = socket.socketpair()
    with counters() as deaths, theirs:
        words = [*keeper, str(theirs.fileno()), str(deaths), "/nonexistent"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        fds = [theirs.fileno(), deaths]
        with subprocess.Popen(words, pass_fds=fds, stderr=subprocess.PIPE, text=True, env=environment) as running:
            assert running.stderr is not None
            assert "ended with 127; another begins in 0.2 s" in running.stderr.readline()
            assert "ended with 127; another begins in 0.4 s" in running.stderr.readline()
            ours.close()
            assert running.wait(10) == 0


def test_a_killed_keeper_takes_what_it_kept_with_it(keeper: list[str]) -> None:
    ours, theirs = socket.socketpair()
    program = "import os; print(os.getpid(), flush=True); import time; time.sleep(60)"
    with ours, theirs, counters() as deaths:
        words = [*keeper, str(theirs.fileno()), str(deaths), sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        fds = [theirs.fileno(), deaths]
        with subprocess.Popen(words, pass_fds=fds, stdout=subprocess.PIPE, text=True, env=environment) as running:
            assert running.stdout is not None
            assert int(running.stdout.readline()) > 0
            running.kill()
            assert running.stdout.read() == ""  # until the last who could write has ended


def test_who_waits_for_one_that_was_ended_is_told_no() -> None:
    one = TlsAttachment({})
    one.end()
    assert not one.await_scan()
    assert not one.is_alive
