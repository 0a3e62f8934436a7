"""streams/rollup.py: what was rolled equals the exchanges themselves, whatever came late, twice or broke off."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from streams import rollup
from streams.clickhouse import connect, rows
from streams.cookbook import PERIOD, recipes
from streams.migrate import Form, migrate
from streams.rollup import ROWS, SLOT_US, SLOTS, Rolling, runs
from tests import engine, generate
from tests.front import front

POOL = list(generate.transactions(1_511, rate=2))  # some twelve minutes
CUTS = ("fate", "peer", "connection", "heat")
LATE = "SELECT cut, sum(exchanges) FROM counts_between(start='2000-01-01', stop='2100-01-01') GROUP BY cut ORDER BY cut"


def rolled(many: Sequence[dict[str, Any]]) -> Client:
    _, client = engine.emptied(*(f"rollup_{table}" for table in (*rollup.TABLES, "cuts", "slots")))
    generate.insert(client, [generate.encode_batch(many)])
    assert list(Rolling(client).roll())
    return client


def run(client: Client, name: str) -> list[dict[str, Any]]:
    result = client.query(recipes()[name].sql, parameters=PERIOD)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


@pytest.mark.stack
def test_each_cut_counts_each_exchange_once_and_percentiles_are_right_to_one_percent() -> None:
    ends = [
        row | {"vantage": "client", "node": "n2", "transaction_id": f"c{n}", "request_us": row["request_us"] - 400}
        for n, row in enumerate(POOL)
    ]
    client = rolled([*POOL, *ends, *POOL[:50]])
    assert rows(client, LATE) == [(cut, len(POOL)) for cut in sorted(CUTS)]
    durations: dict[str, list[int]] = {}
    for row in POOL:
        durations.setdefault(row["operation"], []).extend([row["duration_us"]] if row["duration_us"] else [])
    sql = """SELECT operation, quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration_state)
        FROM latency_between(start='2000-01-01', stop='2100-01-01') WHERE cut = 'endpoint' GROUP BY operation"""
    for operation, told in rows(client, sql):
        ordered = sorted(durations[operation])
        for share, value in zip((0.5, 0.95, 0.99), told, strict=True):
            rank = int(share * (len(ordered) - 1))
            near = ordered[max(rank - 1, 0) : rank + 3]  # whichever way ranks are counted
            assert any(abs(value - one) <= 0.01 * one + 1 for one in near), (operation, share)
    minutes = run(client, "traffic_per_minute")
    assert sum(row["requests"] for row in minutes) == len(POOL)
    assert len(minutes) == len({row["request_us"] // 60_000_000 for row in POOL})
    sightings = run(client, "completeness")
    assert {row["vantage"]: row["seen"] for row in sightings} == {"server": len(POOL), "client": len(POOL)}


@pytest.mark.stack
def test_what_comes_later_is_rolled_anew_and_nothing_stands_twice() -> None:
    client = rolled(POOL[:700])
    rolling = Rolling(client)
    generate.insert(client, [generate.encode_batch(POOL[500:])])
    assert sum(one.rows for one in rolling.roll()) >= len(POOL) - 500
    assert rows(client, LATE) == [(cut, len(POOL)) for cut in sorted(CUTS)]
    changed = [row | {"outcome": "late", "version": 3} for row in POOL if row["outcome"] == "unanswered"]
    generate.insert(client, [generate.encode_batch(changed)])
    assert list(rolling.roll())
    assert run(client, "unanswered_by_producer") == []
    assert sum(row["late"] for row in run(client, "late_answers")) == len(changed)


@pytest.mark.stack
def test_a_roll_that_breaks_off_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = rolled(POOL[:300])
    before = rows(client, LATE)
    generate.insert(client, [generate.encode_batch(POOL[300:])])
    with monkeypatch.context() as patch:
        patch.setattr(rollup, "LEDGER", "SELECT broken")
        with pytest.raises(Exception, match="broken"):
            list(Rolling(client).roll())
    assert rows(client, LATE) == before
    assert list(Rolling(client).roll())
    assert rows(client, LATE) == [(cut, len(POOL)) for cut in sorted(CUTS)]


@pytest.mark.stack
def test_an_exchange_at_a_bound_counts_in_one_slot() -> None:
    bound = POOL[0]["request_us"] // SLOT_US * SLOT_US + SLOT_US
    server = POOL[0] | {"request_us": bound + 100, "vantage": "server"}
    client_end = server | {"request_us": bound - 300, "vantage": "client", "transaction_id": "c", "node": "n2"}
    client = rolled([server, client_end])
    assert rows(client, LATE) == [(cut, 1) for cut in sorted(CUTS)]


@given(st.dictionaries(st.integers(0, 200).map(lambda number: number * SLOT_US), st.integers(1, 2 * ROWS)))
def test_runs_cover_each_slot_once_and_are_bounded(slots: dict[int, int]) -> None:
    found = runs(slots)
    covered = [slot for one in found for slot in range(one.start_us, one.stop_us, SLOT_US)]
    assert sorted(covered) == sorted(slots)
    assert sum(one.rows for one in found) == sum(slots.values())
    for one in found:
        many = (one.stop_us - one.start_us) // SLOT_US
        assert many <= SLOTS
        assert many == 1 or one.rows <= ROWS
    assert found == sorted(found, key=lambda one: -one.start_us)


@pytest.mark.stack
def test_a_subscriber_is_found_by_its_times() -> None:
    client = rolled(POOL)
    supi = next(row["supi"] for row in POOL if row["supi"])
    sql = "SELECT count() FROM subscriber_exchanges(supi={supi:String}, start='2000-01-01', stop='2100-01-01')"
    assert rows(client, sql, {"supi": supi}) == [(sum(row["supi"] == supi for row in POOL),)]
    assert rows(client, sql, {"supi": "' OR 1=1 --"}) == [(0,)]


@pytest.mark.stack
def test_the_keeper_rolls_on_and_waits_for_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = rolled(POOL[:300])
    generate.insert(client, [generate.encode_batch(POOL[300:])])
    monkeypatch.setattr(rollup, "EVERY_S", 0.01)
    ended, calls = threading.Event(), 0

    def opened() -> Client:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise OSError("away")
        return client

    monkeypatch.setattr(Rolling, "roll", lambda self, roll=Rolling.roll: last(roll(self), ended))
    rollup.keep_rolling(opened, ended)
    assert (calls, [record.getMessage() for record in caplog.records]) == (4, ["the rollups wait: away"])
    assert rows(client, LATE) == [(cut, len(POOL)) for cut in sorted(CUTS)]


def last(found: Iterator[rollup.Run], ended: threading.Event) -> list[rollup.Run]:
    """Take all, then tell the keeper to end."""
    taken = list(found)
    ended.set()
    return taken


@pytest.mark.stack
def test_the_local_stacks_engine_rolls_too(tmp_path: Path) -> None:
    with front(tmp_path) as engine_over_http:
        account = replace(engine_over_http.account(), database="rolled")
        client = connect(account, "default")
        migrate(client, Form(account.database), "test")
        client = connect(account)
        generate.insert(client, [generate.encode_batch(POOL)])
        assert list(Rolling(client).roll())
        reading = connect(replace(engine_over_http.account(reader=True), database="rolled"))
        assert rows(reading, LATE) == [(cut, len(POOL)) for cut in sorted(CUTS)]
