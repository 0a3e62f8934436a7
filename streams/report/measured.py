"""TS 28.552 counters of a period, from the transactions, as streams/measurements.py counts them in the stream."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows
from streams.kpi_counts import RESPONSE_SUCCESS, Counts
from streams.measurements import Measurement, measured, measurements
from streams.outcome import Outcome

SUCCEEDED = frozenset({"success", "redirect", "business"})

# A request counts in the window of its first byte, an answer in the window of its own; the latter may have been asked
# for some time before the period begins.
COUNTS = """
SELECT
    half, intDiv(at_us, {width:Int64}) * {width:Int64} AS window_us, site, producer_nf_instance, snssai, operation,
    outcome, if(half = 'answer', status, NULL) AS answer_status, if(half = 'answer', cause, NULL) AS answer_cause,
    count()
FROM
(
    SELECT *, one.1 AS half, one.2 AS at_us,
        arrayJoin([('request', toUnixTimestamp64Micro(request_us)),
            ('answer', toUnixTimestamp64Micro(ifNull(response_us, toDateTime64(0, 6))))]) AS one
    FROM exchanges_between(
        start = fromUnixTimestamp64Micro({start:Int64} - 600000000), stop = fromUnixTimestamp64Micro({stop:Int64}))
    WHERE request_event_id IS NOT NULL AND NOT to_proxy AND operation IN {operations:Array(String)}
)
WHERE at_us >= {start:Int64} AND at_us < {stop:Int64} AND (half = 'request' OR outcome != 'unknown')
GROUP BY half, window_us, site, producer_nf_instance, snssai, operation, outcome, answer_status, answer_cause
ORDER BY window_us, site, producer_nf_instance, snssai, operation, half, outcome, answer_status, answer_cause
"""

Place = tuple[int, str, str | None, str | None, str]  # window, site, producer instance, slice, operation


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one operation of one producer and slice in one window; suspect: some outcomes are unknown."""

    window_start_us: int
    site: str
    producer_nf_instance: str | None
    snssai: str | None
    values: dict[str, int]
    suspect: bool


def readings(client: Client, start_us: int, stop_us: int, window_s: int) -> list[Reading]:
    """Return all counters of [start_us, stop_us), in windows of `window_s` seconds since the epoch."""
    names = sorted({operation for one in measurements() for operation in one.operations})
    period = {"start": start_us, "stop": stop_us, "width": window_s * 1_000_000, "operations": names}
    return counted(rows(client, COUNTS, period))


def counted(found: Iterable[tuple[Any, ...]]) -> list[Reading]:
    """Return the readings of the rows of COUNTS."""
    cells: dict[Place, Counts] = {}
    for half, window_us, site, instance, snssai, operation, outcome, status, cause, many in found:
        counts = cells.setdefault((window_us, site, instance, snssai, operation), Counts())
        if half == "request":
            counts.counters[Outcome[outcome.upper()]] += many
        elif outcome in SUCCEEDED:
            counts.counters[RESPONSE_SUCCESS] += many
        else:
            name = " ".join(str(part) for part in (outcome, status, cause) if part is not None)
            counts.response_failures[name] = counts.response_failures.get(name, 0) + many
    return [
        Reading(window_us, site, instance, snssai, measured(operation, counts), bool(counts.counters[Outcome.UNKNOWN]))
        for (window_us, site, instance, snssai, operation), counts in cells.items()
    ]


def measurement_of(name: str) -> Measurement:
    """Return the measurement that a counter belongs to: its own name, or that before its cause."""
    return max((one for one in measurements() if f"{name}.".startswith(f"{one.name}.")), key=lambda one: len(one.name))
