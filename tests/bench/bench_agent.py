"""The live agent beside the same load without one, and beside tcpdump + tshark, in turn, medians; JSON lines. As root.

python -m tests.bench.bench_kernel
"""

import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.line import show

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 3
CONNECTIONS, RATE, SECONDS = 10, 2_000, 4
BODY_BYTES = 4_096
SATURATING = 60_000  # requests, one stream on each of 8 connections, body of 6 bytes
UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}
FIELDS = ("frame.time_epoch", "tcp.stream", "http2.streamid", "http2.headers.method", "http2.headers.path",
          "http2.headers.status")  # fmt: skip


@dataclass
class Agent:
    """A running `sbiscope collect` that writes JSON lines to a file."""

    process: subprocess.Popen[str]
    lines: Path
    started_s: float

    def processes(self) -> list[int]:
        """Its processes: supervisor and observer; the loader is gone."""
        own = self.process.pid
        return [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]

    def cpu_s(self) -> float:
        """CPU of all its processes so far, loader excluded."""
        return sum(map(cpu_s_of, self.processes()))

    def rss_mb(self) -> float:
        """Resident memory of all its processes without the pages shared with the kernel: ring, counters, verdicts."""
        return sum(map(rss_mb_of, self.processes()))

    def end(self) -> str:
        """End it in order; return what it said."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=60)[1]

    def messages(self) -> int:
        """How many events it wrote."""
        return self.lines.read_bytes().count(b"\n")


def cpu_s_of(process: int) -> float:
    """Return the CPU that a process has used."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb_of(process: int) -> float:
    """Return a process's resident memory without the mapped BPF maps."""
    total = mapped = 0
    is_shared = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_shared = line.endswith("bpf-map")
        elif line.startswith("Rss:"):
            total += int(line.split()[1])
            mapped += int(line.split()[1]) if is_shared else 0
    return (total - mapped) / 1_024


@contextmanager
def agent(place: Path, port: int) -> Iterator[Agent]:
    """Run the agent; it sees the benchmark's port only, so that a busy machine does not count."""
    lines, began = place / "events.jsonl", time.monotonic()
    command = [sys.executable, "-m", "deploy.cli", "collect", "--to", str(lines)]
    environment = {**os.environ, "SBISCOPE_COLLECTOR_PORTS": str(port)}
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    if "observing" not in (said := process.stderr.readline()):
        sys.exit(said)
    try:
        yield Agent(process, lines, time.monotonic() - began)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def server(place: Path) -> Iterator[int]:
    """Run nghttpd over a large and a small file."""
    (place / "large").write_bytes(b"{}" * (BODY_BYTES // 2))
    (place / "small").write_bytes(b"{'a'}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["nghttpd", "--no-tls", "--address=127.0.0.1", "-d", str(place), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(0.3)
        try:
            yield port
        finally:
            process.kill()


def steady(port: int) -> float:
    """Put the fixed load on; return the mean time of a request in microseconds."""
    rate = ["-c", str(CONNECTIONS), "--rps", str(RATE // CONNECTIONS), "-D", str(SECONDS)]
    said = subprocess.run(
        ["h2load", *rate, f"http://127.0.0.1:{port}/large"], check=True, capture_output=True, text=True
    ).stdout
    mean = said.partition("time for request:")[2].split()[2]
    number, unit = re.match(r"([\d.]+)(\w+)", mean).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def saturated(port: int) -> float:
    """Put on as much as goes; return requests a second."""
    count = ["-n", str(SATURATING), "-c", "8", "-m", "1"]
    began = time.monotonic()
    subprocess.run(["h2load", *count, f"http://127.0.0.1:{port}/small"], check=True, capture_output=True)
    return SATURATING / (time.monotonic() - began)


def observed(place: Path, port: int) -> dict[str, float]:
    """Run the fixed load under the agent; return mean time, CPU a message, memory, start."""
    with agent(place, port) as running:
        before = running.cpu_s()
        mean = steady(port)
        time.sleep(0.2)
        cpu, memory = running.cpu_s() - before, running.rss_mb()
        running.end()
        return {
            "mean_us": mean,
            "cpu_us": cpu * 1e6 / running.messages(),
            "rss_mb": memory,
            "start_s": running.started_s,
        }


def lossless(place: Path, port: int) -> dict[str, float]:
    """Run the saturating load under the agent; return requests a second and the share of messages seen."""
    with agent(place, port) as running:
        rate = saturated(port)
        time.sleep(1)
        running.end()
        return {"rate": rate, "share": running.messages() / (4 * SATURATING)}


def packets(place: Path, port: int) -> float:
    """Run the fixed load under tcpdump, then tshark over what it wrote; return CPU in us for each message."""
    file = place / "packets.pcap"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    dump = subprocess.Popen(
        ["tcpdump", "-i", "lo", "-B", "65536", "-w", str(file), f"tcp port {port}"], stderr=subprocess.DEVNULL
    )
    time.sleep(0.5)
    with_load = resource.getrusage(resource.RUSAGE_CHILDREN)
    steady(port)
    loaded = resource.getrusage(resource.RUSAGE_CHILDREN)
    dump.send_signal(signal.SIGINT)
    dump.wait()
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},http2", "-Y", "http2.headers", "-T", "fields"]
    subprocess.run([*command, *fields], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = _cpu(before, after) - _cpu(with_load, loaded)  # without h2load
    return own * 1e6 / (2 * RATE * SECONDS)


def _cpu(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turn and print."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as port:
        place = Path(name)
        bare, seen, bare_rate, full, wire = [], [], [], [], []
        for _ in range(ROUNDS):
            bare.append(steady(port))
            seen.append(observed(place, port))
            wire.append(packets(place, port))
            bare_rate.append(saturated(port))
            full.append(lossless(place, port))
        median = statistics.median
        of = {key: median(run[key] for run in seen) for key in seen[0]}
        show("live: mean time of a request, 2,000/s x 4 KB", of["mean_us"], "us", "no agent", median(bare))
        show("live: CPU a message to JSON", of["cpu_us"], "us", "tcpdump + tshark -T fields", median(wire))
        show("live: memory above the ring", of["rss_mb"], "MB")
        show("live: start until observing", of["start_s"], "s")
        rate = median(run["rate"] for run in full)
        show("live: requests under saturation", rate, "requests/s", "no agent", median(bare_rate))
        show("live: messages seen under saturation", median(run["share"] for run in full), "share")


if __name__ == "__main__":
    main()
