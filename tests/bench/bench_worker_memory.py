"""Resident memory of the real workers of three folds while events run through Kafka; JSON lines.

    python -m tests.bench.bench_worker_memory [EVENTS]      20000000 for those of the issue

Each quarter of the events is published, and the workers are looked at when all its transactions are there. No event is
kept here; ids and times go on from message to message, so that windows open and close as in traffic. It comes faster
than its own clock, so what the append time bounds (corrections) is bounded shorter, by as much as it is faster.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.framing import frame, unframe
from streams.pairing import TRANSACTIONS
from tests.bench.bench_flat import EACH, SLOW
from tests.bench.bench_workers import started, topics, worker
from tests.bench.line import show
from tests.bench.loops import EVENTS
from tests.bench.replay import messages
from tests.broker import Broker, broker
from tests.stages import longs

WATCHED, QUARTERS, COLLECTORS, FLUSH_S, SILENCE_S = 400_000, 4, 10, 0.5, 60
ANSWERED = 98  # exchanges of a message that are told at once; the two without answer are when their time is over
CORRECTION_MS = "20000"  # ten minutes of traffic that comes thirty times as fast
PREFIX = "memory."
STAGES = "pairing", "kpis", "alerts"  # procedures wait by the append time alone: what they hold follows the pace here


class Counted:
    """How many transactions the topic has, read as they come."""

    def __init__(self, kafka: Broker) -> None:
        self._reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "counted", "log_level": 0})
        self._reader.assign([TopicPartition(PREFIX + TRANSACTIONS, 0, 0)])
        self._count = 0

    def until(self, wanted: int) -> None:
        """Wait until there are `wanted`; raises AssertionError where none comes for long."""
        last = time.monotonic()
        while self._count < wanted:
            for message in self._reader.consume(500, 1.0):
                if message.error() is None and (value := message.value()):
                    self._count += longs(unframe(value)[1][:30])[2]
                    last = time.monotonic()
            assert time.monotonic() - last < SILENCE_S, f"{self._count} of {wanted}"


def publish(producer: Producer, bodies: Iterator[tuple[int, int, bytes]], count: int) -> int:
    """Publish the next `count` messages; return how many there were."""
    sent = 0
    for _, _, body in itertools.islice(bodies, count):
        while True:
            try:
                producer.produce(PREFIX + EVENTS, frame("sbi_event_batch", body), partition=0)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        sent += 1
    assert producer.flush(60) == 0
    return sent


def resident_mb(process: "subprocess.Popen[bytes]") -> float:
    assert process.poll() is None, "a worker ended"
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4_096 / 1e6


def main(events: int = WATCHED) -> None:
    """Let a quarter after the other run through and show what is resident behind each."""
    seen: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with broker() as kafka, ExitStack() as running:
        topics(kafka, PREFIX)
        bounds = {"SBISCOPE_STREAMS_CORRECTION_MS": CORRECTION_MS}
        workers = {one: running.enter_context(started(kafka, PREFIX, worker(one), **bounds)) for one in STAGES}
        counted = Counted(kafka)
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4", "log_level": 0})
        bodies, sent = messages(events, COLLECTORS, FLUSH_S, SLOW, 50), 0
        for _ in range(QUARTERS):
            sent += publish(producer, bodies, events // EACH // QUARTERS)
            counted.until(sent * ANSWERED)
            for stage, process in workers.items():
                seen[stage].append(resident_mb(process))
    for stage, found in seen.items():
        name = f"memory of the {stage} worker (Faust) after {sent * EACH} events"
        quarters = [round(one, 1) for one in found]
        show(name, found[-1], "MB RSS", "a quarter of them", found[0], quarters=quarters)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else WATCHED)
