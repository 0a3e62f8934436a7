"""What both ends of exchanges tell is counted once, whatever each of them knows or misses (streams.kpi_group)."""

import pytest

from schemas.config import Streams
from tests.kpis import Row
from tests.test_kpi_windows import T0, Nodes, S, exchange

ENDS = (("server", 0), ("client", 1))


def both_ends(*seen: tuple[float, float | None], said: dict[str, Row], upto: float = 10) -> dict[str, Row]:
    """Return the 10 s rows with requests, by node and window; each: when client and server end saw it."""
    nodes = Nodes(pairings=2)
    for node, partition in ENDS:
        nodes.append(upto=-1, node=node, partition=partition)
    for place, (node, partition) in enumerate(ENDS):
        events = [
            half
            for number, times in enumerate(seen)
            if (when := times[1 - place]) is not None
            for half in exchange(1 + 2 * number, when, vantage=node, **said.get(node, {}))
        ]
        nodes.append(*events, upto=upto, node=node, partition=partition)
    nodes.settle()
    rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["requests"]]
    return {f"{row['node']} {(row['window_start_us'] - T0) // S}": row for row in rows}


SERVICE = {"client": {"server_address": "10.96.0.12", "server_port": 80}, "server": {"server_address": "10.244.1.7"}}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(SERVICE, id="the client knows a Service's address, the server its own"),
        pytest.param({"server": {"consumer_nf": None}}, id="who asks is known at the client end alone"),
        pytest.param(
            {"client": {"dnn": "internet"}, "server": {"snssai": "1"}}, id="each knows what the other does not"
        ),
    ],
)
def test_whatever_each_end_knows_an_exchange_counts_once(said: dict[str, Row]) -> None:
    rows = both_ends((1, 1), (2, 2), (3, 3), said=said)
    assert {place: row["requests"] for place, row in rows.items()} == {"server 0": 3}


def test_durations_of_clients_stand_beside_their_server_behind_a_service() -> None:
    rows = both_ends((1, 1), (2, 2), said=SERVICE)
    assert rows["server 0"]["client_durations"] == 2


def test_where_a_producer_has_no_agent_its_client_end_counts() -> None:
    rows = both_ends((1, 1), (2, None), (3, None), said=SERVICE)
    assert {place: row["requests"] for place, row in rows.items()} == {"client 0": 3}


def test_a_server_end_that_died_on_the_way_does_not_count() -> None:
    nodes = Nodes(pairings=2)
    for node, partition in ENDS:
        nodes.append(upto=-1, node=node, partition=partition)
    seconds = (1, 2, 3, 4, 5, 6, 7)
    nodes.append(
        *(half for i in seconds for half in exchange(2 * i + 1, i, vantage="client")), upto=10, node="client",
        partition=1,
    )  # fmt: skip
    asked = (half for i in seconds[:3] for half in exchange(2 * i + 1, i, vantage="server"))
    nodes.append(*asked, upto=3.5, node="server", final=True)
    nodes.settle()
    rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["requests"]]
    assert [(row["node"], row["requests"], row["completeness"]) for row in rows] == [("client", 7, 1.0)]


def test_what_began_before_a_window_at_one_end_and_in_it_at_the_other_moves_no_sight() -> None:
    exchanges = [(when, when) for when in (1, 2, 3, 11, 12)]
    rows = both_ends(*exchanges, (9.9997, 10.0001), said={}, upto=20)
    assert {place: row["requests"] for place, row in rows.items()} == {"server 0": 3, "server 10": 3}
    rows = both_ends(*exchanges, (10.0001, 9.9997), said={}, upto=20)
    assert {place: row["requests"] for place, row in rows.items()} == {"server 0": 4, "server 10": 2}


def test_clients_on_one_node_are_told_apart() -> None:
    said = {"server": {"client_address": "10.1.0.3"}, "client": {"client_address": "10.1.0.5"}}
    rows = both_ends((1, None), (None, 2), said=said)
    assert {place: row["requests"] for place, row in rows.items()} == {"server 0": 1, "client 0": 1}


@pytest.mark.parametrize(
    ("waited_s", "is_too_late"), [pytest.param(11, False, id="waited for"), pytest.param(31, True, id="not for ever")]
)
def test_an_end_that_tells_minutes_later_is_not_counted_again(waited_s: int, is_too_late: bool) -> None:
    nodes = Nodes(pairings=2, rules=Streams(correction_ms=5_000))
    nodes.append(*exchange(101, -5, vantage="client"), upto=-1, node="client", partition=1)  # it is known
    nodes.append(upto=-1, node="server")
    seen = (half for number in range(7) for half in exchange(1 + 2 * number, 1 + number, vantage="server"))
    nodes.append(*seen, upto=10, node="server")
    for _ in range(waited_s):
        nodes.settle(1_000)
    late = (half for number in range(7) for half in exchange(1 + 2 * number, 1 + number, vantage="client"))
    nodes.append(*late, upto=20, node="client", partition=1)
    nodes.settle()
    nodes.append(upto=20, node="server")
    nodes.settle()
    rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["window_start_us"] == T0]
    assert [(row["node"], row["requests"]) for row in rows if row["requests"]] == [("server", 7)]
    assert bool(nodes.stages.windows.counts["cells_too_late"]) == is_too_late


def test_nodes_that_ended_are_forgotten_when_nothing_of_them_is_open() -> None:
    nodes = Nodes(rules=Streams(correction_ms=5_000))
    for number in range(23):
        when = 1 + 3_600 * number
        nodes.append(*exchange(1, when, connection=f"c{number}"), upto=when + 5, node=f"n{number}", final=True)
        nodes.settle(7_000)
    assert len(nodes.stages.windows.sights) < 5
    assert sum(row["requests"] for row in nodes.stages.kpis.values() if row["window_s"] == 10) == 23
