"""`make demo` does what the README shows, line for line; a second run is quick and counts nothing twice."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.demo import live_hindrance
from deploy.demo_peers import talk
from deploy.stack.jars import fetch
from schemas.config import load
from tests.broker import free_ports
from tests.test_hosts_live import host_of_its_own

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TIMED = re.compile(r"\d[\d.,]* (s|ms|µs)\b")

pytestmark = pytest.mark.stack


def shape(line: str) -> str:
    """Return a line without what differs from run to run: times."""
    return " ".join(TIMED.sub(r"# \1", line).split())


def shown() -> list[str]:
    """Return the lines that the README shows of a first run."""
    block = README.partition("```console\n$ make demo\n")[2].partition("```")[0]
    return [shape(line) for line in block.splitlines() if line.strip()]


def run(namespace: str, module: str, *words: str) -> list[str]:
    command = ["nsenter", f"--net={namespace}", sys.executable, "-m", module, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def namespace() -> Iterator[str]:
    """Keep a network namespace: other tests' connections, which an agent may join in their midst, are not in it."""
    if why := live_hindrance(load(None)):
        pytest.skip(f"the README shows a run with live capture, and there is none here: {why}")
    fetch(print)  # nothing outside can be reached from within
    with host_of_its_own() as keeper:
        yield f"/proc/{keeper}/ns/net"


@pytest.fixture
def place(namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the demo a directory and ports of its own; its stack is down afterwards."""
    kafka, controller, clickhouse = free_ports(3)
    monkeypatch.setenv("SBISCOPE_STACK_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("SBISCOPE_STACK_KAFKA_PORT", str(kafka))
    monkeypatch.setenv("SBISCOPE_STACK_KAFKA_CONTROLLER_PORT", str(controller))
    monkeypatch.setenv("SBISCOPE_STACK_CLICKHOUSE_PORT", str(clickhouse))
    yield tmp_path
    run(namespace, "deploy.cli", "down")


@contextmanager
def others_talk() -> Iterator[None]:
    """Let other programs of this host talk SBI all the while: the demo's agent sees them, the demo counts its own."""
    over = threading.Event()

    def chat() -> None:
        while not over.is_set():
            talk(23)

    chatting = threading.Thread(target=chat)
    chatting.start()
    try:
        yield
    finally:
        over.set()
        chatting.join()


def test_the_demo_prints_what_the_readme_shows_and_counts_nothing_twice(
    namespace: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBISCOPE_COLLECTOR_NETWORK_NAMESPACES", namespace)
    first = [shape(line) for line in run(namespace, "deploy.demo")]
    wanted = shown()
    assert wanted
    assert [line for line in first if line in wanted] == wanted, "\n".join(first)
    assert (place / "report.html").stat().st_size > 10_000
    monkeypatch.delenv("SBISCOPE_COLLECTOR_NETWORK_NAMESPACES")
    with others_talk():
        again = [shape(line) for line in run(namespace, "deploy.demo")]
    arrived = [line for line in first if "in ClickHouse, each once" in line]
    assert [line for line in again if "in ClickHouse, each once" in line] == arrived
    assert any("nothing is loaded twice" in line for line in again)
