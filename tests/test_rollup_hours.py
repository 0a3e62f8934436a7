"""streams/rollup_hours.py: whole hours say what their slots say, and stand back where a slot was rolled anew."""

import pytest
from clickhouse_connect.driver.client import Client

from streams import rollup
from streams.clickhouse import rows
from streams.rollup import TABLES, Rolling
from streams.rollup_hours import HOUR_US
from streams.rollup_hours import TABLES as HOURS
from tests import engine, generate

START = 1_795_302_000_000_000 // HOUR_US * HOUR_US
POOL = list(generate.transactions(10_800, rate=1, start_us=START))[::5]  # of three hours
PERIODS = [
    pytest.param("'2000-01-01'", "'2100-01-01'", 2, id="all"),
    pytest.param("at(0)", "at(3600)", 1, id="a whole hour"),
    pytest.param("at(299)", "at(3301)", 1, id="it touches all slots of an hour"),
    pytest.param("at(300)", "at(3600)", 0, id="a slot less"),
    pytest.param("at(0)", "at(3300)", 0, id="or at its end"),
    pytest.param("at(1800)", "at(9000)", 1, id="half hours about a whole one"),
]
SAID = {
    "counts": "sum(exchanges), sum(cut_off), sum(body_bytes), max(max_us), min(first_us), max(last_us)",
    "latency": "sum(exchanges), sum(failed), max(max_us), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(duration_state)",
}


def place(sql: str) -> str:
    """Write at(seconds) as a time so long after START."""
    return sql.replace("at(", f"fromUnixTimestamp64Micro({START} + 1000000 * ")


def said(client: Client, table: str, view: str, start: str, stop: str) -> list[tuple[object, ...]]:
    period = place(f"start = {start}, stop = {stop}")
    sql = f"FROM {table}{view}_between({period}) WHERE cut != 'minute' GROUP BY ALL ORDER BY ALL"
    return rows(client, f"SELECT cut, operation, producer_nf, to_proxy, {SAID[table]} {sql}")


def whole(client: Client, start: str = "'2000-01-01'", stop: str = "'2100-01-01'") -> int:
    return len(rows(client, place(f"SELECT hour_us FROM whole_hours_between(start = {start}, stop = {stop})")))


@pytest.fixture(scope="module")
def client() -> Client:
    _, client = engine.emptied(*(f"rollup_{table}" for table in (*TABLES, *HOURS, "slots", "hours")))
    generate.insert(client, [generate.encode_batch(POOL)])
    assert list(Rolling(client).roll())
    return client


@pytest.mark.stack
@pytest.mark.parametrize(("start", "stop", "hours"), PERIODS)
@pytest.mark.parametrize("table", SAID)
def test_an_hour_says_what_its_slots_say(client: Client, table: str, start: str, stop: str, hours: int) -> None:
    assert whole(client, start, stop) == hours
    found = said(client, table, "_summed", start, stop)
    assert found == said(client, table, "", start, stop)
    assert found


@pytest.mark.stack
@pytest.mark.parametrize("table", SAID)
def test_a_late_row_makes_its_hour_void_until_it_is_made_again(
    client: Client, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)  # else what was rolled just now is rolled again anyway
    everything = ("'2000-01-01'", "'2100-01-01'")
    before, rolling = said(client, table, "_summed", *everything), Rolling(client)
    late = POOL[0] | {"transaction_id": f"late {table}", "exchange_key": f"late {table}"}
    generate.insert(client, [generate.encode_batch([late])])
    rolled = rolling.roll()
    assert next(rolled).start_us == START
    rolled.close()  # the slots are rolled, the hour is not
    assert whole(client) == 1
    after = said(client, table, "_summed", *everything)
    assert after == said(client, table, "", *everything) != before
    list(rolling.roll())
    assert whole(client) == 2
    assert said(client, table, "_summed", *everything) == after


@pytest.mark.stack
def test_what_an_early_release_rolled_is_rolled_again_with_the_cuts_it_had_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)
    list(Rolling(client).roll())
    assert Rolling(client).due() == []
    again = "SELECT number, name, digest, now64(3), 'later' FROM migrations WHERE number = {number:Int64} LIMIT 1"
    client.command(f"INSERT INTO migrations {again}", parameters={"number": rollup.CUTS_SINCE})
    assert sum(run.rows for run in Rolling(client).roll()) >= len(POOL)
    assert Rolling(client).due() == []
