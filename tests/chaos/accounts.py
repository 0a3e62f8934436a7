"""Squares the accounts after chaos: every exchange once, every KPI cell right, quarantine as planted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from schemas.fields import document
from streams.clickhouse import connect
from tests.chaos.field import DATABASE, PARTITIONS, Field
from tests.chaos.lag import Kafka
from tests.chaos.replay import FOLLOWERS, Follower, committed, compare
from tests.chaos.truth import Planted, journal, logged, outcomes, quarantined
from tests.chaos.whereabouts import whereabouts
from tests.kpis import KEY, check, counted

TIMES = ("request_us", "request_end_us", "response_us", "response_end_us", "sender_timestamp_us")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Squared:
    """What was compared and found right."""

    exchanges: int
    by_outcome: dict[str, int]
    kpi_cells: int
    quarantined: int
    incarnations: int
    followed: dict[str, int] = field(compare=False)  # rows by view; more may come as time passes


def square(field: Field, planted: Planted) -> Squared:
    """Compare all; raises AssertionError."""
    log = logged(field.kafka.bootstrap, PARTITIONS, planted)
    sent = {(*place, sequence) for place, here in log.items() for sequence in here.sequences}
    assert not journal(field.journal) - sent, "Kafka took batches that are not in its log"
    wanted = outcomes(log)
    told = _transactions(field)
    many = Counter(row["transaction_id"] for row in told)
    assert not [one for one, times in many.items() if times > 1], "exchanges that are there twice"
    missing, extra = wanted.keys() - many.keys(), many.keys() - wanted.keys()
    assert not extra, f"{len(extra)} exchanges that nobody sent: {sorted(extra)[:5]}"
    assert not missing, f"{len(missing)} of {len(wanted)} exchanges are missing: {whereabouts(field, missing)}"
    pairs = [(row["outcome"], wanted[row["transaction_id"]]) for row in told]
    wrong = [(outcome, right) for outcome, right in pairs if outcome not in right]
    assert not wrong, (len(wrong), wrong[:5])
    kpis = _kpis(field)
    check(kpis, counted(told))
    aside = quarantined(field.kafka.bootstrap)
    assert aside == planted, (len(aside), len(planted), {one: aside[one] for one in aside.keys() - planted.keys()})
    followed = {one.view: _followed(field, one) for one in FOLLOWERS}
    outcomes_told = dict(Counter(row["outcome"] for row in told))
    return Squared(len(told), outcomes_told, len(kpis), len(aside), len(log), followed)


def _followed(field: Field, one: Follower) -> int:
    come = committed(Kafka(field.kafka.bootstrap), one)
    return compare(field.kafka.bootstrap, PARTITIONS, one, come, _rows(field, one))


def _transactions(field: Field) -> list[Row]:
    """Return the view of exchanges, each row as Kafka has it."""
    times = ", ".join(f"toUnixTimestamp64Micro({name}) AS {name}" for name in TIMES)
    return _asked(field, f"SELECT * REPLACE ({times}) FROM exchanges")


def _kpis(field: Field) -> dict[tuple[Any, ...], Row]:
    start = "toUnixTimestamp64Micro(window_start_us) AS window_start_us"
    found = _asked(field, f"SELECT * REPLACE ({start}) FROM kpi_windows")
    told = {(row["window_s"], row["window_start_us"], *(row[name] for name in KEY)): row for row in found}
    assert len(told) == len(found), "KPIs that are there twice"
    return told


def _rows(field: Field, one: Follower) -> list[Row]:
    """Return what ClickHouse has of a follower, times as Kafka has them."""
    names = [entry["name"] for entry in document(one.written_schema)["fields"] if "timestamp" in str(entry["type"])]
    times = ", ".join(f"toUnixTimestamp64Micro({name}) AS {name}" for name in names)
    rows = _asked(field, f"SELECT * REPLACE ({times}) FROM {one.view}")
    return [{name: list(value) if isinstance(value, tuple) else value for name, value in row.items()} for row in rows]


def _asked(field: Field, sql: str) -> list[Row]:
    client = connect(field.front.account(DATABASE))
    try:
        result = client.query(sql)
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]
    finally:
        client.close()
