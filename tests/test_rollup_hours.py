"""streams/rollup_hours.py: whole hours say what their slots say, and stand back where a slot was rolled anew."""

import pytest
from clickhouse_connect.driver.client import Client

from deploy.commands.query import unrolled
from streams import rollup
from streams.clickhouse import rows
from streams.cookbook import recipes
from streams.rollup import AGAIN_RUNS, INSERT, LEDGER, NOW, SETTINGS, SLOT_US, TABLES, Rolling, Run, inserted, roll
from streams.rollup_hours import HOUR_US, due, roll_hours
from streams.rollup_hours import TABLES as HOURS
from tests import engine, generate

START = 1_795_302_000_000_000 // HOUR_US * HOUR_US
POOL = list(generate.transactions(10_800, rate=1, start_us=START))[::5]  # of three hours
PERIODS = [
    pytest.param("'2000-01-01'", "'2100-01-01'", 3, id="all"),
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


def add_up(client: Client) -> list[int]:
    """Roll hours as if their slots had been quiet."""
    return list(roll_hours(client, inserted, quiet_ms=0))


def said(client: Client, table: str, view: str, start: str, stop: str) -> list[tuple[object, ...]]:
    period = place(f"start = {start}, stop = {stop}")
    sql = f"FROM {table}{view}_between({period}) WHERE cut != 'minute' GROUP BY ALL ORDER BY ALL"
    return rows(client, f"SELECT cut, operation, producer_nf, to_proxy, {SAID[table]} {sql}")


def whole(client: Client, start: str = "'2000-01-01'", stop: str = "'2100-01-01'") -> int:
    return len(rows(client, place(f"SELECT hour_us FROM whole_hours_between(start = {start}, stop = {stop})")))


@pytest.fixture(scope="module")
def client() -> Client:
    _, client = engine.emptied(*(f"rollup_{table}" for table in (*TABLES, *HOURS, "cuts", "slots", "hours")))
    generate.insert(client, [generate.encode_batch(POOL)])
    assert list(Rolling(client).roll())
    assert due(client) == {}  # not quiet yet
    assert len(add_up(client)) == 3
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
    before = said(client, table, "_summed", *everything)
    late = POOL[0] | {"transaction_id": f"late {table}", "exchange_key": f"late {table}"}
    generate.insert(client, [generate.encode_batch([late])])
    assert next(Rolling(client).roll()).start_us == START
    assert whole(client) == 2
    after = said(client, table, "_summed", *everything)
    assert after == said(client, table, "", *everything) != before
    assert add_up(client) == [START]
    assert whole(client) == 3
    assert said(client, table, "_summed", *everything) == after


@pytest.mark.stack
def test_a_slow_workers_slot_makes_the_hour_void_though_another_slot_was_rolled_later(client: Client) -> None:
    late = POOL[0] | {"transaction_id": "slow", "exchange_key": "slow"}
    generate.insert(client, [generate.encode_batch([late])])
    ((at,),) = rows(client, NOW)
    period = {"start": START, "stop": START + SLOT_US, "slot": SLOT_US, "rolled_at": at}
    for table in TABLES:
        client.command(INSERT.format(table=table), parameters=period, settings=SETTINGS)
    roll(client, Run(START + 5 * SLOT_US, START + 6 * SLOT_US, 0))
    assert add_up(client) == [START]
    client.command(LEDGER, parameters=period, settings=SETTINGS)
    everything = ("'2000-01-01'", "'2100-01-01'")
    assert said(client, "counts", "_summed", *everything) == said(client, "counts", "", *everything)
    assert add_up(client) == [START]


@pytest.mark.stack
def test_a_row_of_the_future_does_not_end_the_hour_that_goes_on(client: Client) -> None:
    """Nothing is added up that was rolled just now, whatever its time."""
    far = POOL[0] | {"transaction_id": "far", "exchange_key": "far", "request_us": START + 1_000 * HOUR_US}
    generate.insert(client, [generate.encode_batch([far])])
    list(Rolling(client).roll())
    assert due(client) == {}
    assert len(add_up(client)) > 0


def rolled_by_an_earlier_release(client: Client, start_us: int, stop_us: int) -> None:
    period = {"start": start_us, "stop": stop_us, "slot": SLOT_US}
    inserted(client, ("counts", "latency", "requests", "sightings", "distinct"), period, LEDGER)


def told(client: Client) -> list[str | None]:
    return [unrolled(client, recipes()[name].sql) for name in ("nf_inventory", "success_by_operation")]


@pytest.mark.stack
def test_what_an_earlier_release_rolls_lacks_tables_which_is_said_until_it_is_rolled_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)
    list(Rolling(client).roll())
    assert (Rolling(client).lacking(), told(client)) == ([], [None, None])
    rolled_by_an_earlier_release(client, START, START + HOUR_US)  # also where it still runs behind the migration
    lack = "nothing of 12 slots of five minutes that an earlier release rolled is in it"
    assert told(client) == [lack, None]
    rolling = Rolling(client)
    assert [run.slots for run in rolling.roll()] == [range(START, START + HOUR_US, SLOT_US)]
    assert (Rolling(client).lacking(), told(client)) == ([], [None, None])


@pytest.mark.stack
def test_new_rows_come_before_what_is_rolled_again_a_few_runs_at_a_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "OVERLAP_MS", 0)
    monkeypatch.setattr(rollup, "SLOTS", 1)
    list(Rolling(client).roll())
    rolled_by_an_earlier_release(client, START, START + HOUR_US)
    new = POOL[0] | {"transaction_id": "new", "exchange_key": "new", "request_us": START - HOUR_US}
    generate.insert(client, [generate.encode_batch([new])])
    rolling, slots = Rolling(client), [START + number * SLOT_US for number in reversed(range(12))]
    assert [run.start_us for run in rolling.roll()] == [START - HOUR_US, *slots[:AGAIN_RUNS]]
    assert [run.start_us for run in rolling.roll()] == slots[AGAIN_RUNS : 2 * AGAIN_RUNS]
    engine.truncate(client, "transactions")  # rows went meanwhile: the rest stays as it is
    assert (list(rolling.roll()), rolling.stay) == ([], set(slots[2 * AGAIN_RUNS :]))
