"""Which whole hours of the rollups are to be added up, and how: see schemas/clickhouse/0100_whole_hours.sql.

An hour counts while none of its slots was rolled later than those it was made of; so it is made again when one was, and
until then readers add up its slots. The hour that is going on is left to its slots.
"""

from collections.abc import Callable, Iterator

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows

HOUR_US = 3_600_000_000
TABLES = ("counts_hours", "latency_hours")
DUE = """
SELECT hour, toUnixTimestamp64Milli(max(rolled_at))
FROM
(
    SELECT intDiv(toUnixTimestamp64Micro(slot_us), {hour:Int64}) * {hour:Int64} AS hour, rolled_at
    FROM rollup_slots
)
WHERE hour < (SELECT intDiv(toUnixTimestamp64Micro(max(slot_us)), {hour:Int64}) * {hour:Int64} FROM rollup_slots)
GROUP BY hour
"""
MADE = """
SELECT toUnixTimestamp64Micro(hour_us), toUnixTimestamp64Milli(argMax(slots_rolled_at, rolled_at))
FROM rollup_hours
GROUP BY hour_us
"""
LEDGER = """
INSERT INTO rollup_hours
SELECT fromUnixTimestamp64Micro({start:Int64}), fromUnixTimestamp64Milli({rolled_at:Int64}),
    fromUnixTimestamp64Milli({of:Int64})
"""


def due(client: Client) -> dict[int, int]:
    """Return hours that are over and not made of their slots' latest rolls: begin (us) → the latest of these (ms)."""
    made = dict(rows(client, MADE))
    return {hour: latest for hour, latest in rows(client, DUE, {"hour": HOUR_US}) if made.get(hour) != latest}


def roll_hours(client: Client, insert: Callable[[Client, tuple[str, ...], dict[str, int], str], None]) -> Iterator[int]:
    """Roll what is due, the newest first, by `insert` (client, tables, period, ledger); yield each hour's begin."""
    for hour, latest in sorted(due(client).items(), reverse=True):
        insert(client, TABLES, {"start": hour, "stop": hour + HOUR_US, "of": latest}, LEDGER)
        yield hour
