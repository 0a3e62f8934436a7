"""One proxy beside each of ten network functions against one agent for all of them: the same load in turn; JSON lines.

python -m tests.bench.bench_sidecars [--rounds N] [--seconds S]   (as root; deploy/install.sh bench brings haproxy)

Ten nghttpd answer, each asked by a client of its own, 200 times a second for JSON bodies of 4 KB, in cleartext HTTP/2.
"Sidecars": in front of each stands haproxy with one thread, HTTP/2 on both sides, that writes a line for each request;
nothing reads the lines. A mesh has another one at the client, and ships what it sees: neither is counted here. "Agent":
one sbiscope, up to delivered Kafka batches with the meaning of each message, seen at both ends.
"""

import argparse
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.agent_process import agent, memory_mb_of
from tests.bench.line import show
from tests.bench.peers import cpu_s_of, free_port, mean_and_count, used_by_children, write_files
from tests.mock_broker import mock_broker

PODS, RATE = 10, 200  # requests a second of each
PROXY = """
global
    nbthread 1
    maxconn 200
    log stdout format raw local0
defaults
    mode http
    option httplog
    log global
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
listen pod
    bind 127.0.0.1:{outer} proto h2
    server nf 127.0.0.1:{inner} proto h2
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run took: mean time of a request, CPU of an exchange by whom, memory of what observes."""

    mean_us: float
    functions_us: float
    observing_us: float = 0.0
    rss_mb: float = 0.0
    pss_mb: float = 0.0


class Pods:
    """Ten servers, with or without a proxy each."""

    def __init__(self, place: Path, inner: Sequence[int], servers: Sequence[int]) -> None:
        self.inner = inner
        self._place = place
        self._servers = servers

    def load(self, ports: Sequence[int], seconds: float) -> tuple[float, float, int]:
        """Ask at `ports`; return the mean time in us, CPU of clients and servers in us, and how many were answered."""
        before, clients_s = sum(map(cpu_s_of, self._servers)), used_by_children()
        clients = [
            subprocess.Popen(self._client(number, port, seconds), stdout=subprocess.PIPE, text=True)
            for number, port in enumerate(ports)
        ]
        means, counts = zip(*(mean_and_count(client.communicate()[0]) for client in clients), strict=True)
        used_s = sum(map(cpu_s_of, self._servers)) - before + used_by_children() - clients_s
        return statistics.mean(means), used_s * 1e6, sum(counts)

    def _client(self, number: int, port: int, seconds: float) -> list[str]:
        files = ["-i", str(self._place / f"uris{number}"), f"--base-uri=http://127.0.0.1:{port}"]
        return ["h2load", "-c", "1", "--rps", str(RATE), "-D", str(max(1, round(seconds))), *files]


@contextmanager
def pods(place: Path) -> Iterator[Pods]:
    """Run the servers as long as the block lasts."""
    write_files(place / "files", place)
    ports = [free_port() for _ in range(PODS)]
    common = ["nghttpd", "--address=127.0.0.1", f"--mime-types-file={place / 'types'}", "-d", str(place / "files")]
    with ExitStack() as ending:
        servers = [started([*common, "--no-tls", str(port)], ending) for port in ports]
        time.sleep(0.5)
        yield Pods(place, ports, servers)


def started(command: list[str], ending: ExitStack) -> int:
    """Start a program that is killed at the end; return its number."""
    process = ending.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    ending.callback(process.kill)
    return process.pid


def alone(both: Pods, seconds: float) -> Figures:
    """Nothing observes."""
    mean_us, used_us, answered = both.load(both.inner, seconds)
    return Figures(mean_us, used_us / answered)


def with_sidecars(both: Pods, seconds: float, place: Path) -> Figures:
    """A proxy before each server."""
    with ExitStack() as ending:
        outer = [free_port() for _ in range(PODS)]
        proxies = []
        for number, (front, back) in enumerate(zip(outer, both.inner, strict=True)):
            file = place / f"proxy{number}.cfg"
            file.write_text(PROXY.format(outer=front, inner=back))
            proxies.append(started(["haproxy", "-db", "-f", str(file)], ending))
        time.sleep(1.0)
        both.load(outer, 1.0)
        before = sum(map(cpu_s_of, proxies))
        mean_us, used_us, answered = both.load(outer, seconds)
        observing_us = (sum(map(cpu_s_of, proxies)) - before) * 1e6 / answered
        memory = [sum(memory_mb_of(one, kind) for one in proxies) for kind in ("Rss", "Pss")]
        return Figures(mean_us, used_us / answered, observing_us, *memory)


def with_agent(both: Pods, seconds: float, bootstrap: str) -> Figures:
    """One agent for all."""
    with agent(bootstrap, both.inner) as running:
        both.load(both.inner, 1.0)
        running.settle()
        before = running.cpu_s()
        mean_us, used_us, answered = both.load(both.inner, seconds)
        running.settle()
        observing_us = (running.cpu_s() - before) * 1e6 / answered
        figures = Figures(mean_us, used_us / answered, observing_us, running.memory_mb("Rss"), running.memory_mb("Pss"))
        said = running.end()
        if "nothing lost" not in said:
            raise RuntimeError(said)
        return figures


def tell(name: str, runs: Sequence[Figures], bare: Sequence[Figures]) -> None:
    """Print the medians of a kind of run beside those without anything."""

    def median(values: Iterator[float]) -> float:
        return statistics.median(values)

    ratio = [run.mean_us / without.mean_us for run, without in zip(runs, bare, strict=True)]
    more = median(
        run.functions_us + run.observing_us - without.functions_us for run, without in zip(runs, bare, strict=True)
    )
    show(f"{name}: mean latency with / without", median(iter(ratio)), "ratio", spread=[min(ratio), max(ratio)])
    show(
        f"{name}: mean latency", median(run.mean_us for run in runs), "us", "alone", median(run.mean_us for run in bare)
    )
    show(f"{name}: CPU of an exchange beyond the network functions' own", more, "us")
    show(f"{name}: of it in its own processes", median(run.observing_us for run in runs), "us")
    show(
        f"{name}: memory",
        median(run.rss_mb for run in runs),
        "MB RSS",
        pss_mb=round(median(run.pss_mb for run in runs), 1),
    )


def main() -> None:
    """Measure in turn and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--seconds", type=float, default=3.0)
    said = words.parse_args()
    random.seed(1)
    bare: list[Figures] = []
    sidecars: list[Figures] = []
    agents: list[Figures] = []
    with tempfile.TemporaryDirectory() as name, mock_broker() as bootstrap, pods(Path(name)) as both:
        both.load(both.inner, 1.0)
        turns = [
            lambda: bare.append(alone(both, said.seconds)),
            lambda: sidecars.append(with_sidecars(both, said.seconds, Path(name))),
            lambda: agents.append(with_agent(both, said.seconds, bootstrap)),
        ]
        for number in range(said.rounds):
            for place in range(len(turns)):  # each is first, second and last in turn
                turns[(number + place) % len(turns)]()
    tell(f"{PODS} sidecars (haproxy)", sidecars, bare)
    tell(f"one agent for {PODS} pods", agents, bare)


if __name__ == "__main__":
    main()
