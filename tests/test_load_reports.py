"""View load_reports_between: who said how loaded he is, and what pairing makes of the facts of both halves."""

import pytest

from tests import engine, generate
from tests.kpis import Row
from tests.test_kpi_windows import Nodes, exchange

WHEN_US = 1_580_806_177_250_000
LOAD = {"load_percent": "70", "load_scope": "nf-set:set1", "load_us": str(WHEN_US), "load_snssai": "1-a08923"}
OVERLOAD = {"overload_reduction_percent": "50", "overload_valid_s": "75"}
SQL = """SELECT kind, nf, percent, scope, snssai, toUnixTimestamp64Micro(reported_us), valid_s
    FROM load_reports_between(start='2000-01-01 00:00:00', stop='2100-01-01 00:00:00') ORDER BY kind, nf, percent"""


def transaction(asked: Row, answered: Row) -> Row:
    nodes = Nodes()
    nodes.append(exchange(1, 1, **asked)[0], exchange(1, 1, **answered)[1], upto=10, final=True)
    nodes.settle()
    (row,) = nodes.stages.transactions.values()
    return row


def test_a_transaction_tells_the_facts_of_each_half_and_the_list_of_the_cause() -> None:
    row = transaction(
        {"header_facts": {"originating_network": "12345"}},
        {"header_facts": LOAD, "cause": "X", "cause_list": "none"},
    )
    assert row["request_header_facts"] == {"originating_network": "12345"}
    assert (row["response_header_facts"], row["cause_list"]) == (LOAD, "none")


def test_without_any_they_are_empty() -> None:
    row = transaction({}, {})
    assert (row["request_header_facts"], row["response_header_facts"], row["cause_list"]) == ({}, {}, None)


@pytest.mark.stack
def test_each_report_is_a_row_with_types_of_its_own() -> None:
    _, client = engine.emptied()
    ends = {"consumer_nf": "AMF", "producer_nf": "UDM", "outcome": "success"}
    facts = {"request_header_facts": OVERLOAD, "response_header_facts": LOAD | OVERLOAD}
    generate.insert(client, [generate.encode_batch([*generate.transactions(1, **ends, **facts)])])
    generate.insert(client, [generate.encode_batch([*generate.transactions(3, seed=2)])])  # they say nothing
    assert client.query(SQL).result_rows == [
        ("load", "UDM", 70, "nf-set:set1", "1-a08923", WHEN_US, None),
        ("overload", "AMF", 50, None, None, None, 75),
        ("overload", "UDM", 50, None, None, None, 75),
    ]
