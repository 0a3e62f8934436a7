"""The cookbook's queries of causes by list and of load reports, against what was put in."""

from typing import Any

import pytest

from streams.rollup import Rolling
from tests import generate
from tests.test_cookbook import emptied, run

OTHER_END = {"transaction_id": "other end", "vantage": "client", "node": "n2"}
LOAD = {"load_percent": "70", "load_scope": "nf-set:set1"}


def answered(at: int, **said: Any) -> dict[str, Any]:
    """Return an exchange `at` seconds after the first."""
    (row,) = generate.transactions(1, outcome="client_error", status=403, cause=None, to_proxy=False)
    key = f"{at}"
    us = row["request_us"] + at * 1_000_000
    return row | {"transaction_id": key, "exchange_key": key, "request_us": us, "service": "nudm-sdm"} | said


@pytest.mark.stack
def test_a_cause_stands_beside_its_list_and_an_nfs_own_word_comes_first() -> None:
    """Seen at both ends an answer counts once, in its second version once, and again where its port came again."""
    _, client = emptied()
    udm = {"producer_nf": "UDM", "version": 1}
    log = [
        answered(0, **udm, cause="USER_NOT_FOUND", cause_list="service"),
        answered(10, **udm, cause="USER_NOT_FOUND", cause_list="service"),
        answered(10, **udm, cause="USER_NOT_FOUND", cause_list="service") | {"version": 2},
        answered(10, **udm, cause="USER_NOT_FOUND", cause_list="service") | OTHER_END,
        answered(610, **udm, cause="USER_NOT_FOUND", cause_list="service") | {"exchange_key": "10"},
        answered(20, **udm, cause="SYSTEM_FAILURE", cause_list="common"),
        answered(30, **udm, cause="COFFEE_IS_COLD", cause_list="none"),
        answered(40, **udm, cause="NRF_NOT_REACHABLE", cause_list="proxy", to_proxy=True),
        answered(50, **udm, cause="X", cause_list=None, service=None),
        answered(60, **udm, outcome="success", status=200),
    ]
    generate.insert(client, [generate.encode_batch(log)])
    assert list(Rolling(client).roll())
    found = [
        (row["cause_list"], row["cause"], row["to_proxy"], row["answers"]) for row in run(client, "causes_by_list")
    ]
    assert found[0] == ("none", "COFFEE_IS_COLD", False, 1)
    assert set(found[1:]) == {
        ("service", "USER_NOT_FOUND", False, 3),
        ("common", "SYSTEM_FAILURE", False, 1),
        ("proxy", "NRF_NOT_REACHABLE", True, 1),
        (None, "X", False, 1),
    }


@pytest.mark.stack
def test_who_is_loaded_is_told_by_what_he_speaks_of_with_his_latest_word() -> None:
    _, client = emptied()
    ends = {"outcome": "success", "status": 200, "consumer_nf": "AMF", "producer_nf": "UDM", "version": 1}
    instance = {"producer_nf_instance": "udm1", "consumer_nf_instance": None}

    def told(at: int, asked: dict[str, str], said: dict[str, str]) -> dict[str, Any]:
        return answered(at, **ends, **instance, request_header_facts=asked, response_header_facts=said)

    seen_at_both = told(20, {}, LOAD | {"load_percent": "40"})
    log = [
        told(0, {}, LOAD),
        told(10, {}, LOAD | {"load_percent": "90"}),
        seen_at_both,
        seen_at_both | {"version": 2},
        seen_at_both | {"transaction_id": "other end", "vantage": "client"},
        told(30, {"overload_reduction_percent": "50"}, {}),
        told(40, {}, {}),
    ]
    generate.insert(client, [generate.encode_batch(log)])
    assert list(Rolling(client).roll())
    names = ("nf", "nf_instance", "kind", "scope", "reports", "highest_percent", "latest_percent")
    assert [tuple(row[name] for name in names) for row in run(client, "loaded_nfs")] == [
        ("AMF", "", "overload", None, 1, 50, 50),
        ("UDM", "udm1", "load", "nf-set:set1", 3, 90, 40),
    ]
