"""The alert fold: each rule raises and clears by its table; crashes, repeats and corrections change nothing."""

import io
import random
from collections.abc import Sequence
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fields import document
from streams.alert_rules import rules
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.kpi_counts import Counts
from streams.kpi_row import Key, Node, encode, kpi
from streams.plain import without_logical_types
from streams.reframe import Malformed

KPI = document("kpi")
ALERT = fastavro.parse_schema(without_logical_types(document("alert")))
FACTS = Facts(0, {ALERTS: 2, ALERTS_JSON: 2})
BY_NAME = {one.name: one for one in rules()}
Row = dict[str, Any]


def window(number: int, window_s: int = 60, operation: str = "Nudm_SDM_Get", version: int = 1, **said: Any) -> Row:
    """Return the KPI of one key in its window `number`: blank but for what is said."""
    key = Key(operation, "AMF", "UDM", None, None, None, None, False)
    blank = kpi(window_s, number * window_s * 1_000_000, version, key, Node("lab", "n1"), "server", Counts(), {}, 0)
    return blank | said


def run(fold: Alerts, windows: Sequence[Row]) -> list[Row]:
    """Return the alerts of some windows; both forms must say the same."""
    found, twins = [], []
    for row in windows:
        for rows in fold.apply(0, KPI, encode(row)):
            for octets, key in zip(rows.records, rows.keys, strict=True):
                if rows.topic == ALERTS_JSON:
                    twins.append(msgspec.json.decode(octets))
                else:
                    found.append(fastavro.schemaless_reader(io.BytesIO(octets), ALERT, None))
                    assert found[-1]["alarm_id"].encode() == key
    assert found == twins
    return found


def told(alerts: Sequence[Row], rule: str) -> list[tuple[str, int]]:
    """Return (severity, window number) of what a rule said."""
    mine = [one for one in alerts if one["specific_problem"] == rule]
    return [(one["perceived_severity"], one["window_start_us"] // one["window_s"] // 1_000_000) for one in mine]


def counts(requests: int, **said: Any) -> Row:
    return {"requests": requests, "succeeded": requests - said.get("failed", 0), "durations": requests} | said


QUIET, THIN = counts(100), counts(3)
# rule → operation, windows in order, what must be said: (severity, number of the window)
TABLE: dict[str, tuple[str, list[Row], list[tuple[str, int]]]] = {
    "unanswered_ratio": (
        "A",
        [QUIET, counts(100, unanswered=5), counts(100, unanswered=6), QUIET, QUIET, counts(9, unanswered=9)],
        [("major", 2), ("cleared", 4)],
    ),
    "failure_ratio": (
        "A",
        [counts(100, failed=30), QUIET, counts(100, failed=30), counts(100, failed=30), QUIET, QUIET],
        [("major", 3), ("cleared", 5)],
    ),
    "server_errors": (
        "A",
        [
            counts(100, server_errors=11),
            counts(100, server_errors=9),
            QUIET,
            counts(100, server_errors=9),
            QUIET,
            QUIET,
        ],
        [("critical", 0), ("cleared", 5)],
    ),
    "overload": (
        "A",
        [counts(100, failures={"server_error 503 NF_CONGESTION": 4, "client_error 429": 3})] * 2 + [QUIET] * 3,
        [("major", 1), ("cleared", 4)],
    ),
    "latency_shift": (
        "A",
        [counts(100, p95_us=1_000)] * 12 + [counts(100, p95_us=3_001)] * 2 + [counts(100, p95_us=1_100)] * 3,
        [("minor", 13), ("cleared", 16)],
    ),
    "signalling_storm": ("A", [QUIET] * 18 + [counts(501)] * 2 + [QUIET] * 3, [("major", 19), ("cleared", 22)]),
    "retransmissions": ("A", [counts(100, retransmitted=11), QUIET, QUIET], [("minor", 0), ("cleared", 2)]),
    "discovery_sweep": (
        "Nnrf_NFDiscovery_Request",
        [counts(20)] * 12 + [counts(201)] + [counts(20)] * 3,
        [("warning", 12), ("cleared", 15)],
    ),
    "requests_unauthorized": (
        "A",
        [THIN, counts(100, failures={"client_error 403": 15, "client_error 401 X": 6}), QUIET, QUIET],
        [("warning", 1), ("cleared", 3)],
    ),
    "session_deletion_burst": (
        "Nsmf_PDUSession_ReleaseSMContext",
        [counts(6)] * 18 + [counts(61)] + [counts(6)] * 3,
        [("critical", 18), ("cleared", 21)],
    ),
}


@pytest.mark.parametrize("rule", TABLE)
def test_each_rule_raises_and_clears_by_its_table(rule: str) -> None:
    operation, given_windows, wanted = TABLE[rule]
    width_s = BY_NAME[rule].window_s
    alerts = run(Alerts(FACTS), [window(n, width_s, operation, **said) for n, said in enumerate(given_windows)])
    assert told(alerts, rule) == wanted


def test_a_function_that_falls_silent_is_told_when_others_go_on() -> None:
    beats = [window(n, 60, "Nnrf_NFManagement_NFUpdate", **counts(4)) for n in (0, 1, 2, 3, 9)]
    others = [window(n, 60, "B", **counts(4)) | {"kpi_id": "other"} for n in range(10)]
    both = sorted([*beats, *others], key=lambda row: int(row["window_start_us"]))
    assert told(run(Alerts(FACTS), both), "heartbeats_absent") == [("critical", 6), ("cleared", 9)]
    assert run(Alerts(FACTS), beats[:4]) == []


def test_every_rule_has_a_table() -> None:
    assert TABLE.keys() | {"heartbeats_absent"} == BY_NAME.keys()


def test_repeats_corrections_and_proxies_raise_nothing_twice() -> None:
    bad = window(1, **counts(100, unanswered=50))
    fold = Alerts(FACTS)
    assert len(run(fold, [bad, bad, bad | {"version": 2}, window(0, **counts(100, unanswered=50))])) == 1
    assert run(Alerts(FACTS), [bad | {"to_proxy": True}]) == []
    assert (fold.counts["kpis_repeated"], fold.counts["raised"]) == (3, 1)


def test_what_is_no_kpi_is_malformed_and_leaves_the_state() -> None:
    fold = Alerts(FACTS)
    before = fold.dump()
    for body in (b"\x02", encode(window(1)) + b"\0"):
        with pytest.raises(Malformed):
            fold.apply(0, KPI, body)
    assert fold.dump() == before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 119)))
def test_raised_and_cleared_alternate_and_a_crash_changes_nothing(seed: int, crashes: set[int]) -> None:
    chance = random.Random(seed)
    windows = [
        window(n, chance.choice([10, 60]), chance.choice(["A", "Nnrf_NFManagement_NFUpdate"]),
               **counts(chance.choice([3, 100, 900]), unanswered=chance.choice([0, 0, 3])))
        for n in range(120)
    ]  # fmt: skip
    calm, fold, out = run(Alerts(FACTS), windows), Alerts(FACTS), []
    for number, row in enumerate(windows):
        if number in crashes:
            state = fold.dump()
            fold = Alerts(FACTS)
            fold.load(state)
            assert fold.dump() == state
        out += run(fold, [row])
    assert out == calm
    versions: dict[str, int] = {}
    for alert in out:
        assert alert["version"] == versions.get(alert["alarm_id"], 0) + 1
        assert (alert["perceived_severity"] == "cleared") == (alert["version"] % 2 == 0)
        versions[alert["alarm_id"]] = alert["version"]
