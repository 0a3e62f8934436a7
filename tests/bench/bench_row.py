"""How long after a message was seen is its row queryable: asked of ClickHouse again and again while traffic runs.

python -m tests.bench.bench_row [SECONDS]
"""

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

LIVE_RATE, BATCH_RATE = 200, 1_000  # exchanges a second: had by two programs; published as a collector's batches
BATCH_MS = 100
LOOK_S = 0.02
FRESH = (
    "SELECT transaction_id, toUnixTimestamp64Micro(response_end_us), toUnixTimestamp64Milli(stored_at) "
    "FROM transactions WHERE node = {node:String} AND stored_at >= fromUnixTimestamp64Milli({since:Int64})"
)


class Watch(threading.Thread):
    """Looks which rows of a node are there, and notes for each how long ago its answer had ended (ms)."""

    def __init__(self, stack: LocalStack, node: str) -> None:
        super().__init__(daemon=True)
        self.late_ms: dict[str, float] = {}
        self._client: Client = connect(reader(stack.config))
        self._node = node
        self._over = threading.Event()

    def run(self) -> None:
        since_ms = 0
        while not self._over.is_set():
            found = rows(self._client, FRESH, {"node": self._node, "since": since_ms - 1_000})
            now_ms = time.time_ns() / 1e6
            for transaction, ended_us, stored_ms in found:
                self.late_ms.setdefault(transaction, now_ms - ended_us / 1_000)
                since_ms = max(since_ms, stored_ms)
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
    late = statistics.quantiles(watch.late_ms.values(), n=100)
    show(f"{name}, median", late[49], "ms", rows=len(watch.late_ms))
    show(f"{name}, 99 %", late[98], "ms", rows=len(watch.late_ms))


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
    each = BATCH_RATE * BATCH_MS // 1_000
    began = time.time()
    count = int(for_s * 1_000 / BATCH_MS)
    for sequence in range(1, count + 1):
        time.sleep(max(0.0, began + sequence * BATCH_MS / 1_000 - time.time()))
        now_us = time.time_ns() // 1_000
        begin_us = now_us - BATCH_MS * 1_000
        events = []
        for place in range(each):
            number, at_us = sequence * each + place, begin_us + place * BATCH_MS * 1_000 // each
            events.append(request(number * 2 + 1, at_us, f"b{number % 40}", **said(number)))
            events.append(response(number * 2 + 1, at_us, f"b{number % 40}", status=200, **said(number)))
        body = batch(sequence, events, begin_us, clock_us=now_us, node="batches")
        producer.produce("sbi.events", frame("sbi_event_batch", body), partition=0)
        producer.poll(0)
    producer.flush(10)
    return count * each


def main() -> None:
    """Measure both."""
    for_s = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    with tempfile.TemporaryDirectory() as folder, local_stack(Path(folder), SBISCOPE_KAFKA_PARTITIONS="1") as stack:
        if why := live_hindrance(load(None)):
            print(f"no live capture here: {why}", file=sys.stderr)
        else:
            name = f"time from the kernel's probe to a queryable row, {LIVE_RATE} exchanges/s seen from both ends"
            watched(stack, "live", name, lambda: live(stack, for_s))
        name = f"time from a collector's {BATCH_MS} ms batch to a queryable row, {BATCH_RATE} exchanges/s"
        watched(stack, "batches", name, lambda: batches(stack, for_s))


if __name__ == "__main__":
    main()
