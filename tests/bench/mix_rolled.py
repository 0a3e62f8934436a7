"""The rollups of a day of tests/bench/mix.py: rolled as a worker does, or the first hours so and the others after them.

A worker takes some 30 µs CPU a row: most of an hour for 100 million on two cores. An hour that is not rolled gets the
rollup rows of one that was, with times moved and other connections, so tables and queries are as large as rolled ones;
its counts are that hour's, though, and the subscribers of its sketches too.
"""

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows
from streams.rolled import SLOT_US
from streams.rollup import TABLES, Rolling, Run, inserted, roll
from streams.rollup_hours import HOUR_US, roll_hours
from tests.bench.mix import START_US

HOURS, SLOTS_AT_ONCE = 24, 3
MOVED = ("slot_us", "minute_us", "first_us", "last_us", "first_stored")
COLUMNS = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
THERE = """
SELECT toUnixTimestamp64Micro(slot_us) FROM rollup_slots
WHERE slot_us >= fromUnixTimestamp64Micro({start:Int64}) AND slot_us < fromUnixTimestamp64Micro({stop:Int64})
"""
LIKE = """
INSERT INTO {table}
SELECT * REPLACE ({moved})
FROM
(
    SELECT * FROM {table}
    WHERE slot_us >= fromUnixTimestamp64Micro({{start:Int64}}) AND slot_us < fromUnixTimestamp64Micro({{stop:Int64}})
)
"""


def roll_first(client: Client, hours: int) -> None:
    """Roll the slots of the first `hours` of the day; with 0 all that is due, as a worker does."""
    for hour in range(hours):
        _roll_hour(client, START_US + hour * HOUR_US)
    if not hours:
        list(Rolling(client).roll())


def derive_others(client: Client, hours: int) -> int:
    """Give the hours of the day behind the first `hours` the like of these; return how many these are."""
    for hour in range(hours, HOURS):
        _like(client, START_US + hour % hours * HOUR_US, START_US + hour * HOUR_US)
    return HOURS - hours


def add_up_hours(client: Client) -> int:
    """Add up the whole hours, without waiting until their slots have been quiet; return how many."""
    return len(list(roll_hours(client, inserted, quiet_ms=0)))


def check_whole(client: Client) -> None:
    """Raise AssertionError where the ledger lacks slots of the day: a query would be timed on less."""
    slots = _there(client, START_US, START_US + HOURS * HOUR_US)
    assert len(slots) == HOURS * HOUR_US // SLOT_US, f"only {len(slots)} slots of the day are rolled"


def _there(client: Client, start_us: int, stop_us: int) -> set[int]:
    return {slot for (slot,) in rows(client, THERE, {"start": start_us, "stop": stop_us})}


def _roll_hour(client: Client, start_us: int) -> None:
    span = SLOTS_AT_ONCE * SLOT_US
    for first in range(start_us, start_us + HOUR_US, span):
        if len(_there(client, first, first + span)) < SLOTS_AT_ONCE:
            roll(client, Run(first, first + span, 0))


def _like(client: Client, from_us: int, to_us: int) -> None:
    """Give the hour of `to_us` rollups like those of `from_us`, the ledger last."""
    if _there(client, to_us, to_us + HOUR_US):
        return
    seconds = (to_us - from_us) // 1_000_000
    for table in (*(f"rollup_{name}" for name in TABLES), "rollup_cuts", "rollup_slots"):
        names = {name for (name,) in rows(client, COLUMNS, {"table": table})}
        moved = [f"{name} + toIntervalSecond({seconds}) AS {name}" for name in MOVED if name in names]
        if "connection_id" in names:
            moved.append(f"if(isNull(connection_id), NULL, hex(sipHash128(connection_id, {seconds}))) AS connection_id")
        sql = LIKE.format(table=table, moved=", ".join(moved))
        client.command(sql, parameters={"start": from_us, "stop": from_us + HOUR_US})
