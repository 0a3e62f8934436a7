"""A TLS library that serves no SBI is let go: its probes are taken off, its programs go on unharmed."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chattering import PYTHON, begin, chattering, line_of, own_libraries
from tests.kernel import LIVE
from tests.test_agent_live import Agent, agent, each, seen
from tests.test_tls_live import ROOT, children, command_line, followed, identity, python, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
COUNT = 23
LINKS = 2  # of a file: at the entry and at the return of its functions
WAIT_S = 60.0


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Return a folder with OpenSSL's libraries."""
    if not PYTHON.exists() or not own_libraries(tmp_path / "lib"):
        pytest.skip(f"no {PYTHON} with OpenSSL beside it")
    return tmp_path / "lib"


def links(running: Agent, library: Path) -> int:
    """Return how many links of a library the attacher holds; of all where the kernel does not say it (before 6.16)."""
    (keeper,) = (one for one in children(running.process.pid) if b"tls_keeper" in command_line(one))
    (attacher,) = children(keeper)
    place = Path(f"/proc/{attacher}")
    held = [file.name for file in (place / "fd").iterdir() if "bpf_link" in os.readlink(file)]  # noqa: PTH115 (no path)
    told = [(place / "fdinfo" / name).read_text() for name in held]
    return sum("\npath:" not in one or f"\npath:\t{library}\n" in one for one in told)


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
        before = links(running, own)
        with chattering(libraries, identity) as foreign:
            assert line_of(foreign) == str(own)
            until(lambda: links(running, own) == before + LINKS)
            begin(foreign)
            assert line_of(foreign) == "200"
            until(lambda: links(running, own) == before)
            subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
            assert [line_of(foreign) for _ in range(2)] == ["400", "600"]
        running.end()
    assert seen(running.events(), port) == each(2 * COUNT)
