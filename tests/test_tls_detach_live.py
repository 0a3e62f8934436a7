"""A TLS library that serves no SBI is let go: its probes are taken off, its programs go on unharmed."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel import LIVE
from tests.test_agent_live import Agent, agent, each, seen
from tests.test_tls_live import PROGRAMS, ROOT, children, command_line, followed, identity, python, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
PYTHON = Path("/usr/bin/python3")  # its module ssl is linked with the system's library
COUNT = 23
LINKS = 2  # of a file: at the entry and at the return of its functions
WAIT_S = 60.0


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Return a folder with OpenSSL's libraries: files of their own, that no other program of this machine uses."""
    if not PYTHON.exists():
        pytest.skip(f"no {PYTHON}")
    command = [PYTHON, "-c", "import ssl; print(open('/proc/self/maps').read())"]
    maps = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {Path(line.split()[-1]) for line in maps if "libssl" in line or "libcrypto" in line}
    if not found:
        pytest.skip(f"{PYTHON} has OpenSSL in it, not beside it")
    folder = tmp_path / "lib"
    folder.mkdir()
    for file in found:
        shutil.copy(file, folder)
    return folder


@contextmanager
def chattering(libraries: Path, identity: tuple[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a program that speaks TLS, but no SBI, with libraries of its own."""
    command = [PYTHON, PROGRAMS / "chatter.py", *identity]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


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
            assert foreign.stdin is not None
            foreign.stdin.write("go\n")
            foreign.stdin.flush()
            assert line_of(foreign) == "1000"
            until(lambda: links(running) == before)
            subprocess.run(python("call-blocking", port, COUNT), cwd=ROOT, check=True)
            assert [line_of(foreign) for _ in range(2)] == ["2000", "3000"]
        running.end()
    assert seen(running.events(), port) == each(2 * COUNT)
