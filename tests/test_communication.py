"""The view `communication`: models A to D told apart, proxy delay and producer time, against a count by hand."""

from collections import Counter, defaultdict
from statistics import median_low
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests import engine, generate, tshark
from tests.test_decode import lines, sbiscope

pytestmark = pytest.mark.stack
SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
BASE = next(row for row in generate.transactions(50, rate=50) if row["outcome"] == "success" and row["request_us"])
SECOND = 1_000_000
Row = dict[str, Any]


def exchange(number: int, **told: Any) -> Row:
    """Return a transaction of its own; `told` says what is special."""
    begun = 1_795_381_129 * SECOND + number * 10 * SECOND
    duration = told.pop("duration_us", 1_000)
    names = {"transaction_id": f"{number:032x}", "exchange_key": f"e{number}", "request_key": None}
    times = {"request_us": begun, "request_end_us": begun, "response_us": begun + duration, "duration_us": duration}
    ends = {"vantage": "wire", "to_proxy": False, "target_api_root": None, "response_end_us": begun + duration}
    return {**BASE, **names, **times, **ends, "operation": "Get", **told}


def hops(number: int, waited_us: int, served_us: int, **told: Any) -> list[Row]:
    """Return a request through one proxy: two exchanges with one key, the second within the first."""
    first = exchange(number, request_key=f"r{number}", to_proxy=True, duration_us=waited_us, **told)
    later = {"request_us": first["request_us"] + 10, "request_end_us": first["request_us"] + 10}
    later |= {
        "response_us": first["request_us"] + 10 + served_us,
        "response_end_us": first["request_us"] + 10 + served_us,
    }
    second = exchange(number + 500, request_key=f"r{number}", duration_us=served_us, **told)
    return [first, {**second, **later}]


@pytest.fixture
def client() -> Client:
    _, client = engine.emptied()
    return client


def models(client: Client) -> list[Row]:
    found = client.query("SELECT * FROM communication")
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]


def test_the_four_models_and_what_the_proxy_took(client: Client) -> None:
    target = "http://udm:80"
    rows = [
        exchange(1, consumer_nf="AMF", producer_nf="UDM", service="nudm-sdm"),
        exchange(2, consumer_nf="SMF", producer_nf="NRF", service="nnrf-disc"),
        exchange(3, consumer_nf="SMF", producer_nf="UDM", service="nudm-sdm"),
        *hops(4, 5_000, 3_000, consumer_nf="PCF", producer_nf="UDR", service="nudr-dr", target_api_root=target),
        *hops(5, 9_000, 4_000, consumer_nf="PCF", producer_nf="UDR", service="nudr-dr", target_api_root=target),
        *hops(6, 7_000, 6_500, consumer_nf="AUSF", producer_nf="UDM", service="nudm-ueau"),
        exchange(7, consumer_nf="NEF", producer_nf="UDM", service="nudm-sdm", to_proxy=True),
    ]
    generate.insert(client, [generate.encode_batch(rows)])
    told = {
        (row["consumer_nf"], row["model"]): (
            row["requests"],
            row["linked"],
            row["proxy_median_us"],
            row["proxy_max_us"],
            row["producer_median_us"],
        )
        for row in models(client)
        if row["producer_nf"] != "NRF"
    }
    assert told == {
        ("AMF", "A"): (1, 0, None, None, None),
        ("SMF", "B"): (1, 0, None, None, None),
        ("PCF", "C"): (2, 2, told["PCF", "C"][2], 5_000, told["PCF", "C"][4]),
        ("AUSF", "D"): (1, 1, 500, 500, 6_500),
        ("NEF", "D"): (1, 0, None, None, None),
    }
    assert told["PCF", "C"][2] in (2_000, 5_000)
    assert told["PCF", "C"][4] in (3_000, 4_000)


def test_the_suite_through_its_scp(client: Client) -> None:
    """Against a slow count: pairs of exchanges with one key, each logical request once."""
    rows = [row for row in lines(sbiscope("decode", "--transactions", SUITE)) if row["request_us"] is not None]
    generate.insert(client, [generate.encode_batch(rows)])
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row["request_key"] or row["transaction_id"]].append(row)
    delays: list[int] = []
    alone = linked = 0
    for group in by_key.values():
        first, *others = sorted(group, key=lambda row: row["request_us"])
        assert len(others) < 2
        until_us = first["response_end_us"] or first["request_us"] + first["deadline_ms"] * 1_000
        nested = [row for row in others if row["request_us"] <= until_us]
        alone += len(others) - len(nested)  # a key that is used again later
        linked += len(nested)
        durations = [row["duration_us"] for row in (first, *nested)]
        if nested and None not in durations:
            delays.append(durations[0] - durations[1])
    found = models(client)
    assert sum(row["linked"] for row in found) == linked > 2_200
    assert sum(row["requests"] for row in found) == len(by_key) + alone
    assert max(row["proxy_max_us"] or 0 for row in found) == max(delays)
    used = Counter(row["model"] for row in found for _ in range(row["requests"]))
    assert used == {"C": 2_019, "D": 252, "B": 81, "A": 17}
    whole = client.query("SELECT quantileExactLow(0.5)(proxy_us) FROM requests WHERE hops > 1").result_rows[0][0]
    assert whole == median_low(delays)
