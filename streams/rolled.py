"""Which slots must stay as they were rolled, since rows that a roll counted may be gone by now.

To roll again is to count what is there. Rows go by retention, or by hand; a slot is whole while the earliest of what
was counted is still to be kept for a while, and while there are no fewer sightings than were counted.
"""

import re
from collections.abc import Mapping, Sequence

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows

SLOT_US = 300_000_000
MARGIN_MS = 3_600_000  # a roll, the slots before it in its turn, and clocks that differ

COUNTED = """
SELECT toUnixTimestamp64Micro(slot_us), sum(sightings), toUnixTimestamp64Milli(min(first_stored))
FROM sightings_between(start = fromUnixTimestamp64Micro({start:Int64}), stop = fromUnixTimestamp64Micro({stop:Int64}))
GROUP BY slot_us
"""
THERE = """
SELECT intDiv(toUnixTimestamp64Micro(request_us), {slot:Int64}) * {slot:Int64} AS slot, count()
FROM transactions FINAL
WHERE request_us >= fromUnixTimestamp64Micro({start:Int64}) AND request_us < fromUnixTimestamp64Micro({stop:Int64})
GROUP BY slot
"""
KEPT = """
SELECT toUnixTimestamp64Milli(now64(3)), any(create_table_query)
FROM system.tables
WHERE database = currentDatabase() AND name IN ('transactions', 'transactions_local') AND engine LIKE '%MergeTree'
"""


def incomplete(client: Client, slots: range) -> list[int]:
    """Return those of neighbouring `slots` of which rows may be gone that their last roll counted."""
    period = {"start": slots.start, "stop": slots.stop, "slot": SLOT_US}
    ((now_ms, written),) = rows(client, KEPT)
    counted, there = rows(client, COUNTED, period), dict(rows(client, THERE, period))
    return may_lack(counted, there, now_ms - kept_ms(written))


def may_lack(counted: Sequence[tuple[int, int, int]], there: Mapping[int, int], gone_ms: int) -> list[int]:
    """Return the slots of which sightings that were counted may be gone.

    `counted`: begin, sightings, when the earliest was stored; `there`: sightings by begin; `gone_ms`: what was stored
    before is gone, or will be soon.
    """
    return [slot for slot, many, first_ms in counted if first_ms < gone_ms or there.get(slot, 0) < many]


def kept_ms(written: str) -> int:
    """Return how long rows of a table, as its CREATE says, are surely kept after they were stored."""
    days = re.search(r" TTL toDateTime\(stored_at\) \+ toIntervalDay\((\d+)\)", written)
    return int(days[1]) * 86_400_000 - MARGIN_MS if days else 2**53
