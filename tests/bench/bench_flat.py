"""What an event costs pairing and KPIs by partitions and collectors, and their memory over time; JSON lines.

python -m tests.bench.bench_flat [EVENTS]

EVENTS: how many the memory is watched over. How cost goes with open exchanges: tests.bench.bench_pairing.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from schemas.config import Streams
from schemas.fields import document
from streams.fold import Facts, Rows, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from tests.bench.bench_pairing import T0, said
from tests.bench.line import show
from tests.events import batch, request, response

EVENTS_SCHEMA, DELTAS_SCHEMA = document("sbi_event_batch"), document("kpi_delta_batch")
EXCHANGES, ROUNDS, WATCHED = 20_000, 3, 400_000
RATE = 10_000  # exchanges a second of all collectors together
Message = tuple[int, int, bytes]  # collector, append time in ms, body


def messages(exchanges: int, collectors: int, flush_s: float) -> Iterator[Message]:
    """Yield what `collectors` write at RATE together, each flushing every `flush_s`."""
    each = round(RATE * flush_s / collectors)
    for turn in range(exchanges // (each * collectors)):
        begin_us = T0 + round(turn * flush_s * 1e6)
        for number in range(collectors):
            events = []
            for place in range(each):
                stream = 2 * (turn * each + place) + 1
                at_us = begin_us + round(place * flush_s * 1e6 / each)
                about = said(place) | {"vantage": "client"}  # as many nodes as there are ask the same producers
                connection = f"{number}/{stream // 20_000}"
                events.append(request(stream, at_us, connection, **about))
                events.append(response(stream, at_us + 400, connection, **about | {"status": 200}))
            reached_us = begin_us + round(flush_s * 1e6)
            body = batch(turn + 1, events, reached_us, node=f"n{number}", clock_us=reached_us)
            yield number, reached_us // 1_000, body


class Folds:
    """Both stages, a fold a partition."""

    def __init__(self, partitions: int) -> None:
        rules = Streams()
        out = {TRANSACTIONS: partitions, DELTAS: partitions}
        self.pairings = [Pairing(Facts(one, out), rules) for one in range(partitions)]
        kpis = {KPIS: partitions, KPIS_JSON: partitions}
        self.windows = [KpiWindows(Facts(one, kpis), rules) for one in range(partitions)]

    def take(self, message: Message) -> None:
        """Let one message run through both."""
        collector, append_ms, body = message
        partition = collector % len(self.pairings)
        for rows in self.pairings[partition].apply(append_ms, EVENTS_SCHEMA, body):
            if rows.topic == DELTAS:
                self._count(partition, append_ms, rows)

    def _count(self, partition: int, append_ms: int, rows: Rows) -> None:
        made = batch_body(partition, rows.first_number, rows.records)
        self.windows[rows.partition].apply(append_ms, DELTAS_SCHEMA, made)


def cost_us(partitions: int, given: list[Message]) -> float:
    """Return microseconds of CPU an event."""
    folds = Folds(partitions)
    begin = time.process_time()
    for message in given:
        folds.take(message)
    return (time.process_time() - begin) * 1e6 / (2 * EXCHANGES)


def paired(name: str, few: tuple[int, list[Message]], many: tuple[int, list[Message]], baseline: str) -> None:
    """Measure two cases in turn and show the second beside the first."""
    runs = [(cost_us(*few), cost_us(*many)) for _ in range(ROUNDS)]
    first, second = (statistics.median(one) for one in zip(*runs, strict=True))
    show(name, second, "us CPU/event", baseline, first)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


def memory(events: int) -> None:
    """Let events run through, none kept, and show how much more is held at the end than after a quarter."""
    folds, quarter = Folds(4), 0.0
    for taken, message in enumerate(messages(events // 2, 10, 0.1), 1):
        folds.take(message)
        if taken == events // 800:
            quarter = resident_mb()
    held = sum(len(one.requests) + len(one.responses) + len(one.told) for one in folds.pairings)
    name = f"memory of both folds after {events} events"
    show(name, resident_mb(), "MB RSS", "a quarter of them", quarter, open=held)


def main() -> None:
    """Measure all."""
    usual, sparse = list(messages(EXCHANGES, 10, 0.1)), list(messages(EXCHANGES, 1_000, 0.5))
    spread = list(messages(EXCHANGES, 100, 0.1))
    paired("folds, 64 partitions", (4, spread), (64, spread), "4 partitions")
    paired("folds, 1,000 collectors at the same rate", (4, usual), (4, sparse), "10 collectors")
    memory(int(sys.argv[1]) if len(sys.argv) > 1 else WATCHED)


if __name__ == "__main__":
    main()
