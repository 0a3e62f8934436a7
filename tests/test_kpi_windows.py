"""streams/kpi_windows.py behind pairing: every KPI equals a slow count of the transactions; corrections, both ends."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.config import Streams
from schemas.fields import FOLDER, document
from streams.fold import Facts, Jump, batch_body
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.measurements import measurements
from streams.reframe import Layout, Malformed
from streams.store import Table
from tests import engine, generate, kpis, tshark
from tests.events import batch, request, response
from tests.kpis import DELTAS, DELTAS_TOPIC, Row, Stages, check, counted, says_something

S = 1_000_000
T0 = 1_795_302_000 * S  # a full hour
SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


class Nodes:
    """Collectors that write one after another into the stages; times in seconds from T0."""

    def __init__(self, pairings: int = 1, rules: Streams | None = None) -> None:
        self.stages = Stages(pairings, rules)
        self.now_ms = T0 // 1_000
        self.sequences: dict[str, int] = {}

    def append(
        self, *events: Any, upto: float, node: str = "n1", partition: int = 0, skip: int = 0, **said: Any
    ) -> None:
        self.now_ms += 100
        self.sequences[node] = self.sequences.get(node, 0) + 1 + skip
        body = batch(self.sequences[node], list(events), at(upto), node=node, **said)
        self.stages.give(self.now_ms, body, partition)

    def settle(self, ms: int = 1_100) -> list[Row]:
        """Let a second pass in all partitions; return what was published by it."""
        self.now_ms += ms
        before = len(self.stages.published)
        for partition in range(len(self.stages.pairings)):
            self.stages.give(self.now_ms, b"", partition)
        return self.stages.published[before:]


def exchange(
    stream: int, when: float, took: float = 0.01, connection: str = "c", status: int = 200, **said: Any
) -> list[Any]:
    connection = f"{connection} seen from the {said.get('vantage')}"  # each end has its own id of a connection
    asked = {"operation": "Nudm_SDM_Get", "consumer_nf": "AMF", "producer_nf": "UDM", **said}
    return [
        request(stream, at(when), connection, **asked),
        response(stream, at(when + took), connection, status=status, **said),
    ]


def told(rows: list[Row], width_s: int = 10) -> list[tuple[Any, ...]]:
    return [
        ((row["window_start_us"] - T0) // S, row["version"], row["requests"], row["succeeded"], row["unanswered"])
        for row in rows
        if row["window_s"] == width_s
    ]


@pytest.fixture(scope="module")
def suite() -> Stages:
    """Return the stages after the suite capture."""
    return kpis.of_capture(SUITE)


def test_every_kpi_of_the_capture_equals_a_slow_count(suite: Stages) -> None:
    assert len(suite.transactions) == 4_636
    wanted = counted(suite.transactions.values())
    check(suite.kpis, wanted)
    for width_s in (10, 60, 300, 900, 3_600):
        assert sum(row["requests"] for row in suite.kpis.values() if row["window_s"] == width_s) == 4_636
    assert all(
        row["completeness"] == 1 - row["unknown"] / row["requests"] for row in suite.kpis.values() if row["requests"]
    )


def test_the_measurements_of_the_capture_equal_a_slow_count(suite: Stages) -> None:
    for place, wanted in counted(suite.transactions.values()).items():
        row = suite.kpis[place]
        for one in measurements():
            if row["operation"] not in one.operations or row["to_proxy"]:
                continue
            failed = [answer for answer in wanted["answers"] if answer["outcome"] not in kpis.SUCCEEDED]
            if one.counter == "requests":
                assert row["measurements"][one.name] == wanted["requests"]
            elif one.counter == "success":
                assert row["measurements"][one.name] == len(wanted["answers"]) - len(failed)
            elif one.counter == "failure by cause":
                by_cause = {name: n for name, n in row["measurements"].items() if name.startswith(f"{one.name}.")}
                assert sum(by_cause.values()) == len(failed)
    sessions = [
        row
        for row in suite.kpis.values()
        if row["window_s"] == 3_600 and "SM.PduSessionCreationReq" in row["measurements"]
    ]
    assert (
        sum(row["measurements"]["SM.PduSessionCreationReq"] for row in sessions) == 48
    )  # of 95 exchanges, 47 to the SCP
    assert sum(row["measurements"]["SM.PduSessionCreationSucc"] for row in sessions) == 47


@pytest.mark.stack
def test_the_stream_and_the_recomputed_kpis_agree(suite: Stages) -> None:
    _, client = engine.migrated()
    generate.insert(client, [generate.encode_batch(list(suite.transactions.values()))])
    layout = Layout(document("kpi"))
    published = [kpis_record(row) for row in suite.published]
    Table(client, "kpis_arriving").store(layout, layout.pieces(layout.rows(octets) for octets in published))
    for width_s in (10, 60, 300, 900, 3_600):
        found = client.query(
            "SELECT toUnixTimestamp64Micro(window_start) AS window_us, * FROM "
            "kpis_between(start='2000-01-01 00:00:00', stop='2100-01-01 00:00:00', window_s={width:Int64})",
            parameters={"width": width_s},
        )
        recomputed = {
            (row["window_us"], *(row[name] for name in kpis.KEY)): row
            for row in (dict(zip(found.column_names, values, strict=True)) for values in found.result_rows)
        }
        stored = client.query(
            "SELECT toUnixTimestamp64Micro(window_start_us) AS window_us, * FROM kpi_windows "
            "WHERE window_s = {width:Int64} AND requests > 0",
            parameters={"width": width_s},
        )
        rows = [dict(zip(stored.column_names, values, strict=True)) for values in stored.result_rows]
        assert {(row["window_us"], *(row[name] for name in kpis.KEY)) for row in rows} == set(recomputed)
        same = [
            name for name in found.column_names if name not in {*kpis.KEY, *kpis.QUANTILES, "window_us", "window_start"}
        ]
        assert len(same) > 15
        for row in rows:
            wanted = recomputed[row["window_us"], *(row[name] for name in kpis.KEY)]
            assert {name: row[name] or 0 for name in same} == {name: wanted[name] or 0 for name in same}
            for name in kpis.QUANTILES:
                assert abs((row[name] or 0) - (wanted[name] or 0)) <= 0.01 * (wanted[name] or 0) + 1
    assert client.query(
        "SELECT sum(value) FROM measurements_3gpp WHERE window_s = 3600 AND name = 'SM.PduSessionCreationReq'"
    ).result_rows == [(48,)]
    assert client.query("SELECT sum(asked) FROM success_by_operation WHERE window_s = 10").result_rows[0][0] < 4_636


@pytest.mark.stack
def test_the_view_has_a_window_with_answers_alone_only_where_a_measurement_counts_them() -> None:
    nodes = Nodes()
    session = "Nsmf_PDUSession_CreateSMContext"
    nodes.append(*exchange(1, 9.9, 0.3), *exchange(3, 9.8, 0.4, operation=session), upto=10.4, final=True)
    nodes.settle()
    _, client = engine.migrated()
    layout = Layout(document("kpi"))
    octets = [kpis_record(row) for row in nodes.stages.published]
    Table(client, "kpis_arriving").store(layout, layout.pieces(layout.rows(one) for one in octets))
    sql = "SELECT toUnixTimestamp64Micro(window_start_us), operation FROM kpi_windows WHERE window_s = 10"
    assert sorted(client.query(sql).result_rows) == [
        (at(0), session),
        (at(0), "Nudm_SDM_Get"),
        (at(10), session),
    ]
    wanted = counted(nodes.stages.transactions.values())
    shown = {place for place, row in wanted.items() if place[0] == 10 and says_something(place, row)}
    assert sorted(place[1:3] for place in shown) == sorted(client.query(sql).result_rows)


def kpis_record(row: Row) -> bytes:
    from streams.kpi_row import encode

    return encode(row)


def test_a_window_is_published_when_the_watermark_passed_its_end() -> None:
    nodes = Nodes()
    nodes.append(*exchange(1, 1), *exchange(3, 9), upto=9.5)
    assert nodes.settle() == []
    nodes.append(upto=9.99)
    assert nodes.settle() == []
    nodes.append(upto=10)
    assert told(nodes.settle()) == [(0, 1, 2, 2, 0)]
    nodes.append(*exchange(5, 11), upto=60)
    rows = nodes.settle()
    assert told(rows) == [(10, 1, 1, 1, 0)]
    assert told(rows, 60) == [(0, 1, 3, 3, 0)]
    assert told(nodes.settle(), 3_600) == []
    nodes.append(upto=61, final=True)
    assert told(nodes.settle(), 3_600) == [(0, 1, 3, 3, 0)]  # nothing more can come


def test_what_is_decided_later_corrects_with_a_higher_version() -> None:
    nodes = Nodes()
    asked, answer = exchange(1, 1, took=12)
    nodes.append(asked, *exchange(3, 1), upto=10)
    assert told(nodes.settle()) == [(0, 1, 1, 1, 0)]
    nodes.append(upto=12)
    assert told(nodes.settle()) == [(0, 2, 2, 1, 1)]
    nodes.append(answer, upto=13.5)
    (row,) = [row for row in nodes.settle() if row["window_s"] == 10]
    assert (row["version"], row["requests"], row["unanswered"], row["late"], row["in_flight"]) == (3, 2, 0, 1, 1)
    assert row["max_us"] == 12 * S


def test_a_correction_comes_too_late_when_the_window_is_closed() -> None:
    nodes = Nodes(rules=Streams(correction_ms=5_000))
    nodes.append(*exchange(1, 1), upto=10)
    nodes.settle()
    nodes.settle(6_000)
    nodes.append(*exchange(3, 2), upto=11)
    assert told(nodes.settle()) == []
    assert nodes.stages.windows.counts["cells_too_late"] == 1
    assert [place for place in nodes.stages.windows.windows if place[0] == 10] == []


def test_both_ends_of_an_exchange_count_once_and_the_server_end_counts() -> None:
    nodes = Nodes(pairings=2)
    for node, partition in (("server", 0), ("client", 1)):
        nodes.append(upto=-1, node=node, partition=partition)
    nodes.append(*exchange(1, 1, took=0.010, vantage="server"), upto=10, node="server")
    nodes.append(*exchange(1, 1, took=0.030, vantage="client"), upto=10, node="client", partition=1)
    nodes.settle()
    (row,) = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["requests"]]
    assert (row["node"], row["vantage"], row["requests"]) == ("server", "server", 1)
    assert row["client_durations"] == 1
    assert abs(row["p50_us"] - 10_000) <= 100
    assert abs(row["client_p50_us"] - 30_000) <= 300


@pytest.mark.parametrize("order", [("client", "one", "two"), ("one", "client", "two"), ("one", "two", "client")])
@pytest.mark.parametrize("asked_by_name", [False, True], ids=["by their own addresses", "behind a Service's"])
def test_what_the_client_end_saw_stands_beside_who_answered(order: tuple[str, ...], asked_by_name: bool) -> None:
    """Two servers answer one consumer, one tells its end before the other does."""
    nodes = Nodes(pairings=3)
    ends = {"one": ("10.0.1.1", 2.0), "two": ("10.0.1.2", 3.0)}
    seen = {
        name: exchange(number, when, connection=name, took=0.010, vantage="server", server_address=address)
        for number, (name, (address, when)) in enumerate(ends.items(), 1)
    }
    service = {"server_address": "10.96.0.1"} if asked_by_name else {}
    seen["client"] = [
        half
        for number, (name, (address, when)) in enumerate(ends.items(), 1)
        for half in exchange(
            number, when, connection=name, took=0.03 * number, vantage="client", **{"server_address": address} | service
        )
    ]
    for second in (5, 12):  # what is told at first, and that the window is over
        for partition, node in enumerate(sorted(seen)):
            nodes.append(upto=-1 if second == 5 else second, node=node, partition=partition)
        for node in order if second == 5 else ():
            nodes.append(*seen[node], upto=second, node=node, partition=sorted(seen).index(node))
            nodes.settle()
        nodes.settle()
    rows = {row["node"]: row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["requests"]}
    told = {name: (rows[name]["client_durations"], rows[name]["client_p50_us"] or 0) for name in ends}
    if asked_by_name:  # who answered is not known
        assert told == {"one": (0, 0), "two": (0, 0)}
    else:
        assert [count for count, _ in told.values()] == [1, 1]
        assert abs(told["one"][1] - 30_000) <= 300
        assert abs(told["two"][1] - 60_000) <= 600


def test_the_client_end_counts_where_the_server_end_was_blind() -> None:
    nodes = Nodes(pairings=2)
    for node, partition in (("server", 0), ("client", 1)):
        nodes.append(upto=-1, node=node, partition=partition)
    nodes.append(
        *exchange(1, 1, vantage="client"), *exchange(3, 2, vantage="client"), upto=10, node="client", partition=1
    )
    nodes.settle()
    nodes.append(*exchange(1, 1, vantage="server"), upto=10, node="server", skip=1)
    nodes.settle()
    rows = {row["node"]: row for row in nodes.stages.kpis.values() if row["window_s"] == 10}
    assert (rows["client"]["requests"], rows["client"]["vantage"]) == (2, "client")
    assert "server" not in rows
    assert rows["client"]["completeness"] == 1


def test_of_two_wires_the_one_that_shows_most_counts_and_each_node_has_its_own_loopback() -> None:
    for address, wanted in (("10.0.0.1", {"n2": 2}), ("127.0.0.9", {"n1": 1, "n2": 2})):
        nodes = Nodes(pairings=2)
        one, two = (exchange(stream, stream, client_address=address) for stream in (1, 3))
        nodes.append(*one, upto=10, node="n1")
        nodes.append(
            *[(*half[:2], f"{half[2]:.31}x", *half[3:]) for half in (*one, *two)], upto=10, node="n2", partition=1
        )
        nodes.settle()
        rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10 and row["requests"]]
        assert {row["node"]: row["requests"] for row in rows} == wanted


def test_the_client_ends_of_several_nodes_are_different_exchanges() -> None:
    nodes = Nodes(pairings=2)
    for number, node in enumerate(("n1", "n2")):
        halves = exchange(1, 1, connection=node, vantage="client")
        nodes.append(*halves, upto=10, node=node, partition=number)
    nodes.settle()
    rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10]
    assert {row["node"]: row["requests"] for row in rows} == {"n1": 1, "n2": 1}


def test_where_loss_shows_later_the_sum_moves_to_the_other_end() -> None:
    nodes = Nodes(pairings=2)
    for node, partition in (("server", 0), ("client", 1)):
        nodes.append(upto=-1, node=node, partition=partition)
    nodes.append(
        *exchange(1, 1, vantage="client"), *exchange(3, 2, vantage="client"), upto=10, node="client", partition=1
    )
    nodes.append(*exchange(1, 1, vantage="server"), upto=8, node="server")
    nodes.settle()
    nodes.append(upto=10, node="server", loss={"gaps": 1})
    nodes.settle()
    nodes.settle()
    rows = {row["node"]: row for row in nodes.stages.kpis.values() if row["window_s"] == 10}
    assert (rows["client"]["requests"], rows.get("server", {"requests": 0})["requests"]) == (2, 0)


def test_loss_lowers_completeness() -> None:
    nodes = Nodes()
    nodes.append(upto=0)
    nodes.append(*exchange(1, 1), upto=2)
    nodes.append(
        request(3, at(2.5), operation="Nudm_SDM_Get", consumer_nf="AMF", producer_nf="UDM"), upto=4, loss={"gaps": 1}
    )
    nodes.append(upto=20, loss={"gaps": 1})
    nodes.settle()
    row = nodes.stages.kpis[next(place for place in nodes.stages.kpis if place[0] == 10)]
    assert (row["requests"], row["unknown"], row["blind_us"], row["completeness"]) == (2, 1, 2 * S, 0.5 * 0.8)


def test_the_time_between_two_incarnations_was_seen_by_nobody() -> None:
    nodes = Nodes()
    nodes.append(*exchange(1, 1), upto=2)
    nodes.sequences.clear()
    nodes.append(upto=5, incarnation="i2")
    nodes.append(*exchange(3, 6), upto=20, incarnation="i2")
    nodes.settle()
    row = nodes.stages.kpis[next(place for place in nodes.stages.kpis if place[0] == 10)]
    assert (row["requests"], row["blind_us"], row["completeness"]) == (2, 3 * S, 0.7)


def test_repeated_rows_are_dropped_and_a_jump_ends_the_stage() -> None:
    fold = KpiWindows(Facts(0, {KPIS: 1}), Streams())
    nodes = Nodes()
    nodes.append(*exchange(1, 1), upto=10)
    (rows,) = [
        one for one in nodes.stages.pairings[0].apply(nodes.now_ms + 1_500, None, b"") if one.topic.endswith("deltas")
    ]
    message = batch_body(0, 1, rows.records)
    fold.apply(0, DELTAS, message)
    state = fold.dump()
    assert (fold.apply(0, DELTAS, message), fold.counts["rows_repeated"]) == ([], len(rows.records))
    with pytest.raises(Jump):
        fold.apply(0, DELTAS, batch_body(0, 1 + 2 * len(rows.records), rows.records))
    fold.load(state)
    fold.pass_over()
    fold.apply(0, DELTAS, batch_body(0, 1 + 2 * len(rows.records), rows.records))  # a loss that was told
    with pytest.raises(Jump):
        fold.apply(0, DELTAS, batch_body(0, 1 + 5 * len(rows.records), rows.records))


def test_what_cannot_be_read_changes_nothing() -> None:
    fold = KpiWindows(Facts(0, {KPIS: 1}), Streams())
    nodes = Nodes()
    nodes.append(*exchange(1, 1), upto=10)
    (rows,) = [
        one for one in nodes.stages.pairings[0].apply(nodes.now_ms + 1_500, None, b"") if one.topic.endswith("deltas")
    ]
    message = batch_body(0, 1, rows.records)
    before = fold.dump()
    for cut in range(1, len(message), 7):
        with pytest.raises(Malformed):
            fold.apply(0, DELTAS, message[:cut])
    assert fold.dump() == before


def test_json_says_what_avro_says() -> None:
    fold = KpiWindows(Facts(0, {KPIS: 1, KPIS_JSON: 1}), Streams())
    nodes = Nodes()
    nodes.append(*exchange(1, 1), upto=10)
    nodes.append(upto=10, final=True)
    (rows,) = [
        one for one in nodes.stages.pairings[0].apply(nodes.now_ms + 1_500, None, b"") if one.topic.endswith("deltas")
    ]
    avro, text = fold.apply(0, DELTAS, batch_body(0, 1, rows.records))
    assert (avro.topic, text.topic, avro.keys) == (KPIS, KPIS_JSON, text.keys)
    assert [kpis.read(kpis.KPI, one) for one in avro.records] == [json.loads(one) for one in text.records]


def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kpi_slots.MAX_CELLS", 5)
    nodes = Nodes()
    nodes.append(*(one for i in range(11) for one in exchange(1 + 2 * i, 1, dnn=f"d{i}")), upto=10)
    nodes.settle()
    rows = [row for row in nodes.stages.kpis.values() if row["window_s"] == 10]
    assert {row["operation"]: row["requests"] for row in rows} == {"Nudm_SDM_Get": 1, "(other)": 6}
    assert nodes.stages.windows.counts["keys_folded"] == 6


def test_what_two_partitions_do_not_keep_apart_stays_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kpi_slots.MAX_CELLS", 1)
    nodes = Nodes()
    nodes.append(*(one for i in range(3) for one in exchange(1 + 2 * i, 1, dnn=f"d{i}")), upto=10)
    nodes.append(upto=10, final=True)
    out = nodes.stages.pairings[0].apply(nodes.now_ms + 1_500, None, b"")
    (deltas,) = [one.records for one in out if one.topic == DELTAS_TOPIC]
    ids: dict[str, set[str]] = {}
    for partition in (0, 1):
        fold = KpiWindows(Facts(partition, {KPIS_JSON: 1}), Streams())
        (rows,) = fold.apply(0, DELTAS, batch_body(0, 1, deltas))
        for row in map(json.loads, rows.records):
            ids.setdefault(row["operation"], set()).add(row["kpi_id"])
    assert {operation: len(one) for operation, one in ids.items()} == {"Nudm_SDM_Get": 5, "(other)": 10}


@settings(max_examples=30, deadline=None)
@given(
    bound=st.integers(1, 6),
    asked=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 119), st.booleans()), min_size=1, max_size=60),
)
def test_whatever_is_folded_nothing_is_lost_and_what_is_kept_apart_is_whole(
    bound: int, asked: list[tuple[int, int, bool]]
) -> None:
    """Each request: (its data network, when it begins in seconds, whether it fails)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.kpi_slots.MAX_CELLS", bound)
        patch.setattr("streams.kpi_windows.MAX_KEYS", bound)
        nodes = Nodes()
        for number, (dnn, when, fails) in enumerate(sorted(asked, key=lambda one: one[1])):
            halves = exchange(1 + 2 * number, when, dnn=f"d{dnn}", status=500 if fails else 200)
            nodes.append(*halves, upto=when + 0.5)
            nodes.settle()
        nodes.append(upto=3_600, final=True)
        nodes.settle()
    rows = list(nodes.stages.kpis.values())
    for width_s in (10, 60, 300, 900, 3_600):
        mine = [row for row in rows if row["window_s"] == width_s]
        assert sum(row["requests"] for row in mine) == len(asked)
        assert sum(row["failed"] for row in mine) == sum(fails for *_, fails in asked)
        for start in {row["window_start_us"] for row in mine}:
            window = [row for row in mine if row["window_start_us"] == start]
            assert len(window) <= bound + 1  # and the others as one
            named = {row["dnn"]: row for row in window if row["operation"] != "(other)"}
            first, last = (start - T0) / S, (start - T0) / S + width_s
            slots = {when // 10 for _, when, _ in asked if first <= when < last}
            if len(slots) == 1:  # kept apart from its first request on
                for dnn, row in named.items():
                    wanted = [one for one in asked if f"d{one[0]}" == dnn and first <= one[1] < last]
                    assert row["requests"] == len(wanted)


def test_the_table_of_measurements_is_whole() -> None:
    known = {
        line.split("\t")[4] for line in (FOLDER / "sbi/operations.tsv").read_text().splitlines() if line.count("\t") > 3
    }
    for one in measurements():
        assert set(one.operations) <= known, one.name
        assert bool(one.operations) == bool(one.counter)
        assert one.label in {"exact", "proxy", "derived"}
        assert one.operations or one.note
