"""What a request waits longer beside an agent, under three loads, by many pairs of runs; JSON lines. As root.

python -m tests.bench.bench_latency [PAIRS]         12: eleven minutes

Each load asks 2,000 times a second over ten connections for bodies of 4 KB, both ends on this node, the agent
delivering to Kafka. What differs is when: Go's client of the traffic maker asks every half millisecond; ten h2load each
twice every 10 ms, at moments that stay as they began; one h2load twenty times at once every 10 ms, where each request
waits for all before it, and so for what the agent adds to them.

Other work on the machine moves a run's mean latency by half, which no median of three rounds undoes: each run with an
agent is set against its neighbour without, the order changes from pair to pair, and the median of the pairs is told
with the interval that holds it in 95 of 100 cases (order statistics: nothing is assumed of how they are distributed).
The programs' first second, in which they start and the agent meets them, does not count.
"""

import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.bench.agent_process import agent
from tests.bench.line import show
from tests.bench.peers import BODIES, BODY_BYTES, CONNECTIONS, PATH, RATE, Peers, mean_and_count, peers
from tests.mock_broker import mock_broker
from tests.traffic_maker.exchanges import Exchange
from tests.traffic_maker.maker import NoGo, Server, serving

PAIRS, SECONDS, BEGINNING_S = 12, 4, 1
TICKING = "every 10 ms, each asks twice"

Load = Callable[[], float]  # runs for SECONDS, returns the mean latency in us


def paced(server: Server) -> float:
    """Let Go's client ask at even distances."""
    played = server.play(CONNECTIONS, RATE * (BEGINNING_S + SECONDS), RATE)
    return statistics.mean(one.latency_us for one in played if one.number >= RATE * BEGINNING_S)


def ten_clients(both: Peers, tls: bool) -> float:
    """Let ten h2load ask."""
    return asked([both.client(tls, number, RATE // CONNECTIONS, SECONDS) for number in range(CONNECTIONS)])


def at_once(both: Peers) -> float:
    """Let one h2load ask over all connections."""
    return asked([both.client(False, 0, RATE // CONNECTIONS, SECONDS, CONNECTIONS)])


def asked(commands: list[list[str]]) -> float:
    """Run clients together; return what they say of a request, of all of them."""
    begun = [[program, "--warm-up-time", str(BEGINNING_S), *words] for program, *words in commands]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in begun]
    means = [mean_and_count(client.communicate()[0]) for client in clients]
    return sum(mean_us * count for mean_us, count in means) / sum(count for _, count in means)


def loads(place: Path, ending: ExitStack) -> tuple[dict[str, Load], list[int]]:
    """Start all servers until `ending`; return what to run, by name, and their ports."""
    both = ending.enter_context(peers(place))
    every: dict[str, Load] = {
        f"h2c, ten h2load, {TICKING}": lambda: ten_clients(both, False),
        f"tls, ten h2load, {TICKING}": lambda: ten_clients(both, True),
        "h2c, one h2load, twenty at once": lambda: at_once(both),
    }
    policies = [Exchange("GET", f"/{PATH}/{number}", 200, 0, BODY_BYTES) for number in range(BODIES)]
    try:
        plain, secure = (
            ending.enter_context(serving(policies, identity))
            for identity in ((), (str(place / "certificate"), str(place / "key")))
        )
    except NoGo as missing:
        print(f"bench_latency: no load by Go's programs: {missing}", file=sys.stderr)
        return every, [*both.ports]
    evenly = "Go's programs, one each 0.5 ms"
    first: dict[str, Load] = {
        f"h2c, {evenly}": lambda: paced(plain),
        f"tls, {evenly}": lambda: paced(secure),
    }
    return first | every, [*both.ports, plain.port, secure.port]


def pair(
    every: dict[str, Load], bootstrap: str, ports: list[int], is_agent_first: bool
) -> dict[bool, dict[str, float]]:
    """Run all loads with an agent and without, in this order; return the mean latencies of both."""
    found: dict[bool, dict[str, float]] = {}
    for with_agent in (is_agent_first, not is_agent_first):
        if with_agent:
            with agent(bootstrap, ports) as running:
                found[True] = {name: run() for name, run in every.items()}
                running.end()
        else:
            found[False] = {name: run() for name, run in every.items()}
    return found


def interval(values: list[float]) -> list[float]:
    """Return the values between which the median lies in 95 of 100 cases, by their ranks."""
    ranked = sorted(values)
    out = max(0, int((len(ranked) - 1.96 * math.sqrt(len(ranked))) / 2) - 1)
    return [round(ranked[out], 3), round(ranked[-1 - out], 3)]


def tell(name: str, alone: list[float], beside: list[float]) -> None:
    """Print one load's line: the median of the pairs' ratios, and of what a request waits longer."""
    ratios = [more / less for less, more in zip(alone, beside, strict=True)]
    added = [more - less for less, more in zip(alone, beside, strict=True)]
    show(
        f"2,000 requests/s x 4 KB, {name}: mean latency",
        statistics.median(ratios),
        "with / without agent",
        interval=interval(ratios),
        added_us=round(statistics.median(added), 1),
        added_interval_us=interval(added),
        alone_us=round(statistics.median(alone), 1),
        pairs=len(ratios),
    )


def main() -> None:
    """Measure in pairs and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    random.seed(1)
    with tempfile.TemporaryDirectory() as name, mock_broker() as bootstrap, ExitStack() as ending:
        every, ports = loads(Path(name), ending)
        runs = [pair(every, bootstrap, ports, number % 2 == 0) for number in range(pairs)]
    for load in every:
        tell(load, [run[False][load] for run in runs], [run[True][load] for run in runs])


if __name__ == "__main__":
    main()
