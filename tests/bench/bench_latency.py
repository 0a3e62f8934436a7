"""What a request waits longer beside an agent, by many short pairs of runs; JSON lines. As root.

python -m tests.bench.bench_latency [PAIRS]         20: four to five minutes

The load is bench_agent's: 2,000 requests a second together for 4 KB, both ends on this node. Other work on the machine
moves a run's mean latency by half, which no median of three rounds undoes: here each run of a second with an agent is
set against its neighbour without, the order changes from pair to pair, and the median of the pairs' ratios is told with
the interval that holds it in 95 of 100 cases (order statistics: nothing is assumed of how they are distributed). An
agent's first second, in which it meets everything for the first time, is told apart from the next one.
What the network functions' own CPU of a request rises by is told beside it: others' work hardly touches that.
"""

import math
import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.agent_process import agent
from tests.bench.bench_agent import SEEN_TWICE, Run
from tests.bench.line import show
from tests.bench.peers import Peers, peers
from tests.mock_broker import mock_broker

PAIRS, SECONDS = 20, 1.0
SECOND = ("an agent's first second", "the next one")
WORDS = {False: "h2c", True: "tls"}


def pair(both: Peers, bootstrap: str, is_agent_first: bool) -> dict[str, float]:
    """Run both loads twice with an agent and twice without, in this order; return latency's and CPU's ratios."""
    runs: dict[bool, list[dict[bool, Run]]] = {}
    for with_agent in (is_agent_first, not is_agent_first):
        if with_agent:
            with agent(bootstrap, both.ports) as running:
                runs[True] = [{tls: Run(both, tls, SECONDS, running) for tls in WORDS} for _ in SECOND]
                running.end()
        else:
            runs[False] = [{tls: Run(both, tls, SECONDS) for tls in WORDS} for _ in SECOND]
    found = {}
    for number, when in enumerate(SECOND):
        for tls, word in WORDS.items():
            beside, alone = runs[True][number][tls], runs[False][number][tls]
            found[f"{word}, {when}: mean latency"] = beside.mean_us / alone.mean_us
            found[f"{word}, {when}: CPU of the network functions"] = beside.peers_us / alone.peers_us
            found[f"{word}, {when}: CPU of an exchange, alone"] = SEEN_TWICE * alone.peers_us
    return found


def interval(values: list[float]) -> list[float]:
    """Return the values between which the median lies in 95 of 100 cases, by their ranks."""
    ranked = sorted(values)
    out = max(0, int((len(ranked) - 1.96 * math.sqrt(len(ranked))) / 2) - 1)
    return [round(ranked[out], 3), round(ranked[-1 - out], 3)]


def main() -> None:
    """Measure in pairs and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    random.seed(1)
    of: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, mock_broker() as bootstrap, peers(Path(name)) as both:
        for number in range(pairs):
            for what, value in pair(both, bootstrap, number % 2 == 0).items():
                of.setdefault(what, []).append(value)
    for what, values in of.items():
        kind = "us" if what.endswith("alone") else "with / without agent"
        show(
            f"2,000 requests/s x 4 KB, {what}", statistics.median(values), kind, interval=interval(values), pairs=pairs
        )


if __name__ == "__main__":
    main()
