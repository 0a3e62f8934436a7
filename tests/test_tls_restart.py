"""collector/tls_restart.py: another attacher after each death, none after an orderly end or the agent's own."""

import os
import signal
import socket
from pathlib import Path

import pytest

from collector import tls_restart


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
