"""Reads batches of KPI deltas, whoever of our releases wrote them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cython
import msgspec

from schemas.fields import document
from streams.batch_reader import BatchReader
from streams.kpi_counts import NO_MAXIMUM, Counts
from streams.kpi_row import Key
from streams.outcome import Outcome
from streams.reframe import Malformed
from streams.sketch import NOTHING, bin_of

COUNTERS = (
    *(outcome.name.lower() for outcome in Outcome),
    "answered",
    "retransmitted",
    "in_flight",
    "header_bytes",
    "request_body_bytes",
    "response_body_bytes",
    "durations",
    "duration_us_sum",
    "response_success",
    "with_token",
    "without_token",
    "overload_reports",
    "overload_percent_sum",
    "consumer_overload_reports",
    "consumer_overload_percent_sum",
    "at_edge",
)


OURS = document("kpi_delta_batch")
DELTA_FIELDS = OURS["fields"][-1]["type"]["items"]["fields"]
PLACES = {field["name"]: place for place, field in enumerate(DELTA_FIELDS[-1]["type"]["items"]["fields"])}
COUNTER_PLACES = [PLACES[name] for name in COUNTERS]
KEY = slice(PLACES["operation"], PLACES["to_proxy"] + 1)  # the fields of Key, in their order
WINDOW_START_US, VANTAGE = PLACES["window_start_us"], PLACES["vantage"]
SERVER_ADDRESS, SERVER_PORT = PLACES["server_address"], PLACES["server_port"]
CLIENT_ADDRESS = PLACES["client_address"]
MAXIMUM, LATENCIES = PLACES["duration_us_max"], PLACES["latencies"]
MOST = 1 << 53  # of anything counted or timed: a thousand of them still fit 64 bits
BINS = frozenset(range(NOTHING, bin_of(MOST) + 1))
MAX_KEYS = 50_000  # at hand, before the next batch
FAILURES, RESPONSE_FAILURES = PLACES["failures"], PLACES["response_failures"]


class Cell(msgspec.Struct, frozen=True, gc=False):
    """What is to be added for one key in 10 s."""

    window_start_us: int
    key: Key
    vantage: str
    server_address: str
    server_port: int
    client_address: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Delta:
    """What one collector shard adds; names as in KpiDelta, `blind`: (start of the window, time) each."""

    site: str
    node: str
    shard: int
    incarnation: str
    since_us: int
    watermark_us: int
    over: bool
    blind: list[tuple[int, int]]
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Batch:
    """One message of sbi.kpi-deltas."""

    input_partition: int
    first_number: int
    deltas: list[Delta]


class DeltaReader:
    """Reads messages of sbi.kpi-deltas."""

    def __init__(self) -> None:
        """No schema is known yet."""
        self._batches = BatchReader(OURS, "KPI deltas")
        self._keys: dict[tuple[Any, ...], Key] = {}  # each the same object again: found without comparing its fields

    def read(self, schema: Mapping[str, Any], body: bytes) -> Batch:
        """Return a batch. Raises Malformed."""
        input_partition, first_number, deltas = self._batches.read(schema, body)
        if len(self._keys) > MAX_KEYS:
            self._keys.clear()
        return Batch(input_partition, first_number, [_delta(one, self._keys) for one in deltas])


def _delta(record: list[Any], keys: dict[tuple[Any, ...], Key]) -> Delta:
    site, node, shard, incarnation, since_us, watermark_us, over, blind, cells = record
    lost = [(start_us, min(max(blind_us, 0), MOST)) for start_us, blind_us in blind]
    told = [_cell(cell, keys) for cell in cells]
    return Delta(site, node, shard, incarnation, since_us, watermark_us, over, lost, told)


def _cell(record: list[Any], keys: dict[tuple[Any, ...], Key]) -> Cell:
    fields = tuple(record[KEY])
    key = keys.get(fields)
    if key is None:
        key = keys[fields] = Key(*fields)
    counters = [record[place] for place in COUNTER_PLACES]
    latencies, failures, response_failures = dict(record[LATENCIES]), record[FAILURES], record[RESPONSE_FAILURES]
    _prove(counters)
    for named in (latencies, failures, response_failures):
        if named:
            _prove(list(named.values()))
    if latencies and not BINS.issuperset(latencies):
        raise Malformed("a cell counts durations of no bin")
    window_start_us = record[WINDOW_START_US]
    if not 0 <= window_start_us <= MOST:
        raise Malformed("a cell of no time")
    counts = Counts(counters, max(record[MAXIMUM], NO_MAXIMUM), latencies, failures, response_failures)
    server_address, server_port, client_address = record[SERVER_ADDRESS], record[SERVER_PORT], record[CLIENT_ADDRESS]
    return Cell(window_start_us, key, record[VANTAGE], server_address, server_port, client_address, counts)


@cython.cfunc
def _prove(counted: list[int]) -> None:
    """Raise Malformed where there is more than there can be: added up, it would leave 64 bits."""
    most: cython.longlong = MOST
    one: cython.longlong
    for one in counted:
        if one > most or one < -most:
            raise Malformed("a cell counts more than there can be")
