"""What KPIs count of access tokens and of overload told by 3gpp-Sbi-Oci, and where tokens are expected."""

import copy
import io
from typing import Any

import fastavro
import pytest

from schemas.config import Streams
from streams.fold import Facts
from streams.kpi_counts import WITH_TOKEN, WITHOUT_TOKEN, Counts
from streams.kpi_row import Key
from streams.kpi_tokens import Tokens
from streams.kpi_windows import KPIS, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from tests import kpis
from tests.events import batch
from tests.kpis import Row
from tests.test_kpi_windows import T0, Nodes, S, at, exchange

OCI = 'Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"; Period-of-Validity: 75s; Overload-Reduction-Metric: {}%; NF-Set: a'


@pytest.mark.parametrize(
    ("asked", "answered", "wanted"),
    [
        ({"authorization_scheme": "bearer"}, {}, (1, 0, 0, 0, 0, 0)),
        ({}, {}, (0, 1, 0, 0, 0, 0)),
        ({"authorization_scheme": "other"}, {}, (0, 1, 0, 0, 0, 0)),
        ({"header_state": "partial"}, {}, (0, 0, 0, 0, 0, 0)),
        ({"header_state": "partial", "authorization_scheme": "bearer"}, {}, (1, 0, 0, 0, 0, 0)),
        ({}, {"sbi_headers": {"3gpp-sbi-lci": "x", "3gpp-sbi-oci": OCI.format(40)}}, (0, 1, 1, 40, 0, 0)),
        ({}, {"sbi_headers": {"3gpp-sbi-oci": f"{OCI.format(5)}, {OCI.format(20)}"}}, (0, 1, 1, 20, 0, 0)),
        ({}, {"sbi_headers": {"3gpp-sbi-oci": OCI.format(0)}}, (0, 1, 0, 0, 0, 0)),  # no longer overloaded
        ({}, {"sbi_headers": {"3gpp-sbi-oci": OCI.format(101)}}, (0, 1, 0, 0, 0, 0)),
        ({}, {"sbi_headers": {"3gpp-sbi-lci": OCI.format(40)}}, (0, 1, 0, 0, 0, 0)),
        ({"sbi_headers": {"3gpp-sbi-oci": OCI.format(7).lower()}}, {}, (0, 1, 0, 0, 1, 7)),
    ],
)
def test_tokens_and_overload_are_counted_where_they_were_read(asked: Row, answered: Row, wanted: Any) -> None:
    nodes = Nodes()
    nodes.append(exchange(1, 1, **asked)[0], exchange(1, 1, **answered)[1], upto=10, final=True)
    nodes.settle()
    names = ("with_token", "without_token", "overload_reports", "overload_percent_sum")
    (row,) = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10]
    assert tuple(row[name] for name in (*names, *(f"consumer_{name}" for name in names[2:]))) == wanted
    kpis.check(nodes.stages.kpis, kpis.counted(nodes.stages.transactions.values()))


def test_what_came_before_the_header_was_told_of_is_not_known() -> None:
    """Yesterday's collectors write no authorization_scheme: a request without it may have borne one."""
    schema = copy.deepcopy(dict(kpis.EVENTS))
    fields = schema["fields"][-1]["type"]["items"]["fields"]
    del fields[[field["name"] for field in fields].index("authorization_scheme") :]
    pairing = Pairing(Facts(0, {TRANSACTIONS: 1}), Streams())
    whole = batch(1, [*exchange(1, 1)], at(10))
    events = fastavro.schemaless_reader(io.BytesIO(whole), fastavro.parse_schema(dict(kpis.EVENTS)), None)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), events)
    ((row,),) = [rows.records for rows in pairing.apply(0, schema, out.getvalue())]
    assert kpis.read(kpis.TRANSACTION, row)["access_token"] is None


def test_tokens_are_expected_where_a_fifth_of_the_requests_bear_them() -> None:
    nodes = Nodes()

    def asked(first: int, many: int, window: float, **said: Any) -> list[Row]:
        numbers = range(first, first + many)
        nodes.append(*(half for one in numbers for half in exchange(2 * one + 1, window + 1, **said)), upto=window + 10)
        return [row for row in nodes.settle() if row["window_s"] == 10 and row["requests"]]

    def expected(rows: list[Row]) -> dict[str, bool]:
        return {str(row["consumer_nf"]): row["token_expected"] for row in rows}

    assert expected(asked(0, 19, 0, authorization_scheme="bearer")) == {"AMF": False}
    assert expected(asked(20, 1, 10, authorization_scheme="bearer")) == {"AMF": True}
    assert expected(asked(30, 80, 20, consumer_nf="SMF")) == {"SMF": True}  # one in five bears one
    assert expected(asked(200, 1, 30, consumer_nf="SMF")) == {"SMF": False}
    assert expected(asked(300, 9, 40, producer_nf="UDR")) == {"AMF": False}
    fold = KpiWindows(Facts(0, {KPIS: 1}), Streams())
    fold.load(nodes.stages.windows.dump())
    assert fold.tokens.of == nodes.stages.windows.tokens.of


def test_a_custom_is_forgotten_within_hours() -> None:
    tokens, key = Tokens(), Key("A", None, "UDM", None, None, None, None, False)
    borne, missing = Counts(), Counts()
    borne.counters[WITH_TOKEN], missing.counters[WITHOUT_TOKEN] = 100, 10
    tokens.count(key, T0, borne)
    found = []
    for hour in range(1, 7):
        tokens.count(key, T0 + hour * 3_600 * S, missing)
        found.append(tokens.are_expected(key))
    assert found == [True, True, False, False, False, False]
