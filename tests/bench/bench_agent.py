"""The live agent beside the same load without one, and beside tcpdump + tshark, in turn, medians; JSON lines. As root.

python -m tests.bench.bench_agent [--rounds N] [--seconds S]

The load: ten clients together ask 2,000 times a second for JSON bodies of 4 KB, 997 different ones. Both ends are on
this node, so each message is seen twice: figures of a message are those of a message seen. CPU time is the
scheduler's (/proc/PID/schedstat). An agent's first run meets paths, subscribers and bodies that it never met; the same
load again (`met before`) is what it goes on with. `spread` says how far the rounds lie apart. How much longer a request
waits is bench_latency's.
"""

import argparse
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.agent_process import SETTLED_S, Agent, agent, reader_of_events
from tests.bench.bpf_statistics import counted
from tests.bench.line import show
from tests.bench.peers import Peers, cpu_s_of, peers, saturate, used_by_children
from tests.mock_broker import mock_broker

FIELDS = ("frame.time_epoch", "tcp.stream", "http2.streamid", "http2.headers.method", "http2.headers.path",
          "http2.headers.status")  # fmt: skip
MANY = 1_000  # connections
LEAST_RATE = 4_000.0  # requests a second
TIGHT_PERCENT, CLIMB_S = 20, 30.0  # of a core; until the last step of back-off is reached, two to five seconds a step
SEEN_TWICE = 4  # messages seen of an exchange: request and response, at both ends


class Run:
    """What one run of the steady load gave, with or without an agent beside it."""

    def __init__(self, peers: Peers, tls: bool, seconds: float, beside: Agent | None = None) -> None:
        agent_s = beside.cpu_s() if beside else 0.0
        own_s = peers.cpu_s()
        played = peers.steady(tls, seconds)
        if beside:
            beside.settle()
        else:
            time.sleep(2 * SETTLED_S)  # as long: what begins on cores that slept long is slower
        messages = SEEN_TWICE * played.requests
        self.peers_us = (peers.cpu_s() - own_s + played.client_cpu_s) * 1e6 / messages
        self.agent_us = (beside.cpu_s() - agent_s) * 1e6 / messages if beside else 0.0


def packets(peers: Peers, place: Path, seconds: float, *further: int) -> float:
    """Run the load under tcpdump, then tshark over what it wrote; return CPU in us for each message, told once.

    `further`: ports that are looked at too.
    """
    file, port = place / "packets.pcap", peers.port(tls=False)
    looked_at = " or ".join(f"tcp port {one}" for one in (port, *further))
    command = ["tcpdump", "-i", "lo", "-B", "65536", "-w", str(file), looked_at]
    dump = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    requests = peers.steady(False, seconds).requests
    dump_s = cpu_s_of(dump.pid)
    dump.send_signal(signal.SIGINT)
    dump.wait()
    before = used_by_children()
    fields = [word for field in FIELDS for word in ("-e", field)]
    command = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},http2", "-Y", "http2.headers", "-T", "fields"]
    subprocess.run([*command, *fields], check=True, capture_output=True)
    return (dump_s + used_by_children() - before) * 1e6 / (2 * requests)


def kernel_share(peers: Peers, tls: bool) -> tuple[float, float]:
    """Return microseconds in our BPF programs and uprobe traps, each for a message seen; the kernel's own statistics.

    Their keeping costs time itself: a run of its own.
    """
    with counted() as programs:
        requests = peers.steady(tls, 1.0).requests
    messages = SEEN_TWICE * requests
    busy_ns = sum(program.run_ns for program in programs)
    traps = sum(program.runs for program in programs if program.name.startswith(("tls_enter", "tls_leave", "go_")))
    return busy_ns / 1e3 / messages, traps / messages


def steady(rounds: int, seconds: float, place: Path) -> None:
    """The steady load in turn: alone, under the agent, under the packet tools."""
    of: dict[str, list[float]] = {}

    def note(**figures: float) -> None:
        for name, value in figures.items():
            of.setdefault(name, []).append(value)

    with mock_broker() as bootstrap, peers(place) as both:
        for _ in range(rounds):
            alone = {tls: Run(both, tls, seconds) for tls in (False, True)}
            with agent(bootstrap, both.ports) as running:
                note(idle=running.idle_share())
                seen = {tls: Run(both, tls, seconds, running) for tls in (False, True)}
                again = {tls: Run(both, tls, seconds, running) for tls in (False, True)}
                bpf = {tls: kernel_share(both, tls) for tls in (False, True)}
                with both.many(MANY):
                    note(rss_mb=running.memory_mb("Rss"), pss_mb=running.memory_mb("Pss"))
                note(lost=float("nothing lost" not in running.end()))
            note(packets_us=packets(both, place, seconds))
            for tls, word in ((False, "h2c"), (True, "tls")):
                more = seen[tls].peers_us - alone[tls].peers_us
                note(**{f"{word}_peers_us": more, f"{word}_agent_us": seen[tls].agent_us})
                note(**{f"{word}_us": seen[tls].agent_us + more})
                more = again[tls].peers_us - alone[tls].peers_us
                note(**{f"{word}_again_us": again[tls].agent_us + more, f"{word}_again_agent_us": again[tls].agent_us})
                note(**{f"{word}_bpf_us": bpf[tls][0], f"{word}_traps": bpf[tls][1]})
    tell(of)


def tell(of: dict[str, list[float]]) -> None:
    """Print the medians."""
    median = {name: statistics.median(values) for name, values in of.items()}
    spread = {name: [round(min(values), 3), round(max(values), 3)] for name, values in of.items()}
    for word in ("h2c", "tls"):
        name = f"agent, {word}, 2,000 requests/s x 4 KB"
        kafka = f"{name}: CPU a message to Kafka, agent and network functions"
        show(kafka, median[f"{word}_us"], "us", spread=spread[f"{word}_us"])
        show(f"{name}: CPU a message, the agent's processes", median[f"{word}_agent_us"], "us",
             spread=spread[f"{word}_agent_us"])  # fmt: skip
        show(f"{name}: CPU a message, rise of the network functions", median[f"{word}_peers_us"], "us",
             spread=spread[f"{word}_peers_us"])  # fmt: skip
        again = f"{name}, met before: CPU a message"
        show(f"{again} to Kafka, agent and network functions", median[f"{word}_again_us"], "us",
             spread=spread[f"{word}_again_us"])  # fmt: skip
        show(f"{again}, the agent's processes", median[f"{word}_again_agent_us"], "us",
             spread=spread[f"{word}_again_agent_us"])  # fmt: skip
        show(f"{name}: of it in BPF programs", median[f"{word}_bpf_us"], "us")
        show(f"{name}: uprobe traps a message", median[f"{word}_traps"], "traps")
    wire = median["packets_us"]
    both_ends = SEEN_TWICE * median["h2c_us"]  # the packet tools see an exchange once
    show("agent, h2c: CPU an exchange, both ends", both_ends, "us", "tcpdump + tshark -T fields", 2 * wire)
    many = f"{MANY} connections, both ends of each watched"
    show(f"agent: memory of all processes above the ring, {many}", median["rss_mb"], "MB RSS")
    show("agent: the same, shared pages divided", median["pss_mb"], "MB PSS")
    show("agent: CPU when idle", median["idle"] * 100, "% of one CPU")
    show("agent: runs that lost something", sum(of["lost"]), "runs")


def lossless(seconds: float, place: Path) -> None:
    """Small requests at a rate that grows by half until something is lost or the machine does not reach it."""
    best = 0.0
    with mock_broker() as bootstrap, peers(place) as both:
        wanted = LEAST_RATE
        while True:
            with agent(bootstrap, both.ports, cpu_percent=0) as running:
                calls, rate, lost = pressed(both, running, seconds, wanted)
            if lost or rate < wanted * 0.9:
                break
            best, wanted = calls, wanted * 1.5
        show("agent, h2c: socket calls seen without loss, at most", best, "calls/s")
        name = "agent, h2c: the first rate with loss, or that the machine does not reach"
        show(name, calls, "calls/s", requests_per_s=round(rate), wanted=round(wanted), lost=lost or "nothing")


def pressed(both: Peers, running: Agent, seconds: float, wanted: float) -> tuple[float, float, str]:
    """Return socket calls and requests a second at the `wanted` rate, and what was lost."""
    with counted() as programs:
        rate = saturate(both.port(tls=False), seconds, wanted)
    running.settle()
    lost = re.search(r"lost: (.*)", running.end())
    calls = sum(program.runs for program in programs if program.name in {"on_send", "on_receive", "on_exit"})
    return calls / seconds, rate, lost[1] if lost else ""


def starts(place: Path) -> None:
    """From the command to the first message that holds events, under load: nothing compiled before, then thrice more.

    Other ports are another program for the kernel, and these were never used.
    """
    observing, first = [], []
    with peers(place) as both:
        for _ in range(4):
            with (
                both.trickle(),
                mock_broker() as bootstrap,
                reader_of_events(bootstrap) as reader,
                agent(bootstrap, both.ports) as running,
            ):
                first.append(running.first_event_s(reader))
                observing.append(running.started_s)
                running.end()
    for name, values in (("observing", observing), ("the first event is in Kafka", first)):
        show(f"agent: start until {name}, compiling", values[0], "s")
        spread = [round(value, 2) for value in values[1:]]
        show(f"agent: start until {name}, compiled before", statistics.median(spread), "s", spread=spread)


def overload(rounds: int, place: Path) -> None:
    """More than the budget carries, small requests as fast as they are answered: what is left of their rate."""
    rates: dict[str, list[float]] = {"without": [], "at first": [], "backed off": []}
    with mock_broker() as bootstrap, peers(place) as both:
        port = both.port(tls=False)
        for _ in range(rounds):
            rates["without"].append(saturate(port, 3.0))
            with agent(bootstrap, both.ports, cpu_percent=TIGHT_PERCENT) as running:
                rates["at first"].append(saturate(port, 3.0))
                rates["backed off"].append(saturate(port, 3.0, after_s=CLIMB_S))
                running.end()
    median = {name: statistics.median(values) for name, values in rates.items()}
    for name in ("at first", "backed off"):
        spread = [round(rate / base, 3) for rate, base in zip(rates[name], rates["without"], strict=True)]
        title = f"agent, h2c, overload, budget {TIGHT_PERCENT} % of a core: requests answered, {name}"
        show(title, median[name], "requests/s", "without agent", median["without"], spread=spread)


def main() -> None:
    """Measure in turn and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=2)
    words.add_argument("--seconds", type=float, default=5.0)
    said = words.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        steady(said.rounds, said.seconds, Path(name))
        lossless(3.0, Path(name))
        starts(Path(name))
        overload(said.rounds, Path(name))


if __name__ == "__main__":
    main()
