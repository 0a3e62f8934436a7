"""What back-off gives back to programs that speak SBI over TLS by taking every probe off; JSON lines. As root.

python -m tests.bench.bench_tls_off [--rounds N] [--seconds S]

nghttpd answers h2load over TLS as fast as it can: without probes, probed, two seconds after they were taken off, and
without an agent again: what the machine does meanwhile stands on both sides of what is compared.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.probes import Probes
from collector.record import TLS_OFF
from collector.window import Dials
from schemas.config import Collector
from tests.bench.line import show
from tests.bench.peers import mean_and_count, peers
from tests.live_peers import Recorder, observed

GIVEN_BACK_S = 2.0


def rate(port: int, seconds: int) -> float:
    """Return the requests answered a second."""
    url = f"https://127.0.0.1:{port}/small.json"
    command = ["h2load", "-D", str(seconds), "-c", "8", "-m", "1", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return mean_and_count(said)[1] / seconds


def main() -> None:
    """Measure in turn and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=int, default=2)
    said = words.parse_args()
    alone, probed, off = [], [], []
    with tempfile.TemporaryDirectory() as name, peers(Path(name)) as both:
        port = both.port(tls=True)
        for _ in range(said.rounds):
            before = rate(port, said.seconds)
            probes = Probes(begun(Collector()))
            probes.await_tls()
            with observed(KernelSource(probes.window(), 20, detach=probes.close), Recorder()):  # it judges ciphertext
                probed.append(rate(port, said.seconds))
                Dials(probes.maps).control(TLS_OFF, 1)
                time.sleep(GIVEN_BACK_S)
                off.append(rate(port, said.seconds))
            alone.append((before + rate(port, said.seconds)) / 2)
    ratio = [round(more / less, 3) for more, less in zip(off, alone, strict=True)]
    show("SBI over TLS, its probes taken off by back-off", statistics.median(off), "requests/s", "no agent",
         statistics.median(alone), median=statistics.median(ratio), spread=ratio,
         probed=round(statistics.median(probed)))  # fmt: skip


if __name__ == "__main__":
    main()
