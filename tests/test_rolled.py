"""streams/rolled.py, rollup.py: what was rolled stays, when raw rows have gone, a roll broke off, or merges come."""

import logging
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from streams import rollup
from streams.clickhouse import rows
from streams.migrate import retain
from streams.rolled import MARGIN_MS, kept_ms, may_lack
from streams.rollup import INSERT, NOW, SETTINGS, SLOT_US, Rolling
from tests import engine, generate

DAY_MS = 86_400_000
START = 1_795_300_200_000_000 // SLOT_US * SLOT_US
POOL = list(generate.transactions(101, rate=1, start_us=START))  # of one slot
COUNTED = "SELECT sum(exchanges) FROM counts_between(start='2000-01-01', stop='2100-01-01') WHERE cut = 'fate'"
AGAIN = """SELECT toUnixTimestamp64Micro(slot_us), sum(same_key_again)
    FROM request_counts_between(start='2000-01-01', stop='2100-01-01') GROUP BY slot_us ORDER BY slot_us"""
ROLLS = "SELECT uniqExact(roll), uniqExactIf(roll, NOT superseded) FROM rollup_counts"


@pytest.mark.parametrize(
    ("counted", "there", "gone_ms", "lacking"),
    [
        pytest.param([(0, 7, 5_000)], {0: 7}, 4_999, [], id="all is there"),
        pytest.param([(0, 7, 5_000)], {0: 11}, 4_999, [], id="more is there"),
        pytest.param([(0, 7, 5_000)], {0: 6}, 4_999, [0], id="less is there"),
        pytest.param([(0, 7, 5_000)], {}, 4_999, [0], id="nothing is there"),
        pytest.param([(0, 7, 5_000)], {0: 11}, 5_001, [0], id="more came than went"),
        pytest.param([(0, 7, 5_000), (SLOT_US, 3, 9_000)], {0: 7, SLOT_US: 3}, 6_000, [0], id="each by itself"),
        pytest.param([], {0: 7}, 4_999, [], id="never rolled"),
    ],
)
def test_a_slot_may_lack_rows(
    counted: list[tuple[int, int, int]], there: dict[int, int], gone_ms: int, lacking: list[int]
) -> None:
    assert may_lack(counted, there, gone_ms) == lacking


def test_how_long_rows_are_kept_stands_in_the_table() -> None:
    assert kept_ms("… TTL toDateTime(stored_at) + toIntervalDay(7) SETTINGS …") == 7 * DAY_MS - MARGIN_MS
    assert kept_ms("… SETTINGS index_granularity = 8192") > 1_000 * 365 * DAY_MS


def rolled(many: list[dict[str, Any]] = POOL, kept: str = "") -> Client:
    account, client = engine.emptied(*(f"rollup_{table}" for table in (*rollup.TABLES, "cuts", "slots")))
    retain(client, engine.form(account), {"transactions": kept})
    generate.insert(client, [generate.encode_batch(many)])
    assert bool(list(Rolling(client).roll())) is bool(many)
    return client


def count(client: Client) -> int:
    return int(rows(client, COUNTED)[0][0])


def late(number: int, **said: Any) -> dict[str, Any]:
    return POOL[number] | {"transaction_id": f"late {number}", "exchange_key": f"late {number}"} | said


@pytest.mark.stack
def test_one_late_row_does_not_wipe_a_slot_whose_rows_expired(caplog: pytest.LogCaptureFixture) -> None:
    client, fresh = rolled(), START + 7 * SLOT_US
    engine.truncate(client, "transactions")
    generate.insert(client, [generate.encode_batch([late(0), late(1), late(2, request_us=fresh)])])
    rolling = Rolling(client)
    with caplog.at_level(logging.WARNING):
        assert [run.start_us for run in rolling.roll()] == [fresh]
        assert (count(client), set(rolling.left_out)) == (len(POOL) + 1, {START})
        list(rolling.roll())
    said = "late rows are not in the rollups of 1 slots of five minutes: earlier rows of these may be gone"
    assert [record.getMessage() for record in caplog.records] == [said]


@pytest.mark.stack
def test_nor_one_whose_rows_are_about_to_expire_however_many_come() -> None:
    client = rolled([], "toDateTime(stored_at) + toIntervalDay(3)")
    for slot, minutes in ((START, 4_201), (START + SLOT_US, 4_289)):  # of 4,320, of which 60 are the margin
        generate.insert(client, [generate.encode_batch([late(0, request_us=slot, transaction_id=f"{minutes}")])])
        aged = f"stored_at - toIntervalMinute({minutes}) AS stored_at, version + 1 AS version"
        old = f"SELECT * REPLACE ({aged}) FROM transactions WHERE transaction_id = '{minutes}'"
        client.command(f"INSERT INTO transactions {old}")
    assert list(Rolling(client).roll())
    many = [late(n, request_us=slot + n) for slot in (START, START + SLOT_US) for n in (1, 2, 3)]
    generate.insert(client, [generate.encode_batch(many)])
    rolling = Rolling(client)
    assert [(run.start_us, run.stop_us) for run in rolling.roll()] == [(START, START + SLOT_US)]
    assert (count(client), set(rolling.left_out)) == (5, {START + SLOT_US})


@pytest.mark.stack
def test_a_roll_that_broke_off_counts_for_nothing_also_after_a_merge() -> None:
    client = rolled()
    generate.insert(client, [generate.encode_batch([late(0)])])
    ((at,),) = rows(client, NOW)
    period = {"start": START, "stop": START + SLOT_US, "rolled_at": at + 5}
    for table in rollup.TABLES:
        client.command(INSERT.format(table=table), parameters=period, settings=SETTINGS)
    merge(client)
    assert count(client) == len(POOL)


@pytest.mark.stack
def test_what_was_rolled_before_goes_by_merges_once_the_ledger_names_a_later_roll() -> None:
    client = rolled(POOL[:89])
    for many in (97, 101):
        generate.insert(client, [generate.encode_batch(POOL[:many])])
        assert list(Rolling(client).roll())
        assert count(client) == many
    merge(client)
    assert rows(client, ROLLS) == [(3, 1)]
    assert count(client) == len(POOL)


def merge(client: Client) -> None:
    for table in (*rollup.TABLES, "cuts", "slots"):
        engine.merge(client, f"rollup_{table}")


@pytest.mark.stack
def test_a_late_end_of_an_exchange_rolls_the_slot_of_its_other_end_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)  # else what was rolled just now is rolled again anyway
    seen = POOL[0] | {"vantage": "client", "node": "n2", "request_us": START + SLOT_US - 300}
    client = rolled([seen])
    server = seen | {"vantage": "server", "node": "n1", "request_us": START + SLOT_US + 100}
    server["transaction_id"] = "s"
    generate.insert(client, [generate.encode_batch([server])])
    assert sum((run.stop_us - run.start_us) // SLOT_US for run in Rolling(client).roll()) == 2
    assert count(client) == 1


@pytest.mark.stack
def test_a_request_sent_again_is_told_in_the_slot_of_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)  # else what was rolled just now is rolled again anyway
    bound = START + SLOT_US
    key = {"request_key": "again", "response_end_us": None}
    first, second = (late(n, **key, request_us=bound + at) for n, at in ((0, -10_000_000), (1, 10_000_000)))
    far = late(2, **key, request_us=bound + 10_000_000 + SLOT_US + 1)
    client = rolled([second, far])
    assert rows(client, AGAIN) == [(bound, 0), (bound + SLOT_US, 0)]
    generate.insert(client, [generate.encode_batch([first])])  # comes after what came of it was rolled
    assert list(Rolling(client).roll())
    assert rows(client, AGAIN) == [(START, 0), (bound, 1), (bound + SLOT_US, 0)]
