"""The live agent beside the same load without one, and beside tcpdump + tshark, in turn, medians; JSON lines. As root.

python -m tests.bench.bench_agent [--rounds N] [--seconds S]

The load: ten clients together ask 2,000 times a second for JSON bodies of 4 KB, 997 different ones. Both ends are on
this node, so each message is seen twice: figures of a message are those of a message seen. CPU time is the
scheduler's (/proc/PID/schedstat). Latency is told as a ratio: other work on the machine moves it, and `spread` says how
far the rounds lie apart.
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

from tests.bench.agent_process import Agent, agent
from tests.bench.bpf_statistics import counted
from tests.bench.line import show
from tests.bench.peers import Peers, cpu_s_of, peers, saturate, used_by_children
from tests.mock_broker import mock_broker

FIELDS = ("frame.time_epoch", "tcp.stream", "http2.streamid", "http2.headers.method", "http2.headers.path",
          "http2.headers.status")  # fmt: skip
MANY = 1_000  # connections
SEEN_TWICE = 4  # messages seen of an exchange: request and response, at both ends


class Run:
    """What one run of the steady load gave, with or without an agent beside it."""

    def __init__(self, peers: Peers, tls: bool, seconds: float, beside: Agent | None = None) -> None:
        agent_s = beside.cpu_s() if beside else 0.0
        own_s = peers.cpu_s()
        played = peers.steady(tls, seconds)
        if beside:
            beside.settle()
        self.mean_us = played.mean_us
        messages = SEEN_TWICE * played.requests
        self.peers_us = (peers.cpu_s() - own_s + played.client_cpu_s) * 1e6 / messages
        self.agent_us = (beside.cpu_s() - agent_s) * 1e6 / messages if beside else 0.0


def packets(peers: Peers, place: Path, seconds: float) -> float:
    """Run the load under tcpdump, then tshark over what it wrote; return CPU in us for each message, told once."""
    file, port = place / "packets.pcap", peers.port(tls=False)
    command = ["tcpdump", "-i", "lo", "-B", "65536", "-w", str(file), f"tcp port {port}"]
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
                note(start_s=running.started_s, idle=running.idle_share())
                seen = {tls: Run(both, tls, seconds, running) for tls in (False, True)}
                bpf = {tls: kernel_share(both, tls) for tls in (False, True)}
                both.many(MANY)
                note(rss_mb=running.memory_mb("Rss"), pss_mb=running.memory_mb("Pss"))
                note(lost=float("nothing lost" not in running.end()))
            note(packets_us=packets(both, place, seconds))
            for tls, word in ((False, "h2c"), (True, "tls")):
                more = seen[tls].peers_us - alone[tls].peers_us
                note(**{f"{word}_ratio": seen[tls].mean_us / alone[tls].mean_us, f"{word}_peers_us": more})
                note(**{f"{word}_agent_us": seen[tls].agent_us, f"{word}_us": seen[tls].agent_us + more})
                note(**{f"{word}_bpf_us": bpf[tls][0], f"{word}_traps": bpf[tls][1]})
    tell(of)


def tell(of: dict[str, list[float]]) -> None:
    """Print the medians."""
    median = {name: statistics.median(values) for name, values in of.items()}
    spread = {name: [round(min(values), 3), round(max(values), 3)] for name, values in of.items()}
    for word in ("h2c", "tls"):
        name = f"agent, {word}, 2,000 requests/s x 4 KB"
        show(f"{name}: mean latency with / without", median[f"{word}_ratio"], "ratio", spread=spread[f"{word}_ratio"])
        kafka = f"{name}: CPU a message to Kafka, agent and network functions"
        show(kafka, median[f"{word}_us"], "us", spread=spread[f"{word}_us"])
        show(f"{name}: CPU a message, the agent's processes", median[f"{word}_agent_us"], "us",
             spread=spread[f"{word}_agent_us"])  # fmt: skip
        show(f"{name}: CPU a message, rise of the network functions", median[f"{word}_peers_us"], "us",
             spread=spread[f"{word}_peers_us"])  # fmt: skip
        show(f"{name}: of it in BPF programs", median[f"{word}_bpf_us"], "us")
        show(f"{name}: uprobe traps a message", median[f"{word}_traps"], "traps")
    wire = median["packets_us"]
    both_ends = SEEN_TWICE * median["h2c_us"]  # the packet tools see an exchange once
    show("agent, h2c: CPU an exchange, both ends", both_ends, "us", "tcpdump + tshark -T fields", 2 * wire)
    show(f"agent: memory of all processes above the ring, {MANY} connections", median["rss_mb"], "MB RSS")
    show("agent: the same, shared pages divided", median["pss_mb"], "MB PSS")
    show("agent: CPU when idle", median["idle"] * 100, "% of one CPU")
    show("agent: start until observing", median["start_s"], "s", spread=spread["start_s"])
    show("agent: runs that lost something", sum(of["lost"]), "runs")


def lossless(seconds: float, place: Path) -> None:
    """Small requests as fast as they are answered: how many chunks a second are read, and whether any is lost."""
    with mock_broker() as bootstrap, peers(place) as both, agent(bootstrap, both.ports) as running:
        with counted() as programs:
            rate = saturate(both.port(tls=False), seconds)
        chunks = sum(program.runs for program in programs if program.name in {"on_send", "on_receive", "on_exit"})
        time.sleep(1.0)
        said = running.end()
    lost = re.search(r"lost: (.*)", said)
    show("agent, h2c, saturated: socket calls seen", chunks / seconds, "calls/s", requests_per_s=round(rate),
         lost=lost[1] if lost else "nothing")  # fmt: skip


def first_event(place: Path) -> None:
    """From the command to the first message of the topic that holds events, under load."""
    with mock_broker() as bootstrap, peers(place) as both, both.trickle(), agent(bootstrap, both.ports) as running:
        show("agent: start until the first event is in Kafka", running.first_event_s(bootstrap), "s")
        running.end()


def main() -> None:
    """Measure in turn and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=2)
    words.add_argument("--seconds", type=float, default=2.0)
    said = words.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        steady(said.rounds, said.seconds, Path(name))
        lossless(2.0, Path(name))
        first_event(Path(name))


if __name__ == "__main__":
    main()
