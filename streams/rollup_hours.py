"""Which whole hours of the rollups are to be added up, and how: see schemas/clickhouse/0100_whole_hours.sql.

An hour counts while the rolls it was made of are its slots' latest, whichever worker made them and whenever that was
said; else it is made again, and until then readers add up its slots. It is made when its slots have been quiet for a
while: what goes on is left to its slots, and each replica knows of them by then.
"""

from collections.abc import Callable, Iterator

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows

HOUR_US = 3_600_000_000
QUIET_MS = 600_000
TABLES = ("counts_hours", "latency_hours")
DUE = """
SELECT toUnixTimestamp64Micro(hour_us), made_of
FROM slots_by_hour
WHERE toUnixTimestamp64Milli(latest) <= toUnixTimestamp64Milli(now64(3)) - {quiet:Int64}
"""
MADE = "SELECT toUnixTimestamp64Micro(hour_us), argMax(made_of, rolled_at) FROM rollup_hours GROUP BY hour_us"
LEDGER = """
INSERT INTO rollup_hours
SELECT fromUnixTimestamp64Micro({start:Int64}), fromUnixTimestamp64Milli({rolled_at:Int64}), {made_of:UInt64}
"""


def due(client: Client, quiet_ms: int = QUIET_MS) -> dict[int, int]:
    """Return quiet hours that are not made of their slots' latest rolls: begin (us) → which rolls these are."""
    made = dict(rows(client, MADE))
    return {hour: rolls for hour, rolls in rows(client, DUE, {"quiet": quiet_ms}) if made.get(hour) != rolls}


def roll_hours(client: Client, insert: Callable[..., None], quiet_ms: int = QUIET_MS) -> Iterator[int]:
    """Roll what is due, the newest first, by `insert` (client, tables, period, ledger); yield each hour's begin."""
    for hour, rolls in sorted(due(client, quiet_ms).items(), reverse=True):
        insert(client, TABLES, {"start": hour, "stop": hour + HOUR_US, "made_of": rolls}, LEDGER)
        yield hour
