"""KPIs counted slowly from transactions, one by one, and the two folds run after each other: for tests of both."""

import io
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro

from collector.avro import encode_batch
from collector.batch import Batch
from collector.pcap_source import PcapSource
from deploy.capture import meaning_of, run_capture
from schemas.config import Config, Streams
from schemas.fields import document
from schemas.plain import without_logical_types
from streams.fold import Facts, batch_body
from streams.kpi_windows import KPIS, KPIS_JSON, WIDTHS_S, KpiWindows
from streams.measurements import measurements
from streams.pairing import TRANSACTIONS, Pairing

EVENTS = document("sbi_event_batch")
DELTAS = document("kpi_delta_batch")
DELTAS_TOPIC = "sbi.kpi-deltas"
KPI = fastavro.parse_schema(without_logical_types(document("kpi")))
TRANSACTION = fastavro.parse_schema(
    without_logical_types(document("sbi_transaction_batch")["fields"][-1]["type"]["items"])
)
KEY = (
    "operation", "consumer_nf", "producer_nf", "producer_nf_instance", "snssai", "dnn", "plmn", "to_proxy",
    "site", "node",
)  # fmt: skip
SUCCEEDED = {"success", "redirect", "business"}
BY_OUTCOME = {
    "unanswered": "unanswered",
    "late": "late",
    "reset": "resets",
    "client_error": "client_errors",
    "server_error": "server_errors",
    "hidden_failure": "hidden_failures",
    "business": "business",
    "redirect": "redirects",
    "unknown": "unknown",
}
Row = dict[str, Any]


def read(schema: Any, octets: bytes) -> Row:
    row = fastavro.schemaless_reader(io.BytesIO(octets), schema, None)
    assert isinstance(row, dict)
    return row


class Stages:
    """Pairing of some partitions and one KPI partition behind it, message by message."""

    def __init__(self, pairings: int = 1, rules: Streams | None = None) -> None:
        self.rules = rules or Streams()
        outputs = {TRANSACTIONS: 2, DELTAS_TOPIC: 1}
        self.pairings = [Pairing(Facts(number, outputs), self.rules) for number in range(pairings)]
        self.windows = KpiWindows(Facts(0, {KPIS: 3, KPIS_JSON: 1}), self.rules)
        self.transactions: dict[str, Row] = {}
        self.kpis: dict[tuple[Any, ...], Row] = {}
        self.published: list[Row] = []

    def give(self, append_time_ms: int, body: bytes, partition: int = 0) -> None:
        """Let one message run through both; an empty one is a tick."""
        for rows in self.pairings[partition].apply(append_time_ms, EVENTS if body else None, body):
            if rows.topic == TRANSACTIONS:
                self._store(rows.records)
            else:
                message = batch_body(partition, rows.first_number, rows.records)
                self._publish(self.windows.apply(append_time_ms, DELTAS, message))
        if not body:
            self._publish(self.windows.apply(append_time_ms, None, b""))

    def _store(self, records: Iterable[bytes]) -> None:
        for octets in records:
            row = read(TRANSACTION, octets)
            before = self.transactions.get(row["transaction_id"])
            assert before is None or before["version"] < row["version"]
            self.transactions[row["transaction_id"]] = row

    def _publish(self, out: Iterable[Any]) -> None:
        for rows in out:
            if rows.topic == KPIS_JSON:
                continue
            for octets, key in zip(rows.records, rows.keys, strict=True):
                row = read(KPI, octets)
                assert row["kpi_id"].encode() == key
                place = row["window_s"], row["window_start_us"], *(row[name] for name in KEY)
                before = self.kpis.get(place)
                assert row["version"] == (before["version"] + 1 if before else 1)
                self.kpis[place] = row
                self.published.append(row)


def of_capture(path: Path) -> Stages:
    """Return the stages after a capture, as `collect --to kafka` would feed them."""
    stages, config = Stages(), Config()

    def put(one: Batch) -> None:
        stages.give(one.header.clock_us // 1_000, encode_batch(one.header, one.events))

    source = PcapSource(path)
    run_capture(source, config, meaning_of(config.collector), put)
    stages.give(source.now_ns // 1_000_000 + 2_000, b"")
    return stages


def counted(transactions: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """Return what the KPIs of all window lengths must be, by (window_s, window_start_us, key)."""
    rows = [row for row in transactions if row["request_event_id"] is not None]
    found: dict[tuple[Any, ...], Row] = {}
    for width_s in WIDTHS_S:
        width_us = width_s * 1_000_000
        cells: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        answers: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        flights: dict[tuple[Any, ...], int] = defaultdict(int)
        for row in rows:
            key = tuple(row[name] for name in KEY)
            first = row["request_us"] // width_us * width_us
            cells[width_s, first, *key].append(row)
            if row["response_us"] is not None and row["outcome"] != "unknown":
                answers[width_s, row["response_us"] // width_us * width_us, *key].append(row)
            for start in range(first, over_us(row) // width_us * width_us, width_us):
                flights[width_s, start, *key] += 1
        for place in {**cells, **answers, **flights}:
            found[place] = _kpi(cells[place], answers[place], flights[place])
    return found


def over_us(row: Row) -> int:
    """Return when an exchange was over."""
    deadline = row["request_us"] + row["deadline_ms"] * 1_000
    if row["response_event_id"] is not None:
        return min(deadline, row["response_us"] or row["response_end_us"])
    return min(deadline, row["request_end_us"]) if row["outcome"] == "reset" else deadline


def _kpi(rows: list[Row], answers: list[Row], in_flight: int) -> Row:
    durations = sorted(row["duration_us"] for row in rows if row["duration_us"] is not None)
    told = {
        "requests": len(rows),
        "answered": sum(row["response_us"] is not None for row in rows),
        "succeeded": sum(row["outcome"] in SUCCEEDED for row in rows),
        "failed": sum(row["outcome"] not in SUCCEEDED | {"unknown"} for row in rows),
        "retransmitted": sum(row["retransmission"] for row in rows),
        "in_flight": in_flight,
        "durations": len(durations),
        "duration_us_sum": sum(durations),
        "max_us": durations[-1] if durations else None,
        "request_body_bytes_sum": sum(row["request_body_bytes"] or 0 for row in rows),
        "response_body_bytes_sum": sum(row["response_body_bytes"] or 0 for row in rows),
        "header_bytes_sum": sum(
            (row["request_header_bytes"] or 0) + (row["response_header_bytes"] or 0) for row in rows
        ),
        "with_token": sum(row["access_token"] is True for row in rows),
        "without_token": sum(row["access_token"] is False for row in rows),
        "overload_reports": sum(bool(row["overload_reduction_percent"]) for row in rows),
        "overload_percent_sum": sum(row["overload_reduction_percent"] or 0 for row in rows),
        "consumer_overload_reports": sum(bool(row["consumer_overload_reduction_percent"]) for row in rows),
        "consumer_overload_percent_sum": sum(row["consumer_overload_reduction_percent"] or 0 for row in rows),
        "exact": {name: durations[int(q * len(durations))] if durations else None for name, q in QUANTILES.items()},
        "answers": answers,
    }
    for outcome, name in BY_OUTCOME.items():
        told[name] = sum(row["outcome"] == outcome for row in rows)
    failures: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["outcome"] not in SUCCEEDED | {"unknown"}:
            failures[failure(row)] += 1
    told["failures"] = dict(failures)
    return told


QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p95_us": 0.95, "p99_us": 0.99}


def failure(row: Row) -> str:
    """Return the name of a failure."""
    parts = (row["outcome"], row["status"], row["cause"])
    return " ".join(str(part) for part in parts if part is not None)


def check(kpis: dict[tuple[Any, ...], Row], wanted: dict[tuple[Any, ...], Row]) -> None:
    """Compare all; quantiles within the sketch's error. What was taken back wholly may stand as nothing."""
    wanted = {place: row for place, row in wanted.items() if says_something(place, row)}
    kpis = {place: row for place, row in kpis.items() if row["requests"] or row["in_flight"] or place in wanted}
    missing, extra = wanted.keys() - kpis.keys(), kpis.keys() - wanted.keys()
    seen = [(place, wanted[place]) for place in missing][:3], [(place, kpis[place]) for place in extra][:3]
    assert not missing and not extra, (len(missing), len(extra), *seen)
    for place, row in kpis.items():
        told = wanted[place]
        for name, value in told.items():
            if name not in {"exact", "answers", "failures"}:
                assert row[name] == value, (place, name, row[name], value)
        for name, exact in told["exact"].items():
            error = abs((row[name] or 0) - max(exact or 0, 0))
            assert error <= 0.01 * abs(exact or 0) + 1, (place, name, row[name], exact)
        if len(told["failures"]) <= 10:
            assert row["failures"] == told["failures"], place


def says_something(place: tuple[Any, ...], row: Row) -> bool:
    """Tell whether a row is in the view: answers alone, without request or wait, count in measurements only."""
    key = dict(zip(KEY, place[2:], strict=True))
    measured = {operation for one in measurements() for operation in one.operations}
    return bool(row["requests"] or row["in_flight"] or (key["operation"] in measured and not key["to_proxy"]))


def lines(text: bytes) -> list[Row]:
    """Return JSON lines as rows."""
    return [json.loads(line) for line in text.splitlines()]
