"""What stages that follow others must have told: the log of their input, folded once more without any disturbance."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.fields import document
from schemas.framing import Unframed, unframe
from schemas.plain import without_logical_types
from streams.alerts import ALERTS, Alerts
from streams.fold import Facts, Fold
from streams.kpi_windows import KPIS
from streams.pairing import TRANSACTIONS
from streams.procedures import PROCEDURES, Procedures
from streams.reframe import Malformed
from tests.kpis import read
from tests.reading import log

LAG_MS = 15_000  # of append time, within which a row reaches ClickHouse once all is up
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Follower:
    """A stage that follows: what it reads and writes, and what fixes a row of it."""

    reads: str
    read_schema: str
    writes: str
    written_schema: str
    fold: Callable[[Facts], Fold]
    view: str
    key: tuple[str, ...]


FOLLOWERS = (
    Follower(KPIS, "kpi", ALERTS, "alert", Alerts, "alert_changes", ("alarm_id", "version")),
    Follower(
        TRANSACTIONS, "sbi_transaction_batch", PROCEDURES, "procedure", Procedures, "procedures_once", ("procedure_id",)
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """All that had to be told, and what of it so long ago that it must have arrived."""

    rows: dict[tuple[Any, ...], Row]
    due: set[tuple[Any, ...]]


def replayed(bootstrap: str, partitions: int, one: Follower) -> Told:
    """Fold the log of a follower's input anew, partition by partition, ticks too."""
    schema = document(one.read_schema)
    record = fastavro.parse_schema(without_logical_types(document(one.written_schema)))
    rows: dict[tuple[Any, ...], Row] = {}
    when: dict[tuple[Any, ...], int] = {}
    folds = {number: one.fold(Facts(number, {one.writes: partitions})) for number in range(partitions)}
    for message in log(bootstrap, one.reads, partitions):
        try:
            body = unframe(message.value)[1] if message.value else b""
            out = folds[message.partition].apply(message.append_ms, schema if body else None, body)
        except (Unframed, Malformed):
            continue  # planted
        for octets in (octets for told in out for octets in told.records):
            row = read(record, octets)
            key = tuple(row[name] for name in one.key)
            rows[key], when[key] = row, message.append_ms
    now_ms = time.time_ns() // 1_000_000
    return Told(rows, {key for key, at_ms in when.items() if at_ms < now_ms - LAG_MS})


def compare(told: Told, stored: list[Row], one: Follower) -> int:
    """Raise AssertionError where rows are missing, doubled or wrong; return how many there are."""
    found = {tuple(row[name] for name in one.key): row for row in stored}
    assert len(found) == len(stored), f"{one.view} has rows twice"
    missing = told.due - found.keys()
    assert not missing, (one.view, len(missing), len(found), len(told.rows))
    wrong = [(row, told.rows.get(key)) for key, row in found.items() if row != told.rows.get(key)]
    assert not wrong, (one.view, len(wrong), wrong[0])
    return len(found)
