"""collector/tls_restart.py: another attacher after each death, none after an orderly end or the agent's own.

Also what keeps it, collector/tls_keeper.py, and what holds that, collector/tls_attachment.py."""

import mmap
import os
import signal
import socket
from pathlib import Path

import pytest

from collector import record, tls_keeper, tls_restart
from collector.tls_attachment import TlsAttachment


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_restart, "FIRST_PAUSE_S", 0.01)


@pytest.mark.usefixtures("pauses")
def test_it_is_begun_again_until_it_ends_in_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    begun, deaths = tmp_path / "begun", []

    def run() -> None:
        before = begun.stat().st_size if begun.exists() else 0
        with begun.open("ab") as file:
            file.write(b".")
        if before == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if before == 1:
            raise RuntimeError("as told")

    with ours, theirs:
        tls_restart.kept(run, theirs.fileno(), lambda: deaths.append(1))
    assert (begun.stat().st_size, len(deaths)) == (3, 2)
    # A librdkafka client of another test may still look for its broker on this process's stderr.
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sbiscope:")]
    assert [line.partition(";")[0] for line in said] == [
        "sbiscope: the attacher of TLS was ended by signal 9",
        "sbiscope: the attacher of TLS failed: RuntimeError('as told')",
        "sbiscope: the attacher of TLS ended with 1",
    ]


def test_no_other_one_begins_when_the_agent_has_ended() -> None:
    ours, theirs = socket.socketpair()
    deaths: list[int] = []
    with theirs:
        ours.close()
        tls_restart.kept(lambda: os.kill(os.getpid(), signal.SIGKILL), theirs.fileno(), lambda: deaths.append(1))
    assert not deaths


@pytest.mark.usefixtures("pauses")
def test_another_begins_though_a_death_cannot_be_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    begun = tmp_path / "begun"

    def run() -> None:
        if not begun.exists():
            begun.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def count() -> None:
        raise MemoryError

    with ours, theirs:
        tls_restart.kept(run, theirs.fileno(), count)
    assert "not counted: MemoryError()" in capfd.readouterr().err


def test_a_death_is_counted_where_the_record_says() -> None:
    assert tls_keeper.TLS_DEATHS == record.TLS_DEATHS
    counters = os.memfd_create("counters")
    try:
        os.truncate(counters, mmap.PAGESIZE)
        tls_keeper.count_death(counters)
        tls_keeper.count_death(counters)
        words = memoryview(os.pread(counters, mmap.PAGESIZE, 0)).cast("Q")
    finally:
        os.close(counters)
    assert {place: word for place, word in enumerate(words) if word} == {record.TLS_DEATHS: 2}


def test_who_waits_for_one_that_was_ended_is_told_no() -> None:
    one = TlsAttachment({})
    one.end()
    assert not one.await_scan()
    assert not one.is_alive
