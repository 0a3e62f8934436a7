"""Nodes that share a kernel (containers as nodes: kind): an agent tells of its own processes, by its own numbers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from deploy.demo_peers import producers, talk
from tests.kernel import LIVE

pytestmark = LIVE
ROOT = Path(__file__).parent.parent
COUNT = 23
NESTED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
NODE = """
import json, os, subprocess, sys
from deploy.demo import observing_line
from deploy.demo_peers import Consumer

command = [sys.executable, "-m", "deploy.cli", "collect", "--to", sys.argv[1]]
agent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
observing_line(agent.stderr)
print("observing", flush=True)
for line in sys.stdin:
    port, count = map(int, line.split())
    consumer = Consumer(port)
    ports = {consumer.exchange(number).client_port for number in range(count)}
    print(json.dumps({"process": os.getpid(), "ports": sorted(ports)}), flush=True)
agent.terminate()
agent.communicate()
"""


class Node:
    """Processes in a namespace of process ids of their own: an agent, and who talks on a word."""

    def __init__(self, asks: IO[str], answers: IO[str]) -> None:
        self._asks, self._answers = asks, answers

    def talk(self, port: int, count: int) -> dict[str, Any]:
        self._asks.write(f"{port} {count}\n")
        self._asks.flush()
        told: dict[str, Any] = json.loads(self._answers.readline())
        return told


@contextmanager
def node(lines: Path, only_own: bool) -> Iterator[Node]:
    if (done := subprocess.run([*NESTED, "true"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"no namespace of process ids can be made here: {done.stderr.strip()}")  # as in a chroot
    words = [*NESTED, sys.executable, "-c", NODE, str(lines)]
    environment = {**os.environ, "SBISCOPE_COLLECTOR_ONLY_OWN_PROCESSES": str(only_own).lower()}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=environment, **pipes) as running:
        assert running.stdin is not None and running.stdout is not None
        try:
            assert running.stdout.readline() == "observing\n"
            yield Node(running.stdin, running.stdout)
            running.stdin.close()
            running.wait(30)
        finally:
            running.kill()


@pytest.mark.parametrize("only_own", [True, False])
def test_an_agent_of_a_nested_node(tmp_path: Path, only_own: bool) -> None:
    lines = tmp_path / "events.jsonl"
    with producers() as port, node(lines, only_own) as one:
        inside = one.talk(port, COUNT)
        outside = {(exchange.client_port, exchange.server_port) for exchange in talk(COUNT)}
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    by_ports = [((event["client_port"], event["server_port"]), event) for event in events]  # a client's may come again
    own = {(one, port) for one in inside["ports"]}
    seen = {(event["vantage"], event["process_id"]) for ports, event in by_ports if ports in own}
    beyond = {event["process_id"] for ports, event in by_ports if ports in outside}
    assert inside["process"] == 1  # as its own namespace has it
    if only_own:
        assert (seen, beyond) == ({("client", 1)}, set())
    else:
        assert (seen, beyond) == ({("client", 1), ("server", None)}, {None})
