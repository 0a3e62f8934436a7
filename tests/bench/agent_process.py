"""A running `sbiscope collect` that delivers to Kafka, and what its processes cost, by /proc."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from deploy.demo import observing_line
from tests.bench.peers import cpu_s_of

ROOT = Path(__file__).parent.parent.parent
SETTLED_S = 0.5
QUIET_S = 0.03  # of CPU in SETTLED_S
MOST_BEHIND_S = 20.0
EMPTY_BYTES = 400  # a batch without events is shorter


class Agent:
    """The agent's processes; the loader is gone when it observes."""

    def __init__(self, bootstrap: str, ports: Sequence[int], cpu_percent: int = 100) -> None:
        """Start it; it sees these ports only, so that a busy machine does not count. `cpu_percent`: its budget."""
        self._began_s = time.monotonic()
        environment = {
            **os.environ,
            "SBISCOPE_KAFKA_BOOTSTRAP": bootstrap,
            "SBISCOPE_COLLECTOR_PORTS": ",".join(map(str, ports)),
            "SBISCOPE_COLLECTOR_FLOWS": "false",
            "SBISCOPE_COLLECTOR_CPU_PERCENT": str(cpu_percent),
        }
        command = [sys.executable, "-m", "deploy.cli", "collect"]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        observing_line(self.process.stderr)
        self.started_s = time.monotonic() - self._began_s

    def processes(self) -> list[int]:
        """Return the numbers of supervisor, observer and attacher."""
        return with_children(self.process.pid)

    def cpu_s(self) -> float:
        """Return the CPU of all its processes so far."""
        return sum(map(cpu_s_of, self.processes()))

    def settle(self) -> None:
        """Wait until what was said is delivered: on a busy machine the agent, being nice, comes last."""
        until_s = time.monotonic() + MOST_BEHIND_S
        busy_s = 1.0
        while busy_s > QUIET_S and time.monotonic() < until_s:
            before = self.cpu_s()
            time.sleep(SETTLED_S)
            busy_s = self.cpu_s() - before

    def idle_share(self) -> float:
        """Return the CPUs that it uses while nothing is said."""
        time.sleep(SETTLED_S)
        before, began_s = self.cpu_s(), time.monotonic()
        time.sleep(1.5)
        return (self.cpu_s() - before) / (time.monotonic() - began_s)

    def memory_mb(self, kind: str) -> float:
        """Return the memory of all its processes without the maps shared with the kernel; `kind`: Rss or Pss."""
        return sum(memory_mb_of(process, kind) for process in self.processes())

    def first_event_s(self, reader: Consumer) -> float:
        """Wait for the first batch with events; return how long after the start it was there."""
        while time.monotonic() - self._began_s < 60:
            message = reader.poll(0.02)
            if message is not None and not message.error() and len(message.value()) > EMPTY_BYTES:
                return time.monotonic() - self._began_s
        raise TimeoutError("no event in Kafka")

    def end(self) -> str:
        """End it in order; return what it said."""
        self.process.send_signal(signal.SIGTERM)
        return str(self.process.communicate(timeout=60)[1])


@contextmanager
def reader_of_events(bootstrap: str) -> Iterator[Consumer]:
    """Read what comes to sbi.events as long as the block lasts, each message at once."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "bench", "log_level": 0}
    consumer = Consumer({**settings, "fetch.wait.max.ms": 5, "allow.auto.create.topics": True})
    found = consumer.list_topics("sbi.events", 10).topics["sbi.events"].partitions
    assert found
    consumer.assign([TopicPartition("sbi.events", number, 0) for number in found])
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def agent(bootstrap: str, ports: Sequence[int], cpu_percent: int = 100) -> Iterator[Agent]:
    """Run an agent as long as the block lasts."""
    running = Agent(bootstrap, ports, cpu_percent)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def with_children(process: int) -> list[int]:
    """Return a process and all that descend from it."""
    own = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(one for child in own for one in with_children(int(child)))]


def memory_mb_of(process: int, kind: str) -> float:
    """Return a process's memory without the mapped BPF maps."""
    total = 0
    is_shared = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_shared = line.endswith("bpf-map")
        elif line.startswith(f"{kind}:") and not is_shared:
            total += int(line.split()[1])
    return total / 1_024
