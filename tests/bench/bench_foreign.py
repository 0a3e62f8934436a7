"""What traffic that is no SBI costs the agent, and what the agent costs it; JSON lines. As root.

python -m tests.bench.bench_foreign [--rounds N] [--seconds S]

Bulk: one TCP connection of 1 Gbit/s in writes of 64 KiB beside the steady load of bench_agent, with it and without:
under the agent, in turn, then under tcpdump and tshark; both look at its port too. TLS: a program that speaks with
itself as fast as it can, over a TLS library of its own: alone, just met by an agent, once its library is known to serve
no SBI and is let go, and alone again.
"""

import argparse
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.agent_process import agent
from tests.bench.bench_agent import Run, packets
from tests.bench.line import show
from tests.bench.peers import free_port, peers
from tests.chattering import begin, chattering, line_of, own_libraries
from tests.mock_broker import mock_broker

WRITE_BYTES = 65_536
BULK_BYTES_S = 125_000_000
CALLS = 4  # of TLS for an exchange: both ends are in the program
SENDER = """
import socket, sys, time
link, piece, rate = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), bytes(65536), int(sys.argv[2])
began, sent = time.monotonic(), 0
while True:
    link.sendall(piece)
    sent += len(piece)
    time.sleep(max(0.0, sent / rate - (time.monotonic() - began)))
"""


class Sink:
    """Takes what comes on a port, and knows how much it was."""

    def __init__(self, port: int) -> None:
        self.octets = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        room = bytearray(WRITE_BYTES)
        while True:
            link, _ = self._listener.accept()
            while count := link.recv_into(room):
                self.octets += count


@contextmanager
def bulk(port: int) -> Iterator[None]:
    """Send 1 Gbit/s to a port as long as the block lasts."""
    command = [sys.executable, "-c", SENDER, str(port), str(BULK_BYTES_S)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sender:
        time.sleep(0.5)
        try:
            yield
        finally:
            sender.kill()


def beside_bulk(rounds: int, seconds: float, place: Path) -> None:
    """CPU for a message, the agent's and the packet tools', with and without foreign traffic on a port looked at."""
    port = free_port()
    sink = Sink(port)
    without: list[float] = []
    beside: list[float] = []
    rates: list[float] = []
    with mock_broker() as bootstrap, peers(place) as both:
        with agent(bootstrap, [*both.ports, port]) as running:
            both.steady(False, 1.0)
            for _ in range(rounds):
                without.append(Run(both, False, seconds, running).agent_us)
                with bulk(port):
                    octets, began_s = sink.octets, time.monotonic()
                    beside.append(Run(both, False, seconds, running).agent_us)
                    rates.append((sink.octets - octets) * 8e-9 / (time.monotonic() - began_s))
            lost = re.search(r"lost: (.*)", running.end())
        tools = packets(both, place, seconds, port)
        with bulk(port):
            tools_beside = packets(both, place, seconds, port)
    growth = [more / less for more, less in zip(beside, without, strict=True)]
    show("agent, h2c: CPU a message beside foreign TCP", statistics.median(beside), "us", "without it",
         statistics.median(without), foreign_gbit_s=round(statistics.median(rates), 2),
         spread=[round(min(growth), 3), round(max(growth), 3)], lost=lost[1] if lost else "nothing")  # fmt: skip
    show("tcpdump + tshark -T fields: the same", tools_beside, "us", "without it", tools)


class Heard:
    """What a chattering program has said so far, and when."""

    def __init__(self, chatter: "subprocess.Popen[str]") -> None:
        self._said: list[tuple[float, int]] = []
        self._chatter = chatter
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while line := line_of(self._chatter):
            self._said.append((time.monotonic(), int(line)))

    def rate(self, seconds: float) -> float:
        """Return its TLS calls a second in the next seconds."""
        first = len(self._said)
        time.sleep(seconds)
        (began_s, before), (ended_s, after) = self._said[first], self._said[-1]
        return CALLS * (after - before) / (ended_s - began_s)


def foreign_tls(place: Path, seconds: float) -> None:
    """A foreign program's TLS calls a second: alone, once its library is let go, alone again."""
    libraries = place / "lib"
    if not own_libraries(libraries):
        return
    identity = str(place / "certificate"), str(place / "key")
    with mock_broker() as bootstrap, chattering(libraries, identity) as chatter:
        line_of(chatter)
        begin(chatter)
        heard = Heard(chatter)
        alone = heard.rate(seconds)
        with agent(bootstrap, []) as running:
            met = heard.rate(0.5)
            time.sleep(2.0)
            after = heard.rate(seconds)
            running.end()
        again = heard.rate(seconds)
    show("foreign TLS, its library let go by the agent", after, "calls/s", "no agent", (alone + again) / 2,
         just_met=round(met))  # fmt: skip


def main() -> None:
    """Measure in turn and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=2.0)
    said = words.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        beside_bulk(said.rounds, said.seconds, Path(name))
        foreign_tls(Path(name), 2 * said.seconds)


if __name__ == "__main__":
    main()
