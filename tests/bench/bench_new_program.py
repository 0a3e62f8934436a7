"""How long a TLS library that no process had before runs unprobed; JSON lines. As root.

python -m tests.bench.bench_new_program [--rounds N]

Each round a program maps a copy of OpenSSL's library that is new to the agent; from when the program says that it has
the library, to when the attacher holds the links of its probes.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from collector.loading import begun
from collector.probes import Probes
from schemas.config import Collector
from tests.bench.line import show
from tests.bench.peers import peers
from tests.chattering import chattering, line_of, own_libraries
from tests.test_tls_detach_live import links

LONGEST_S = 5.0


def unprobed_ms(place: Path, identity: tuple[str, str]) -> float:
    """Return how long a new library was mapped and not probed; 0 where it was probed first."""
    (library,) = place.glob("libssl*")
    with chattering(place, identity) as process:
        line_of(process)
        began_s = time.monotonic()
        while links(os.getpid(), library) == 0:
            if time.monotonic() - began_s > LONGEST_S:
                raise TimeoutError("the library is not probed")
        return (time.monotonic() - began_s) * 1e3


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=11)
    said = words.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name, peers(Path(name)):
        probes = Probes(begun(Collector()))
        probes.await_tls()
        for number in range(said.rounds):
            place = Path(name) / f"lib{number}"
            if own_libraries(place):
                found.append(unprobed_ms(place, (f"{name}/certificate", f"{name}/key")))
        probes.close()
    show("a library new to the agent: mapped and not probed", statistics.median(found), "ms",
         spread=[round(min(found), 1), round(max(found), 1)])  # fmt: skip


if __name__ == "__main__":
    main()
