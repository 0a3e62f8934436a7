"""What an event costs pairing and KPIs by partitions and collectors, and the memory of all folds over time; JSON lines.

    python -m tests.bench.bench_flat [EVENTS]           20000000 for those of the issue: some ten minutes

EVENTS: how many the memory is watched over, which is of all stages in one process, without Kafka. How cost goes with
open exchanges: tests.bench.bench_pairing.
"""

import gc
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from schemas.config import Streams
from schemas.fields import document
from streams.alerts import ALERTS, Alerts
from streams.fold import Facts, Rows, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from streams.procedures import PROCEDURES, PROCEDURES_JSON, Procedures
from streams.runtime.process import YOUNG
from streams.sink import TARGETS, Gathering
from tests.bench import replay
from tests.bench.bench_pairing import T0, said
from tests.bench.bench_sink import swallow
from tests.bench.line import show
from tests.events import batch, request, response

EVENTS_SCHEMA, DELTAS_SCHEMA = document("sbi_event_batch"), document("kpi_delta_batch")
ROWS_SCHEMA, KPI_SCHEMA = document("sbi_transaction_batch"), document("kpi")
SPREAD, SPARSE = 40_000, 120_000  # exchanges over many partitions, and of many collectors: more than a window of 10 s
SLICES, ROUNDS, WATCHED = 12, 3, 400_000
RATE, SLOW = 10_000, 2_000  # exchanges a second of all collectors together; for memory, so that windows end meanwhile
EACH = 198  # events a message, for memory
BLOCK = 20_000  # rows that the sink stores at once
Message = tuple[int, int, bytes]  # collector, append time in ms, body


def messages(exchanges: int, collectors: int, flush_s: float, rate: int = RATE) -> Iterator[Message]:
    """Yield what `collectors` write at `rate` together, each flushing every `flush_s`."""
    each = round(rate * flush_s / collectors)
    for turn in range(exchanges // (each * collectors)):
        begin_us = T0 + round(turn * flush_s * 1e6)
        for number in range(collectors):
            events = []
            for place in range(each):
                stream = 2 * (turn * each + place) + 1
                at_us = begin_us + round(place * flush_s * 1e6 / each)
                about = said(stream // 2) | {"vantage": "client"}  # as many nodes as there are ask the same producers
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


class Stages(Folds):
    """All stages: procedures, alerts and the sink of transactions behind both, a fold a partition."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        told = {PROCEDURES: partitions, PROCEDURES_JSON: partitions}
        self.procedures = [Procedures(Facts(one, told)) for one in range(partitions)]
        self.alerts = [Alerts(Facts(one, {ALERTS: partitions})) for one in range(partitions)]
        self.sink = Gathering(TARGETS["transactions"])
        self.offsets = [0] * partitions
        for one in range(partitions):
            self.sink.assign(one, b"")

    def take(self, message: Message) -> None:
        """Let one message run through all."""
        collector, append_ms, body = message
        partition = collector % len(self.pairings)
        for rows in self.pairings[partition].apply(append_ms, EVENTS_SCHEMA, body):
            made = batch_body(partition, rows.first_number, rows.records)
            if rows.topic == TRANSACTIONS:
                self._store(rows.partition, append_ms, made)
            else:
                self._judge(rows.partition, append_ms, made)

    def _store(self, partition: int, append_ms: int, made: bytes) -> None:
        self.procedures[partition].apply(append_ms, ROWS_SCHEMA, made)
        self.sink.take(partition, self.offsets[partition], made, ROWS_SCHEMA, made)
        self.offsets[partition] += 1
        if self.sink.rows >= BLOCK:
            self.sink.seal().store(swallow)

    def _judge(self, partition: int, append_ms: int, made: bytes) -> None:
        for rows in self.windows[partition].apply(append_ms, DELTAS_SCHEMA, made):
            for record in rows.records if rows.topic == KPIS else ():
                self.alerts[rows.partition].apply(append_ms, KPI_SCHEMA, record)


Case = tuple[int, list[Message]]  # how many partitions, and what they take; of all cases as many events


def costs_us(exchanges: int, *cases: Case) -> list[float]:
    """Return microseconds of CPU an event of each case, which take a slice each in turn: the machine's pace changes.

    The first slice is not counted: each partition's folds meet every NF and operation in it.
    """
    folds, spent = [Folds(partitions) for partitions, _ in cases], [0.0] * len(cases)
    for turn in range(SLICES):
        for number, (_, given) in enumerate(cases):
            each = len(given) // SLICES
            begin = time.process_time()
            for message in given[turn * each : (turn + 1) * each]:
                folds[number].take(message)
            if turn:
                spent[number] += time.process_time() - begin
    events = 2 * exchanges * (SLICES - 1) / SLICES
    return [one * 1e6 / events for one in spent]


def paired(name: str, exchanges: int, few: Case, many: Case, baseline: str) -> None:
    """Measure two cases in turn and show the second beside the first."""
    costs = [costs_us(exchanges, few, many) for _ in range(ROUNDS)]
    first, second = (statistics.median(one) for one in zip(*costs, strict=True))
    show(name, second, "us CPU/event", baseline, first)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


def memory(events: int) -> None:
    """Let events run through, none kept, and show what is held after each quarter: the bounds are reached in the first.

    Each fiftieth request has no answer, so what may still be corrected is held for ten minutes of traffic.
    """
    stages, quarters, taken = Stages(4), [], 0
    for message in replay.messages(events, 10, 0.5, SLOW, 50):
        stages.take(message)
        taken += EACH
        if taken >= (len(quarters) + 1) * events // 4:
            quarters.append(round(resident_mb(), 1))
    held = sum(len(one.requests) + len(one.responses) + len(one.told) for one in stages.pairings)
    name = f"memory of all folds after {events} events, {events // (2 * SLOW)} s of traffic"
    show(name, quarters[-1], "MB RSS", "a quarter of them", quarters[0], open=held, quarters=quarters)


def by_partitions() -> None:
    """Compare many partitions with few, a hundred collectors over each."""
    spread = list(messages(SPREAD, 100, 0.1))
    paired("folds, 64 partitions", SPREAD, (4, spread), (64, spread), "4 partitions")


def by_collectors() -> None:
    """Compare many collectors with few, together as many exchanges a second."""
    usual, sparse = (
        list(replay.messages(2 * SPARSE, collectors, flush_s, RATE, SPARSE))
        for collectors, flush_s in ((10, 0.1), (1_000, 0.5))
    )
    paired("folds, 1,000 collectors at the same rate", SPARSE, (4, usual), (4, sparse), "10 collectors")


def main() -> None:
    """Measure all."""
    gc.set_threshold(YOUNG)  # as a worker does
    memory(int(sys.argv[1]) if len(sys.argv) > 1 else WATCHED)  # first: the others leave theirs behind
    by_partitions()
    by_collectors()


if __name__ == "__main__":
    main()
