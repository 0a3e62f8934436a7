"""Capture file → messages and → events, beside `tshark -T fields` on the same file, in turn, medians; JSON lines.

python -m tests.bench.bench_capture [FILE]
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from collector.connections import Bounds, Connections
from collector.message import Limits
from collector.pcap_source import PcapSource
from deploy.capture import meaning_of, run_capture
from schemas.config import Config
from tests.bench.line import show

ROUNDS = 7
FILE = Path(__file__).parent.parent / "captures" / "open5gs-suite-scp.pcapng"
FIELDS = ("frame.time_epoch", "tcp.stream", "http2.streamid", "http2.headers.method", "http2.headers.path",
          "http2.headers.authority", "http2.headers.status")  # fmt: skip


def messages(path: Path) -> int:
    """Decode to messages; return how many."""
    source, connections, count = PcapSource(path), Connections(Limits(), Bounds()), 0

    def tick(now_ns: int) -> None:
        nonlocal count
        connections.advance(now_ns)
        count += len(connections.take())

    source.run(connections, tick)
    connections.finish(source.now_ns)
    return count + len(connections.take())


def events(path: Path) -> int:
    """Decode to events in batches, meaning included; return how many."""
    config, counts = Config(), []
    run_capture(PcapSource(path), config, meaning_of(config.collector), lambda batch: counts.append(len(batch.events)))
    return sum(counts)


def tshark(path: Path) -> int:
    """Let tshark print the same facts; return the number of packets with headers."""
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = ["tshark", "-r", str(path), "-d", "tcp.port==7777,http2", "-Y", "http2.headers", "-T", "fields", *fields]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.count(b"\n")


def main() -> None:
    """Measure in turn and print."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    runs: dict[Callable[[Path], int], list[float]] = {messages: [], events: [], tshark: []}
    counts: dict[Callable[[Path], int], int] = {}
    for _ in range(ROUNDS):
        for run, seconds in runs.items():
            began = time.perf_counter()
            counts[run] = run(path)
            seconds.append(time.perf_counter() - began)
    baseline = counts[messages] / statistics.median(runs[tshark])
    for run in (messages, events):
        value = counts[run] / statistics.median(runs[run])
        unit = f"{run.__name__}/s"
        show(f"capture file to {run.__name__}", value, unit, "tshark -T fields on the same file", baseline)


if __name__ == "__main__":
    main()
