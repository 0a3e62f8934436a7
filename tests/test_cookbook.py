"""schemas/clickhouse/cookbook.sql: every query runs, and what it counts equals a count by hand."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from streams.clickhouse import Account, rows
from streams.cookbook import PERIOD, recipes
from streams.rollup import TABLES, Rolling
from streams.rollup_hours import TABLES as HOURS
from tests import engine, generate
from tests.test_decode import lines, sbiscope
from tests.test_meaning import SUITE

BOOK = recipes()
POOL = list(generate.transactions(1_009, rate=50))


@pytest.fixture(scope="module")
def client() -> Client:
    _, client = engine.migrated()
    generate.insert(client, [generate.encode_batch(POOL), generate.encode_batch(POOL[:100])])
    for _ in Rolling(client).roll():
        pass
    return client


def run(client: Client, name: str, **places: str) -> list[dict[str, Any]]:
    result = client.query(BOOK[name].sql, parameters=PERIOD | places)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def emptied() -> tuple[Account, Client]:
    return engine.emptied(*(f"rollup_{table}" for table in (*TABLES, *HOURS, "cuts", "slots", "hours")))


def test_there_are_at_least_twenty_and_each_says_what_it_tells() -> None:
    assert len(BOOK) >= 20
    assert all(recipe.tells and recipe.places <= {"start", "stop", "supi"} for recipe in BOOK.values())


@pytest.mark.stack
@pytest.mark.parametrize("name", BOOK)
def test_every_query_runs_and_is_ordered(client: Client, name: str) -> None:
    supi = next(row["supi"] for row in POOL if row["supi"])
    assert run(client, name, supi=supi) == run(client, name, supi=supi)


@pytest.mark.stack
def test_counts_equal_counts_by_hand(client: Client) -> None:
    pairs = Counter((row["consumer_nf"], row["producer_nf"]) for row in POOL)
    traffic = run(client, "traffic_by_nf_pair")
    assert {(row["consumer_nf"], row["producer_nf"]): row["requests"] for row in traffic} == pairs
    outcomes = Counter((row["operation"], row["outcome"]) for row in POOL)
    for row in run(client, "success_by_operation"):
        assert row["unknown"] == outcomes[row["operation"], "unknown"]
        assert row["succeeded"] == sum(outcomes[row["operation"], outcome] for outcome in ("success", "business"))
    assert sum(row["failures"] for row in run(client, "failing_causes")) == sum(
        row["outcome"] not in {"success", "business", "unknown"} for row in POOL
    )
    assert sum(row["unanswered"] for row in run(client, "unanswered_by_producer")) == sum(
        row["outcome"] == "unanswered" for row in POOL
    )
    (cardinality,) = run(client, "cardinality")
    assert cardinality["seen"] == len(POOL)
    assert cardinality["subscribers_seen"] == len({row["supi"] for row in POOL} - {None})
    supi = Counter(row["supi"] for row in POOL if row["supi"]).most_common(1)[0]
    assert len(run(client, "subscriber_day", supi=supi[0])) == supi[1]


@pytest.mark.stack
def test_hops_of_one_request_are_one_request_and_the_same_key_later_is_another() -> None:
    _, client = engine.emptied()
    first = next(row for row in POOL if row["duration_us"]) | {"deadline_ms": 1_000}
    start, end = first["request_us"], first["response_end_us"]

    def hop(name: str, begins: int, ends: int, duration: int) -> dict[str, Any]:
        times = {"request_us": begins, "response_end_us": ends, "duration_us": duration}
        return first | times | {"transaction_id": name, "exchange_key": name}

    log = [
        hop("consumer", start, end, 900),
        hop("proxy", start + 10, end - 10, 800),
        hop("producer", start + 20, end - 20, 500),
        hop("again", end + 5, end + 500, 300),  # the same key, afterwards
        hop("silent", end + 1_000, end, 0) | {"response_end_us": None, "duration_us": None},  # until its deadline
        hop("behind it", end + 900_000, end + 900_100, 100),
    ]
    generate.insert(client, [generate.encode_batch(log)])
    sql = "SELECT transaction_id, hops, producer_duration_us, proxy_us FROM requests ORDER BY request_us"
    found = rows(client, sql)
    assert found == [("consumer", 3, 500, 400), ("again", 1, 300, None), ("silent", 2, 100, None)]


@pytest.mark.stack
def test_a_request_that_comes_back_to_a_proxy_is_a_loop() -> None:
    _, client = emptied()
    first = next(row for row in POOL if row["duration_us"]) | {"server_port": 7777, "deadline_ms": 1_000}
    start, end = first["request_us"], first["response_end_us"]

    def hop(name: str, server: str, begins: int, ends: int) -> dict[str, Any]:
        names = {"transaction_id": name, "exchange_key": name, "server_address": server}
        return first | names | {"request_us": begins, "response_end_us": ends}

    log = [
        hop("a", "10.0.0.1", start, end),
        hop("b", "10.0.0.2", start + 10, end - 10),
        hop("c", "10.0.0.1", start + 20, end - 20),  # the second proxy sent it back
        hop("later", "10.0.0.1", end + 5, end + 500),  # the same key, afterwards: another request
    ]
    generate.insert(client, [generate.encode_batch(log)])
    assert list(Rolling(client).roll())
    (found,) = run(client, "loops")
    assert (found["server_address"], found["requests"], found["times_again"]) == ("10.0.0.1", 1, 1)


@pytest.mark.stack
def test_the_inventory_holds_the_instances_of_the_suite() -> None:
    """Nine NFs registered, served and left; the NRF itself never registers; each where its profile says."""
    _, client = emptied()
    told = [row for row in lines(sbiscope("decode", "--transactions", SUITE)) if row["request_us"] is not None]
    generate.insert(client, [generate.encode_batch(told)])
    assert list(Rolling(client).roll())
    found = {row["nf_type"]: row for row in run(client, "nf_inventory")}
    registered = {"AMF", "AUSF", "BSF", "NSSF", "PCF", "SCP", "SMF", "UDM", "UDR"}
    assert {name for name, row in found.items() if row["status"] == "deregistered"} == registered
    assert found["NRF"]["status"] == "not seen at the NRF"
    assert found["UDM"]["addresses"] == ["127.0.0.12:7777"]
    assert found["UDM"]["services"] == ["nudm-sdm", "nudm-ueau", "nudm-uecm"]
    assert len(found) == len(run(client, "nf_inventory")) == 10


@pytest.mark.stack
def test_the_inventory_tells_what_an_nf_says_of_itself_and_that_it_fell_silent() -> None:
    _, client = emptied()
    first = next(row for row in POOL if row["service"] == "nnrf-nfm") | {
        "request_key": None, "outcome": "success", "status": 204, "method": "PATCH", "consumer_nf": "SMF",
        "resource": "/nf-instances/{nfInstanceID}", "result": "REGISTERED",
    }  # fmt: skip
    start = first["request_us"]

    def beats(instance: str, *seconds: int, **said: Any) -> list[dict[str, Any]]:
        return [
            first | said | {
                "transaction_id": f"{instance}{at}", "exchange_key": f"{instance}{at}",
                "consumer_nf_instance": instance,
                "request_us": start + at * 1_000_000, "response_end_us": start + at * 1_000_000 + 900,
            }
            for at in seconds
        ]  # fmt: skip

    log = [
        *beats("alive", 0, 10, 20, 30, 40, 50),
        *beats("silent", 0, 10, 20),
        *beats("slow", 0, 25, 50),
        *beats("leaving", 0, 10, 20, 30, 40),
        *beats("leaving", 50, result="SUSPENDED"),
        *beats("once", 0),
    ]
    generate.insert(client, [generate.encode_batch(log)])
    assert {row["instance"]: row["status"] for row in run(client, "nf_inventory")} == {
        "alive": "registered", "silent": "heartbeat lapsed", "slow": "registered", "leaving": "suspended",
        "once": "registered",
    }  # fmt: skip


@pytest.mark.stack
def test_a_missed_heartbeat_is_found() -> None:
    _, client = engine.emptied()
    beat = next(row for row in POOL if row["service"] == "nnrf-nfm") | {"request_key": None}
    start = beat["request_us"]
    log = [
        beat | {"transaction_id": f"b{at}", "exchange_key": f"b{at}", "request_us": start + at * 1_000_000}
        for at in (0, 10, 20, 30, 65, 75, 85)
    ]
    generate.insert(client, [generate.encode_batch(log)])
    (found,) = run(client, "heartbeats_missed")
    assert (found["nf_instance"], found["pauses"]) == (beat["path"], 1)
    assert (found["longest_s"], found["usual_interval_s"]) == (35.0, 10.0)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("beats", "left", "latest", "found"),
    [
        pytest.param(range(0, 120, 10), None, 710, (1, 600.0, 10.0), id="dead while others went on"),
        pytest.param(range(0, 120, 10), None, 129, None, id="the next beat is not due"),
        pytest.param(range(0, 120, 10), 113, 710, None, id="it left"),
        pytest.param(range(0, 120, 10), 3, 710, (1, 600.0, 10.0), id="it left and came back"),
        pytest.param((0, 10, 20, 55, 65), None, 710, (2, 645.0, 10.0), id="it paused, then died"),
        pytest.param((0,), None, 710, None, id="nothing usual is known"),
    ],
)
def test_an_nf_whose_heartbeats_ended_is_missed(
    beats: Sequence[int], left: int | None, latest: int, found: tuple[int, float, float] | None
) -> None:
    _, client = engine.emptied()
    beat = next(row for row in POOL if row["service"] == "nnrf-nfm") | {"request_key": None, "outcome": "success"}
    other = next(row for row in POOL if row["service"] == "nudm-sdm")
    told = [(beat, at) for at in beats] + [(other, latest)] + [(beat | {"method": "DELETE"}, left or -1)]
    log = [
        row | {"transaction_id": f"{at}", "exchange_key": f"{at}", "request_us": beat["request_us"] + at * 1_000_000}
        for row, at in told
    ]
    generate.insert(client, [generate.encode_batch(log)])
    listed = run(client, "heartbeats_missed")
    assert [(row["pauses"], row["longest_s"], row["usual_interval_s"]) for row in listed] == ([found] if found else [])


HOPS = {  # of one request through a proxy: how often each query counts it, hops to a proxy apart
    "traffic_by_nf_pair": "requests",
    "success_by_operation": "requests",
    "slowest_producers": "answered",
    "traffic_per_minute": "requests",
    "latency_heat": "answers",
    "registrations_by_plmn_and_slice": "requests",
    "pdu_sessions_by_slice_and_dnn": "requested",
    "not_in_catalogue": "requests",
}
APART = {
    "failing_causes": "failures",
    "late_answers": "late",
    "unanswered_by_producer": "requests",
    "overload": "unavailable",
    "access_refused": "refused",
    "network_and_server_time": "seen_at_both_ends",
}
FATES: dict[str, dict[str, Any]] = {
    "late_answers": {"outcome": "late"},
    "failing_causes": {"outcome": "server_error", "status": 500},
    "unanswered_by_producer": {"outcome": "unanswered"},
    "overload": {"outcome": "server_error", "status": 503},
    "access_refused": {"outcome": "client_error", "status": 403},
    "not_in_catalogue": {"operation": None},
    "registrations_by_plmn_and_slice": {
        "service": "nudm-uecm", "method": "PUT", "resource": "/{ueId}/registrations/amf-3gpp-access"
    },
    "pdu_sessions_by_slice_and_dnn": {"operation": "Nsmf_PDUSession_CreateSMContext"},
}  # fmt: skip


@pytest.mark.stack
@pytest.mark.parametrize("name", [*HOPS, *APART])
def test_a_request_through_a_proxy_counts_once(name: str) -> None:
    """A hop to the proxy and one to the producer, both seen at both ends."""
    _, client = emptied()
    one = next(row for row in POOL if row["duration_us"] and row["operation"])
    log = [
        one | FATES.get(name, {}) | {
            "transaction_id": f"{hop}{vantage}", "exchange_key": hop, "node": vantage, "vantage": vantage,
            "to_proxy": hop == "to proxy", "server_address": hop, "client_address": hop,
        }
        for hop in ("to proxy", "to producer") for vantage in ("client", "server")
    ]  # fmt: skip
    generate.insert(client, [generate.encode_batch(log)])
    assert list(Rolling(client).roll())
    found = run(client, name)
    if name in HOPS:
        assert [row[HOPS[name]] for row in found] == [1]
    else:
        assert sorted((row["to_proxy"], row[APART[name]]) for row in found) == [(False, 1), (True, 1)]


@pytest.mark.stack
def test_cuts_of_an_early_release_that_knew_no_proxies_count_on() -> None:
    _, client = emptied()
    generate.insert(client, [generate.encode_batch(POOL[:7])])
    assert list(Rolling(client).roll())
    old = "SELECT * REPLACE (NULL AS to_proxy, roll + 1 AS roll) FROM rollup_latency WHERE cut IN ('pair', 'minute')"
    client.command(f"INSERT INTO rollup_latency {old}")
    assert sum(row["requests"] for row in run(client, "traffic_by_nf_pair")) == 14
    assert sum(row["requests"] for row in run(client, "traffic_per_minute")) == 14
