"""What lies at a period's bound counts in one period: whatever reads exchanges, requests, a subscriber, a report."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.refusal import Refusal
from streams.clickhouse import rows
from streams.cookbook import recipes
from streams.report.content import Report
from streams.report.measure import measure
from streams.report.measured import readings
from streams.rollup import TABLES, Rolling
from tests import engine, generate

pytestmark = pytest.mark.stack
DAY = 86_400_000_000
MIDNIGHT = 1_795_300_000_000_000 // DAY * DAY
PERIODS = {"before": (MIDNIGHT - DAY, MIDNIGHT), "after": (MIDNIGHT, MIDNIGHT + DAY)}
BOTH = (MIDNIGHT - DAY, MIDNIGHT + DAY)
SUPI = "imsi-99970-k1-00000000000000000000000003"
(ONE,) = generate.transactions(1, supi=SUPI, operation="Nsmf_PDUSession_CreateSMContext", service="nsmf-pdusession")
Reader = Callable[[Client, int, int], int]


def seen(vantage: str, at_us: int, **said: Any) -> dict[str, Any]:
    times = {"request_us": MIDNIGHT + at_us, "response_us": MIDNIGHT + at_us + 900}
    ends = {"response_end_us": MIDNIGHT + at_us + 1_000, "duration_us": 900}
    return ONE | times | ends | {"vantage": vantage, "node": vantage, "transaction_id": f"{vantage}{at_us}"} | said


def asked(what: str, count: str = "count()", **places: Any) -> Reader:
    """Return how `count` is asked of a view of a period."""

    def ask(client: Client, start_us: int, stop_us: int) -> int:
        bounds = ", ".join(
            f"{name} = fromUnixTimestamp64Micro({at_us})" for name, at_us in (("start", start_us), ("stop", stop_us))
        )
        more = "".join(f", {name} = {value!r}" for name, value in places.items())
        return int(rows(client, f"SELECT {count} FROM {what}({bounds}{more})")[0][0])

    return ask


def report(read: Callable[[Report], int]) -> Reader:
    """Return how `read` is asked of a report; of a period without any row there is none."""

    def ask(client: Client, start_us: int, stop_us: int) -> int:
        try:
            return read(measure(client, start_us, stop_us, "nf", 0))
        except Refusal:
            return 0

    return ask


def measured(client: Client, start_us: int, stop_us: int) -> int:
    return sum(one.values.get("SM.PduSessionCreationReq", 0) for one in readings(client, start_us, stop_us, 3_600))


READERS: dict[str, Reader] = {
    "exchanges": asked("exchanges_between"),
    "requests": asked("requests_between"),
    "kpis": asked("kpis_between", "sum(requests)", window_s=3_600),
    "ends": asked("ends_between"),
    "communication": asked("communication_between", "sum(requests)"),
    "subscriber": asked("subscriber_exchanges", supi=SUPI),
    "report": report(lambda told: told.total.requests),
    "logical": report(lambda told: told.logical_requests),
    "3gpp": measured,
}
CASES = [
    pytest.param([seen("client", -300), seen("server", 100)], "after", id="the server's end counts, behind"),
    pytest.param([seen("client", 200), seen("server", -100)], "before", id="its clock may differ"),
    pytest.param([seen("client", -4_999_000), seen("server", 0)], "after", id="by five seconds"),
    pytest.param([seen("client", -300), seen("wire", 0)], "after", id="a capture between"),
    pytest.param([seen("client", -300)], "before", id="one end alone"),
    pytest.param([seen("client", -1), seen("wire", 1), seen("server", -2)], "before", id="three"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("sightings", "period"), CASES)
def test_one_exchange_counts_once(sightings: list[dict[str, Any]], period: str, reader: str) -> None:
    _, client = engine.emptied("subscriber_times")
    generate.insert(client, [generate.encode_batch(sightings)])
    found = {name: READERS[reader](client, *bounds) for name, bounds in PERIODS.items()}
    assert found == {"before": 0, "after": 0} | {period: 1}
    assert READERS[reader](client, *BOTH) == 1


@pytest.mark.parametrize("reader", ["requests", "communication", "logical"])
def test_a_request_whose_proxy_asked_on_behind_the_bound_counts_once(reader: str) -> None:
    _, client = engine.emptied()
    hops = [
        seen("server", -7_000_000, exchange_key="a", response_end_us=MIDNIGHT + 9_000_000),
        seen("server", 3_000_000, exchange_key="b", response_end_us=MIDNIGHT + 8_000_000),
    ]
    generate.insert(client, [generate.encode_batch(hops)])
    assert {name: READERS[reader](client, *bounds) for name, bounds in PERIODS.items()} == {"before": 1, "after": 0}
    assert asked("requests_between", "max(hops)")(client, *PERIODS["before"]) == 2


def test_a_loop_over_the_bound_is_found_behind_it() -> None:
    _, client = engine.emptied(*(f"rollup_{table}" for table in (*TABLES, "cuts", "slots")))
    hops = [
        seen("server", -7_000_000, exchange_key="a", response_end_us=MIDNIGHT + 9_000_000),
        seen("server", 3_000_000, exchange_key="b", response_end_us=MIDNIGHT + 8_000_000),
    ]
    generate.insert(client, [generate.encode_batch(hops)])
    assert list(Rolling(client).roll())
    days = ("2026-11-20 00:00:00", "2026-11-21 00:00:00", "2026-11-22 00:00:00")
    found = [rows(client, recipes()["loops"].sql, {"start": a, "stop": b}) for a, b in pairwise(days)]
    assert list(map(len, found)) == [0, 1]


def test_a_period_reads_no_other_days() -> None:
    _, client = engine.emptied()
    body = [ONE | {"request_us": MIDNIGHT + day * DAY + DAY // 2, "transaction_id": f"{day}"} for day in range(-3, 4)]
    generate.insert(client, [generate.encode_batch(body)])
    start, stop = PERIODS["after"]
    sql = f"""EXPLAIN ESTIMATE SELECT count() FROM exchanges_between(
        start = fromUnixTimestamp64Micro({start}), stop = fromUnixTimestamp64Micro({stop}))"""
    assert [(parts, many) for _, _, parts, many, _ in rows(client, sql)] == [(1, 1)]


@pytest.mark.stack
def test_times_are_noted_of_subscribers_alone() -> None:
    _, client = engine.emptied("subscriber_times")
    (row,) = generate.transactions(1)
    told = [row | {"transaction_id": supi or "nobody", "supi": supi} for supi in ("imsi-1", None)]
    generate.insert(client, [generate.encode_batch(told)])
    assert rows(client, "SELECT supi FROM subscriber_times") == [("imsi-1",)]
