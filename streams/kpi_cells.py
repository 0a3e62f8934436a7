# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What pairing adds to KPIs: counts by key and 10 s window, told to the KPI stage as the seconds of append time pass.

A key is told in the second it is met in, so that the KPI stage knows who has something to say of the window, and the
rest of it when its collector has passed the window's end: no window is published before, and a key costs two cells in
it however often it is met. What comes after that end is told at once.
"""

import math
from typing import Any
from zlib import crc32

import cython

from streams.collectors import Collector, Collectors
from streams.fold import Facts, Numbering, Rows, zigzag
from streams.kpi_counts import (
    ANSWERED,
    AT_EDGE,
    CONSUMER_OVERLOAD_PERCENT_SUM,
    CONSUMER_OVERLOAD_REPORTS,
    DURATION_US_SUM,
    DURATIONS,
    HEADER_BYTES,
    IN_FLIGHT,
    OVERLOAD_PERCENT_SUM,
    OVERLOAD_REPORTS,
    REQUEST_BODY_BYTES,
    RESPONSE_BODY_BYTES,
    RESPONSE_SUCCESS,
    RETRANSMITTED,
    WITH_TOKEN,
    WITHOUT_TOKEN,
    Counts,
    add_named,
)
from streams.outcome import Outcome
from streams.sketch import MULTIPLIER, NOTHING

if cython.compiled:
    from cython.cimports.streams.transaction_row import Row
else:
    from streams.transaction_row import Row

DELTAS = "sbi.kpi-deltas"
WINDOW_US = cython.declare(cython.longlong, 10_000_000)
FOREVER = cython.declare(cython.longlong, 1 << 62)
EDGE_US = cython.declare(cython.longlong, 50_000)  # clocks of nodes differ, and what is sent takes its time
MAX_CELLS = 500  # in one row, so that a message stays small
MAX_HELD = 20_000  # keys told of in windows not over, and cells that wait: beyond that all is told at once

SUCCEEDED = frozenset({int(Outcome.SUCCESS), int(Outcome.REDIRECT), int(Outcome.BUSINESS)})
UNKNOWN = int(Outcome.UNKNOWN)
SMALL = tuple(map(zigzag, range(64)))
_MULTIPLIER = cython.declare(cython.double, MULTIPLIER)


def record(window: int, cell: bytes, counts: Counts) -> bytes:
    """Return the record KpiCell; `cell` = its key as Avro."""
    first, since = counts.counters[:WITH_TOKEN], counts.counters[WITH_TOKEN:]  # fields that came later stand at the end
    parts = [zigzag(window * 10_000_000), cell, *_numbers(first), zigzag(counts.maximum_us)]
    bins = [(index, count) for index, count in counts.latencies.items() if count]
    if bins:
        parts.append(zigzag(len(bins)))
        parts += [zigzag(index) + zigzag(count) for index, count in bins]
    parts += [b"\0", _map(counts.failures), _map(counts.response_failures), *_numbers(since)]
    return b"".join(parts)


def _numbers(values: list[int]) -> list[bytes]:
    """Return each in Avro; most are small, and those are met without a call."""
    return [SMALL[one] if 0 <= one < 64 else zigzag(one) for one in values]


def _map(counts: dict[str, int]) -> bytes:
    entries = [(name.encode(), count) for name, count in counts.items() if count]
    if not entries:
        return b"\0"
    parts = [b"".join((zigzag(len(name)), name, zigzag(count))) for name, count in entries]
    return b"".join((zigzag(len(entries)), *parts, b"\0"))


Cells = dict[tuple[int, bytes], Counts]


def _cell(cells: dict[Any, Any], window: int, key: bytes) -> Any:
    found = cells.get((window, key))
    if found is None:
        found = cells[window, key] = Counts()
    return found


def count(cells: dict[Any, Any], row: Row, sign: int) -> None:
    """Count a transaction (sign 1), or take back what was counted of it (-1)."""
    window: cython.longlong = row.request_us // WINDOW_US
    over: cython.longlong = row.over_us // WINDOW_US
    cell = _cell(cells, window, row.cell)
    counters: list[int] = cell.counters
    counters[row.outcome] += sign
    if row.answered:
        counters[ANSWERED] += sign
    if row.retransmission:
        counters[RETRANSMITTED] += sign
    if not EDGE_US <= row.request_us - window * WINDOW_US < WINDOW_US - EDGE_US:
        counters[AT_EDGE] += sign
    if row.token >= 0:
        counters[WITH_TOKEN if row.token else WITHOUT_TOKEN] += sign
    if row.overload > 0:
        counters[OVERLOAD_REPORTS] += sign
        counters[OVERLOAD_PERCENT_SUM] += sign * row.overload
    if row.consumer_overload > 0:
        counters[CONSUMER_OVERLOAD_REPORTS] += sign
        counters[CONSUMER_OVERLOAD_PERCENT_SUM] += sign * row.consumer_overload
    counters[HEADER_BYTES] += sign * row.header_bytes
    counters[REQUEST_BODY_BYTES] += sign * row.request_body_bytes
    counters[RESPONSE_BODY_BYTES] += sign * row.response_body_bytes
    if row.has_duration:
        counters[DURATIONS] += sign
        counters[DURATION_US_SUM] += sign * row.duration_us
        if row.duration_us > cell.maximum_us:
            cell.maximum_us = row.duration_us
        index: int = math.ceil(math.log(row.duration_us) * _MULTIPLIER) if row.duration_us > 0 else NOTHING
        cell.latencies[index] = cell.latencies.get(index, 0) + sign
    failed: cython.bint = row.outcome not in SUCCEEDED and row.outcome != UNKNOWN
    if failed:
        _count_failure(cell.failures, row, sign)
    if row.answered and row.outcome != UNKNOWN:
        answer = _cell(cells, row.response_us // WINDOW_US, row.cell)
        if failed:
            _count_failure(answer.response_failures, row, sign)
        else:
            answer.counters[RESPONSE_SUCCESS] += sign
    while window < over:
        _cell(cells, window, row.cell).counters[IN_FLIGHT] += sign
        window += 1


def _count_failure(failures: dict[str, int], row: Row, sign: int) -> None:
    name = Outcome(row.outcome).name.lower()
    if row.status >= 0:
        name += f" {row.status}"
    if row.cause is not None:
        name += f" {row.cause.decode(errors='replace')}"
    add_named(failures, name, sign)


def partition_of(cell: bytes, partitions: int) -> int:
    """Return the KPI partition: by operation, so that both ends of an exchange meet there."""
    size = cell[1] >> 1 if cell[0] and cell[1] < 0x80 else len(cell) if cell[0] else 0
    return crc32(cell[: 2 + size]) % partitions if size else crc32(b"") % partitions


class Deltas:
    """The counts of all collectors of one pairing partition since they were told last."""

    def __init__(self, facts: Facts) -> None:
        self.partitions = facts.outputs.get(DELTAS, 0)
        self.second = 0
        self.cells: dict[Collector, Cells] = {}
        self.blind: dict[Collector, dict[int, int]] = {}
        self.over: dict[Collector, None] = {}
        self.opened: dict[Collector, dict[int, dict[int, None]]] = {}  # by window not passed: of which keys it was told
        self.reached: dict[Collector, dict[int, int]] = {}  # partitions told of a collector, and the watermark told

    def count(self, collector: Collector, row: Row, sign: int) -> None:
        """Count a transaction of a collector, or take it back."""
        if self.partitions:
            cells = self.cells.get(collector)
            if cells is None:
                cells = self.cells[collector] = {}
            count(cells, row, sign)

    def was_blind(self, collector: Collector, begin_us: int, end_us: int) -> None:
        """Note that loss was counted between two times of a collector; what is longer than an hour counts as one."""
        if self.partitions:
            windows = self.blind.setdefault(collector, {})
            begin_us = max(begin_us, end_us - 3_600_000_000)
            while begin_us < end_us:
                window = begin_us // 10_000_000
                until_us = min((window + 1) * 10_000_000, end_us)
                windows[window] = windows.get(window, 0) + until_us - begin_us
                begin_us = until_us

    def ended(self, collector: Collector) -> None:
        """Nothing more is expected of a collector."""
        if self.partitions:
            self.over[collector] = None

    def due(self, append_time_ms: int, collectors: Collectors, numbering: Numbering) -> list[Rows]:
        """Return what is to be told when the second of append time changes."""
        if not self.partitions or append_time_ms // 1_000 <= self.second:
            return []
        self.second = append_time_ms // 1_000
        out: dict[int, list[bytes]] = {}
        waits = self._held() <= MAX_HELD
        for collector in dict.fromkeys([*self.cells, *self.blind, *self.over, *collectors.living.values()]):
            self._tell(collector, waits, out)
        self.blind, self.over = {}, {}
        return [numbering.rows(DELTAS, partition, rows) for partition, rows in sorted(out.items())]

    def _held(self) -> int:
        """Return how many keys are remembered and cells wait; keys of one number can be made at will."""
        remembered = sum(len(met) for windows in self.opened.values() for met in windows.values())
        return remembered + sum(map(len, self.cells.values()))

    def _take(self, collector: Collector, waits: bool) -> Cells:
        """Take out what is to be told of a collector now; all of it unless the rest of an open window `waits`."""
        cells = self.cells.pop(collector, {})
        opened = self.opened.setdefault(collector, {})
        first: cython.longlong = FOREVER  # window that is not passed yet
        if waits and not collector.over:
            first = collector.watermark_us // WINDOW_US
        for window in [one for one in opened if one < first]:
            del opened[window]
        taken, waiting = {}, {}
        for place, cell in cells.items():
            window, key = place
            if window < first:
                taken[place] = cell
                continue
            met, number = opened.setdefault(window, {}), crc32(key)  # of two keys of one number the second waits too
            if number in met:
                waiting[place] = cell
            else:
                met[number] = None
                taken[place] = cell
        if waiting:
            self.cells[collector] = waiting
        if not opened:
            del self.opened[collector]
        return taken

    def _tell(self, collector: Collector, waits: bool, out: dict[int, list[bytes]]) -> None:
        """Append the rows of one collector to those of their partitions."""
        told = self.reached.setdefault(collector, {})
        over = collector.over
        blind = self.blind.get(collector, {})
        records: dict[int, list[bytes]] = {}
        for (window, key), cell in self._take(collector, waits).items():
            records.setdefault(partition_of(key, self.partitions), []).append(record(window, key, cell))
        mark = collector.watermark_us
        passed = {q for q, before in told.items() if over or before // 10_000_000 < mark // 10_000_000}
        for partition in sorted({*records, *passed, *(range(self.partitions) if blind else ())}):
            cells = records.get(partition, [])
            while len(cells) > MAX_CELLS:
                row = _delta(collector, told.get(partition, 0), False, {}, cells[:MAX_CELLS])
                out.setdefault(partition, []).append(row)
                cells = cells[MAX_CELLS:]
            out.setdefault(partition, []).append(_delta(collector, mark, over, blind, cells))
            told[partition] = mark
        if over:
            del self.reached[collector]


def _delta(collector: Collector, watermark_us: int, over: bool, blind: dict[int, int], cells: list[bytes]) -> bytes:
    """Return the record KpiDelta."""
    parts = [collector.place, zigzag(collector.since_us), zigzag(watermark_us), b"\1" if over else b"\0"]
    if blind:
        parts.append(zigzag(len(blind)))
        parts += [zigzag(window * 10_000_000) + zigzag(time_us) for window, time_us in blind.items()]
    parts.append(b"\0")
    if cells:
        parts += [zigzag(len(cells)), *cells]
    parts.append(b"\0")
    return b"".join(parts)
