"""schemas/clickhouse/cookbook.sql: every query runs, and what it counts equals a count by hand."""

from collections import Counter
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from streams.clickhouse import rows
from streams.cookbook import PERIOD, recipes
from streams.rollup import Rolling
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
    _, client = engine.emptied()
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
    (found,) = run(client, "loops")
    assert (found["server_address"], found["requests"], found["times_again"]) == ("10.0.0.1", 1, 1)


@pytest.mark.stack
def test_the_inventory_holds_the_instances_of_the_suite() -> None:
    """Nine NFs registered, served and left; the NRF itself never registers; each where its profile says."""
    _, client = engine.emptied()
    told = [row for row in lines(sbiscope("decode", "--transactions", SUITE)) if row["request_us"] is not None]
    generate.insert(client, [generate.encode_batch(told)])
    found = {row["nf_type"]: row for row in run(client, "nf_inventory")}
    registered = {"AMF", "AUSF", "BSF", "NSSF", "PCF", "SCP", "SMF", "UDM", "UDR"}
    assert {name for name, row in found.items() if row["status"] == "deregistered"} == registered
    assert found["NRF"]["status"] == "not seen at the NRF"
    assert found["UDM"]["addresses"] == ["127.0.0.12:7777"]
    assert found["UDM"]["services"] == ["nudm-sdm", "nudm-ueau", "nudm-uecm"]
    assert len(found) == len(run(client, "nf_inventory")) == 10


@pytest.mark.stack
def test_the_inventory_tells_what_an_nf_says_of_itself_and_that_it_fell_silent() -> None:
    _, client = engine.emptied()
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
