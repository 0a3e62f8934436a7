"""How long after a message was seen is its row queryable: asked of ClickHouse again and again while traffic runs.

    python -m tests.bench.bench_row [SECONDS]        RATE=1000 for other than 10,000 exchanges a second published

Rows that were inserted together are seen together, by the first look that finds them; the looks are part of the load.
"""

import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer

from deploy.accounts import reader
from deploy.demo import live_hindrance, observing_line
from deploy.demo_peers import talk
from deploy.stack.endpoints import endpoints
from schemas.config import load
from schemas.framing import frame
from streams.clickhouse import connect, rows
from tests.bench.bench_pairing import said
from tests.bench.line import show
from tests.events import batch, request, response
from tests.local_stack import LocalStack, local_stack, until

LIVE_RATE, RATE = 200, int(os.environ.get("RATE", "10000"))  # had by two programs; published as a collector's batches
BATCH_EVENTS, BATCH_MS = 200, 100  # a collector's bounds
LOOK_S = 0.05
MAKE_US = 150  # a batch's exchange takes to be made here, on a busy machine
FRESH = (
    "SELECT toUnixTimestamp64Milli(stored_at) AS at_ms, groupArray(toUnixTimestamp64Micro(response_end_us)) "
    "FROM transactions WHERE node = {node:String} AND stored_at > now64(3) - toIntervalSecond(20) "
    "AND NOT has({seen:Array(Int64)}, at_ms) GROUP BY at_ms"
)


class Watch(threading.Thread):
    """Looks which rows of a node are there, and notes for each how long ago its answer had ended (ms)."""

    def __init__(self, stack: LocalStack, node: str) -> None:
        super().__init__(daemon=True)
        self.late_ms: list[float] = []
        self._client: Client = connect(reader(stack.config))
        self._node = node
        self._over = threading.Event()

    def run(self) -> None:
        seen: list[int] = []
        while not self._over.is_set():
            found = rows(self._client, FRESH, {"node": self._node, "seen": seen})
            now_ms = time.time_ns() / 1e6
            for at_ms, ended_us in found:
                seen.append(at_ms)
                self.late_ms += [now_ms - one / 1_000 for one in ended_us]
            time.sleep(LOOK_S)
        self._client.close()

    def end(self) -> None:
        self._over.set()
        self.join()


def watched(stack: LocalStack, node: str, name: str, traffic: Callable[[], int]) -> None:
    """Show how late the rows of `traffic` are, which returns how many it makes."""
    watch = Watch(stack, node)
    watch.start()
    try:
        wanted = traffic()
        until(lambda: len(watch.late_ms) >= wanted, 60)
    finally:
        watch.end()
    late = statistics.quantiles(watch.late_ms, n=100)
    show(f"{name}, median", late[49], "ms", rows=len(watch.late_ms), of=wanted)
    show(f"{name}, 99 %", late[98], "ms", rows=len(watch.late_ms), of=wanted)


def live(stack: LocalStack, for_s: float) -> int:
    """Let two programs talk while the agent looks on from the kernel; return how many rows that makes."""
    exchanges = int(LIVE_RATE * for_s)
    with stack.start("collect", "--node", "live") as agent:
        assert agent.stderr is not None
        assert "observing" in observing_line(agent.stderr)
        talk(exchanges, LIVE_RATE)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(30) == 0
    return 2 * exchanges


def batches(stack: LocalStack, for_s: float) -> int:
    """Publish exchanges as they happen, each batch as one that a collector made just now; return how many."""
    producer = Producer(
        {"bootstrap.servers": endpoints(stack.config).bootstrap, "compression.type": "lz4", "linger.ms": 5}
    )
    each = min(RATE * BATCH_MS // 1_000, BATCH_EVENTS // 2)
    count = int(for_s * RATE / each)
    every_us = each * 1_000_000 // RATE
    begin_us = time.time_ns() // 1_000 + int(count * each * MAKE_US)  # all is made before: that would be load too
    bodies = [made(sequence, begin_us, every_us, each) for sequence in range(1, count + 1)]
    for sequence, body in enumerate(bodies, 1):
        time.sleep(max(0.0, (begin_us + sequence * every_us) / 1e6 - time.time()))
        producer.produce("sbi.events", frame("sbi_event_batch", body), partition=0)
        producer.poll(0)
    producer.flush(10)
    return count * each


def made(sequence: int, begin_us: int, every_us: int, each: int) -> bytes:
    """Return a batch of exchanges that end with it."""
    since_us = begin_us + (sequence - 1) * every_us
    events = []
    for place in range(each):
        number, at_us = sequence * each + place, since_us + place * every_us // each
        events.append(request(number * 2 + 1, at_us, f"b{number % 40}", **said(number)))
        events.append(response(number * 2 + 1, at_us, f"b{number % 40}", status=200, **said(number)))
    return batch(sequence, events, since_us, clock_us=since_us + every_us, node="batches")


def main() -> None:
    """Measure both."""
    for_s = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder), SBISCOPE_KAFKA_PARTITIONS="1") as stack:
        if why := live_hindrance(load(None)):
            print(f"no live capture here: {why}", file=sys.stderr)
        else:
            name = f"time from the kernel's probe to a queryable row, {LIVE_RATE} exchanges/s seen from both ends"
            watched(stack, "live", name, lambda: live(stack, for_s))
        name = f"time from a collector's {BATCH_MS} ms batch to a queryable row, {RATE} exchanges/s"
        watched(stack, "batches", name, lambda: batches(stack, for_s))


if __name__ == "__main__":
    main()
