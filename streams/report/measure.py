"""The one place where a report asks ClickHouse: every exchange once, values bound as parameters."""

from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.refusal import Refusal
from streams.clickhouse import rows
from streams.report.content import Break, Cause, Coverage, Figures, Heat, Line, Moment, Pair, Procedure, Report

# --by NAME → the column it means.
DIMENSIONS = {
    "nf": "producer_nf",
    "consumer": "consumer_nf",
    "instance": "producer_nf_instance",
    "operation": "operation_name",
    "service": "service",
    "slice": "snssai",
    "dnn": "dnn",
    "plmn": "plmn",
    "site": "site",
    "node": "node",
}
STEPS_S = (1, 2, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 86_400)
MOMENTS = 72  # at most, in a chart

EXTENT = """
SELECT count(), toUnixTimestamp64Micro(min(request_us)), toUnixTimestamp64Micro(max(request_us))
FROM transactions
WHERE request_us >= fromUnixTimestamp64Micro({start:Int64}) AND request_us < fromUnixTimestamp64Micro({stop:Int64})
"""

# One pass over the period, grouped in seven ways at once: all figures of a report come from the same rows. Names come
# from the wire, so of each way only the thousand largest groups are read.
FIGURES = """
SELECT
    grouping(step, line, operation_name, consumer_nf, producer_nf, outcome, status, cause, up_to_us) AS kind,
    step, line, operation_name, consumer_nf, producer_nf, outcome, status, cause, up_to_us,
    countIf(length(vantages) > 1),
    count(), countIf(response_us IS NOT NULL), countIf(verdict = 'success'), countIf(verdict = 'failure'),
    countIf(outcome = 'unknown'), countIf(outcome = 'client_error'), countIf(outcome = 'server_error'),
    countIf(outcome = 'hidden_failure'), countIf(outcome = 'unanswered'), countIf(outcome = 'late'),
    countIf(outcome = 'reset'), countIf(retransmission),
    sum(ifNull(request_body_bytes, 0) + ifNull(response_body_bytes, 0)),
    if(count(duration_us) = 0, [], quantilesExact(0.5, 0.9, 0.95, 0.99, 1)(duration_us))
FROM
(
    SELECT
        *,
        intDiv(toUnixTimestamp64Micro(request_us), {step:Int64}) * {step:Int64} AS step,
        coalesce(operation, concat(ifNull(method, '?'), ' ', ifNull(resource, 'path not readable'))) AS operation_name,
        toInt64(1000 * pow(2, greatest(0, ceil(log2(greatest(duration_us, 1) / 1000))))) AS up_to_us,
        DIMENSION AS line
    FROM exchanges_between(
        start = fromUnixTimestamp64Micro({start:Int64}), stop = fromUnixTimestamp64Micro({stop:Int64}))
    WHERE request_event_id IS NOT NULL
)
GROUP BY GROUPING SETS
(
    (), (step), (line), (operation_name), (consumer_nf, producer_nf), (operation_name, outcome, status, cause),
    (operation_name, up_to_us)
)
ORDER BY kind, count() DESC, step, line, operation_name, consumer_nf, producer_nf, outcome, status, cause, up_to_us
LIMIT 1000 BY kind
"""

LOGICAL = """
SELECT count()
FROM requests_between(start = fromUnixTimestamp64Micro({start:Int64}), stop = fromUnixTimestamp64Micro({stop:Int64}))
"""

COVERAGE = """
SELECT
    site, node, vantage, count(), uniqExact(incarnation), countIf(request_event_id IS NULL),
    countIf(outcome = 'unknown'),
    countIf(request_header_state = 'partial' OR response_header_state = 'partial'),
    countIf(request_header_state = 'unknown' OR response_header_state = 'unknown'),
    countIf(request_ended = 'gap' OR response_ended = 'gap'),
    toUnixTimestamp64Micro(min(request_us)), toUnixTimestamp64Micro(max(request_us))
FROM transactions FINAL
WHERE request_us >= fromUnixTimestamp64Micro({start:Int64}) AND request_us < fromUnixTimestamp64Micro({stop:Int64})
GROUP BY site, node, vantage
ORDER BY site, node, vantage
"""

PROCEDURES = """
SELECT
    kind, count(), countIf(outcome IN ('success', 'partial')), countIf(outcome IN ('failed', 'abandoned')),
    countIf(outcome = 'superseded'), countIf(outcome = 'incomplete'),
    if(countIf(outcome = 'success') = 0, [], quantilesExactIf(0.5, 0.95)(duration_us, outcome = 'success'))
FROM procedures FINAL
WHERE begin_us >= fromUnixTimestamp64Micro({start:Int64}) AND begin_us < fromUnixTimestamp64Micro({stop:Int64})
GROUP BY kind
ORDER BY count() DESC, kind
"""

BREAKS = """
SELECT
    kind, if(outcome = 'failed', failed_step, last_step) AS step, outcome, failed_producer_nf, failed_status,
    failed_cause, count()
FROM procedures FINAL
WHERE begin_us >= fromUnixTimestamp64Micro({start:Int64}) AND begin_us < fromUnixTimestamp64Micro({stop:Int64})
    AND outcome IN ('failed', 'abandoned')
GROUP BY kind, step, outcome, failed_producer_nf, failed_status, failed_cause
ORDER BY count() DESC, kind, step, outcome, failed_producer_nf, failed_status, failed_cause
LIMIT 1000
"""

# What `kind` is for each grouping set: a bit a column, first column highest, 1 = not in the set.
TOTAL, STEP, LINE, OPERATION, PAIR = 0b111111111, 0b011111111, 0b101111111, 0b110111111, 0b111001111
CAUSE, HEAT = 0b110110001, 0b110111110


def measure(client: Client, start_us: int | None, stop_us: int | None, by: str, made_us: int) -> Report:
    """Return the report of the requests of [start_us, stop_us); None: from the first, to the last there is.

    Raises Refusal when there are none.
    """
    wide = {"start": -(2**53) if start_us is None else start_us, "stop": 2**53 if stop_us is None else stop_us}
    ((count, first_us, last_us),) = rows(client, EXTENT, wide)
    if not count:
        advice = "load a capture, start a collector, or widen --from and --to"
        raise Refusal("no transactions in this period", "0 rows", advice)
    start = first_us if start_us is None else start_us
    stop = last_us + 1 if stop_us is None else stop_us
    step_us = _step_s((min(stop, last_us + 1) - max(start, first_us)) / 1e6) * 1_000_000
    figures = FIGURES.replace("DIMENSION", DIMENSIONS[by])
    found = rows(client, figures, {"start": start, "stop": stop, "step": step_us})
    period = {"start": start, "stop": stop}
    coverage, procedures, breaks = (rows(client, sql, period) for sql in (COVERAGE, PROCEDURES, BREAKS))
    ((logical,),) = rows(client, LOGICAL, period)
    of = {kind: [row for row in found if row[0] == kind] for kind in (TOTAL, STEP, LINE, OPERATION, PAIR, CAUSE, HEAT)}
    total = of[TOTAL][0]
    return Report(
        start_us=start,
        stop_us=stop,
        made_us=made_us,
        step_us=step_us,
        by=by,
        total=_figures(total),
        moments=tuple(sorted((Moment(row[1], _figures(row)) for row in of[STEP]), key=lambda moment: moment.start_us)),
        lines=tuple(Line(row[2] or None, _figures(row)) for row in of[LINE]),
        operations=tuple(Line(row[3], _figures(row)) for row in of[OPERATION]),
        pairs=tuple(Pair(row[4], row[5], _figures(row)) for row in of[PAIR]),
        causes=tuple(Cause(row[3], row[6], row[7], row[8], n) for row in of[CAUSE] if (n := _figures(row).failed)),
        heat=tuple(Heat(row[3], row[9], _figures(row).answered) for row in of[HEAT] if row[9] is not None),
        procedures=tuple(Procedure(*row[:6], *(row[6] or [None] * 2)) for row in procedures),
        breaks=tuple(Break(*row) for row in breaks),
        coverage=tuple(Coverage(*row) for row in coverage),
        logical_requests=logical,
        seen_at_both_ends=total[10],
    )


def _figures(row: tuple[Any, ...]) -> Figures:
    """Return the figures that stand behind the keys of a row; without any answer there are no quantiles."""
    *counts, quantiles = row[11:]
    return Figures(*counts, *(quantiles or [None] * 5))


def _step_s(seconds: float) -> int:
    """Return the shortest step that cuts `seconds` into at most MOMENTS."""
    days = 1 + int(seconds / 86_400 / MOMENTS)
    return next((step for step in STEPS_S if seconds <= step * MOMENTS), 86_400 * days)
