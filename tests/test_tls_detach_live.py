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


def links(running: Agent) -> int:
    """Return how many links the attacher holds."""
    (keeper,) = (one for one in children(running.process.pid) if b"tls_attacher" in command_line(one))
    (attacher,) = children(keeper)
    named = [os.readlink(file) for file in Path(f"/proc/{attacher}/fd").iterdir()]  # noqa: PTH115 (no path)
    return sum("bpf_link" in name for name in named)


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_library_that_speaks_of_something_else_is_let_go_and_sbi_beside_it_is_seen(
    libraries: Path, identity: tuple[str, str], tmp_path: Path
) -> None:
    with agent(tmp_path) as running, serving(python("blocking", *identity)) as (_, port):
        subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
        before = links(running)
        assert before >= LINKS
        with chattering(libraries, identity) as foreign:
            assert line_of(foreign).startswith(str(libraries))
            until(lambda: links(running) == before + LINKS)
            begin(foreign)
            assert line_of(foreign) == "200"
            until(lambda: links(running) == before)
            subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
            assert [line_of(foreign) for _ in range(2)] == ["400", "600"]
        running.end()
    assert seen(running.events(), port) == each(2 * COUNT)
