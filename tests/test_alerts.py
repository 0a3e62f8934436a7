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
from schemas.plain import without_logical_types
from streams.alert_rules import rules
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.kpi_counts import Counts
from streams.kpi_row import Key, Node, encode, kpi
from streams.reframe import Malformed

KPI = document("kpi")
ALERT = fastavro.parse_schema(without_logical_types(document("alert")))
FACTS = Facts(0, {ALERTS: 2, ALERTS_JSON: 2})
BY_NAME = {one.name: one for one in rules()}
Row = dict[str, Any]


def window(number: int, window_s: int = 60, operation: str = "Nudm_SDM_Get", consumer: str = "AMF", **said: Any) -> Row:
    """Return the KPI of one key in its window `number`: blank but for what is said."""
    key = Key(operation, consumer, "UDM", None, None, None, None, False)
    blank = kpi(window_s, number * window_s * 1_000_000, 1, key, Node("lab", "n1"), "server", Counts(), {}, 0)
    return blank | said


def run(fold: Alerts, windows: Sequence[Row], append_ms: int | None = None) -> list[Row]:
    """Return the alerts of some windows, told as each ended or all at once; both forms must say the same."""
    found, twins = [], []
    for row in windows:
        over_ms = row["window_start_us"] // 1_000 + row["window_s"] * 1_000
        for rows in fold.apply(over_ms if append_ms is None else append_ms, KPI, encode(row)):
            for octets, key in zip(rows.records, rows.keys, strict=True):
                if rows.topic == ALERTS_JSON:
                    twins.append(msgspec.json.decode(octets))
                else:
                    found.append(fastavro.schemaless_reader(io.BytesIO(octets), ALERT, None))
                    assert found[-1]["alarm_id"].encode() == key
    assert found == twins
    return found


def told(alerts: Sequence[Row], rule: str, since_us: int = 0) -> list[tuple[str, int]]:
    """Return (severity, window number since then) of what a rule said."""
    mine = [one for one in alerts if one["specific_problem"] == rule]
    numbers = ((one["window_start_us"] - since_us) // (one["window_s"] * 1_000_000) for one in mine)
    return [(one["perceived_severity"], number) for one, number in zip(mine, numbers, strict=True)]


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
    "slow_answers": (
        "A",
        [counts(100, p99_us=2_000_001)] * 2 + [counts(100, p99_us=1_900_000), counts(100, p99_us=9_000)] + [QUIET],
        [("major", 1), ("cleared", 4)],
    ),
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
    "requests_without_token": (
        "A",
        [
            counts(100, without_token=100),  # no one bears any there
            counts(100, without_token=2, token_expected=True),
            counts(100, without_token=3, token_expected=True),
            counts(100, with_token=100, token_expected=True),
            counts(100, without_token=100),
        ],
        [("major", 2), ("cleared", 4)],
    ),
    "overload_told": (
        "A",
        [counts(100, overload_reports=2, overload_percent_sum=60)] + [QUIET] * 3,
        [("major", 0), ("cleared", 3)],
    ),
    "consumer_overload_told": (
        "A",
        [counts(100, consumer_overload_reports=1, consumer_overload_percent_sum=5)] + [QUIET] * 3,
        [("major", 0), ("cleared", 3)],
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


def others(many: int, window_s: int = 60, first: int = 0) -> list[Row]:
    """Return windows of something else on the node, of the same writer as those that fall silent here."""
    return [window(n, window_s, "D", "SMF", **counts(4)) for n in range(first, first + many)]


def mixed(*many: Sequence[Row]) -> list[Row]:
    """Return windows in the order of their time."""
    return sorted((row for one in many for row in one), key=lambda row: int(row["window_start_us"]))


@pytest.mark.parametrize(
    ("rule", "severity", "operation", "usual", "times"),
    [
        ("heartbeats_absent", "critical", "Nnrf_NFManagement_NFUpdate", 4, 4),
        ("nf_silent", "major", "Nudm_SDM_Get", 60, 13),
    ],
)
def test_a_function_that_falls_silent_is_told_when_others_go_on(
    rule: str, severity: str, operation: str, usual: int, times: int
) -> None:
    usuals = [window(n, 60, operation, **counts(usual), answered=usual) for n in (*range(times), times + 5)]
    told_now = told(run(Alerts(FACTS), mixed(usuals, others(times + 6))), rule)
    assert told_now == [(severity, times + 2), ("cleared", times + 5)]
    assert run(Alerts(FACTS), usuals[:times]) == []
    rare = [usuals[0], usuals[-1]]
    assert told(run(Alerts(FACTS), mixed(rare, others(times + 6))), rule) == []
    agent_away = [*others(times), *others(4, first=times + 60)]
    assert told(run(Alerts(FACTS), mixed(usuals[:times], agent_away)), rule) == [(severity, times + 62)]
    assert told(run(Alerts(FACTS), mixed(usuals[:times], agent_away[:-1])), rule) == []


@pytest.mark.parametrize(
    ("each", "wanted"), [(1, [("critical", 27)]), (3, [("critical", 27)]), (4, []), (6, []), (12, [])]
)
def test_who_comes_more_seldom_than_absence_takes_is_not_waited_for(each: int, wanted: Any) -> None:
    beats = [window(n, 60, "Nnrf_NFManagement_NFUpdate", **counts(4)) for n in range(0, 25, each)]
    assert told(run(Alerts(FACTS), mixed(beats, others(40))), "heartbeats_absent") == wanted


@pytest.mark.parametrize(
    ("operation", "consumer", "wanted"),
    [
        ("Nausf_UEAuthentication_Authenticate", "SMF", [("warning", 7)]),
        ("Nausf_UEAuthentication_Authenticate", "AMF", []),
        ("Nausf_UEAuthentication_Authenticate", "SCP", []),
        ("Nudr_DM_Query", "AMF", [("warning", 7)]),
        ("Nudm_SDM_Get", "PCF", []),
    ],
)
def test_a_function_outside_its_role_is_told_at_once(operation: str, consumer: str, wanted: Any) -> None:
    alerts = run(Alerts(FACTS), [window(7, 10, operation, consumer, **counts(1))])
    assert told(alerts, "outside_role") == wanted


def test_an_alert_that_nothing_shows_any_more_is_cleared() -> None:
    windows = [window(0, 10, "Nudr_DM_Query", "AMF", **counts(1)), *others(80, 10)]
    alerts = run(Alerts(FACTS), windows)
    assert told(alerts, "outside_role") == [("warning", 0), ("cleared", 61)]
    assert alerts[-1]["additional_text"] == "nothing of it was seen for 60 windows of 10 s"
    assert (alerts[0]["version"], alerts[1]["version"]) == (3, 124)


def test_what_is_usual_at_this_hour_is_no_storm() -> None:
    """A busy hour comes each day at once; the first time it is a storm, the fifth it is not, a real one still is."""
    day, hour = 8_640, 360
    fold, raised = Alerts(FACTS), []
    for number in range(5):
        quiet = [window(number * day + n, 10, **counts(100)) for n in range(hour)]
        busy = [window(number * day + hour + n, 10, **counts(900)) for n in range(hour)]
        raised.append(len(told(run(fold, quiet + busy), "signalling_storm")))
    assert raised == [1, 1, 0, 0, 0]  # raised, and cleared in the next quiet hour
    storm = [window(5 * day + hour + n, 10, **counts(5_000)) for n in range(2)]
    assert told(run(fold, storm), "signalling_storm")[-1] == ("major", 5 * day + hour + 1)


def test_windows_that_were_hardly_seen_clear_nothing() -> None:
    bad, blind = counts(100, unanswered=50), counts(100) | {"completeness": 0.4}
    windows = [window(n, **said) for n, said in enumerate([bad, blind, blind, blind, QUIET, QUIET])]
    assert told(run(Alerts(FACTS), windows), "unanswered_ratio") == [("major", 0), ("cleared", 5)]


def test_every_rule_has_a_table() -> None:
    assert TABLE.keys() | {"heartbeats_absent", "nf_silent", "outside_role"} == BY_NAME.keys()


def test_the_record_says_what_was_measured_of_what() -> None:
    (alert,) = run(Alerts(FACTS), [window(1, **counts(100, unanswered=50)) | {"node": "n=1,x"}])
    assert alert["object_instance"] == "Site=lab,Node=n\\=1\\,x,NF=UDM"
    assert alert["additional_text"] == (
        "unanswered / requests = 0.5, threshold 0.05, in 60 s: Nudm_SDM_Get, AMF to UDM"
    )
    assert alert["event_us"] == alert["raised_us"] == 120_000_000


def test_overload_is_told_of_the_end_that_asks_for_less() -> None:
    both = {"overload_reports": 2, "overload_percent_sum": 60, "consumer_overload_reports": 1}
    alerts = run(Alerts(FACTS), [window(1, 10, **counts(9, **both), consumer_overload_percent_sum=7)])
    told_of = {one["specific_problem"]: (one["object_instance"], one["observed"]) for one in alerts}
    assert told_of == {
        "overload_told": ("Site=lab,Node=n1,NF=UDM", 30),
        "consumer_overload_told": ("Site=lab,Node=n1,NF=AMF", 7),
    }


def test_rules_of_a_later_release_judge_keys_that_are_known_already() -> None:
    before = Alerts(FACTS, tuple(one for one in rules() if one.name != "unanswered_ratio"))
    run(before, [window(0, **QUIET)])
    fold = Alerts(FACTS)
    fold.load(before.dump())
    assert told(run(fold, [window(1, **counts(100, unanswered=50))]), "unanswered_ratio") == [("major", 1)]


def test_repeats_corrections_and_proxies_raise_nothing_twice() -> None:
    bad = window(1, **counts(100, unanswered=50))
    fold = Alerts(FACTS)
    assert len(run(fold, [bad, bad, bad | {"version": 2}, window(0, **counts(100, unanswered=50))])) == 1
    assert run(Alerts(FACTS), [bad | {"to_proxy": True}]) == []
    assert (fold.counts["kpis_repeated"], fold.counts["raised"]) == (3, 1)


def test_keys_beyond_the_bound_end_their_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.alerts.MAX_KEYS", 3)
    fold = Alerts(FACTS)
    alerts = run(fold, [window(1, **counts(100, unanswered=50)) | {"kpi_id": str(n)} for n in range(5)])
    assert [one["perceived_severity"] for one in alerts] == ["major"] * 4 + ["cleared", "major"]
    assert (fold.counts["keys_evicted"], alerts[4]["alarm_id"]) == (1, alerts[0]["alarm_id"])
    again = run(fold, [window(2, **counts(100, unanswered=50)) | {"kpi_id": "0"}])
    assert again[-1]["alarm_id"] == alerts[0]["alarm_id"] and again[-1]["version"] > alerts[4]["version"]


def test_what_is_no_kpi_is_malformed_and_leaves_the_state() -> None:
    fold = Alerts(FACTS)
    before = fold.dump()
    for body in (b"\x02", encode(window(1)) + b"\0"):
        with pytest.raises(Malformed):
            fold.apply(0, KPI, body)
    assert fold.dump() == before


def traffic(chance: random.Random) -> list[Row]:
    """Return windows of some keys, in the order of their time, with gaps, faults, storms and silence."""
    found = []
    for operation, consumer in (("A", "AMF"), ("Nnrf_NFManagement_NFUpdate", "UDM"), ("Nudr_DM_Query", "AMF")):
        for width_s, many in ((10, 120), (60, 60)):
            asked, lost = chance.choice([3, 60, 100]), 0
            for number in range(many):
                asked = chance.choice([asked, asked, asked, asked, 900, 3, 100])
                lost = chance.choice([lost, lost, 0, 3, 30])
                if number % 40 < 33 and chance.random() > 0.1:
                    said = counts(asked, unanswered=min(lost, asked), answered=asked, failed=min(lost, asked))
                    found.append(window(number, width_s, operation, consumer, **said))
    return mixed(found, others(120, 10), others(60, 60))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 400), max_size=40))
def test_raised_and_cleared_alternate_and_a_crash_changes_nothing(seed: int, crashes: set[int]) -> None:
    windows = traffic(random.Random(seed))
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
        before = versions.get(alert["alarm_id"], 0)
        assert alert["version"] > before and (alert["version"] + before) % 2 == 1
        assert (alert["perceived_severity"] == "cleared") == (alert["version"] % 2 == 0)
        versions[alert["alarm_id"]] = alert["version"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_repeats_and_the_order_of_different_keys_change_nothing(seed: int) -> None:
    """Keys come late by less than what tells an absence; any message comes again: same alerts, none twice."""
    chance = random.Random(seed)
    windows = traffic(chance)
    late = {row["kpi_id"]: chance.randrange(2) for row in windows}  # keys come late by so many of their windows

    def arrival(row: Row) -> int:
        return int(row["window_start_us"]) + late[row["kpi_id"]] * int(row["window_s"]) * 1_000_000

    again = sorted(windows, key=arrival)
    for _ in range(60):
        place = chance.randrange(len(again))
        again.insert(place + 1 + chance.randrange(9), again[place])
    by_windows = [row for row in run(Alerts(FACTS), again) if not BY_NAME[row["specific_problem"]].absent_after]
    calm = [row for row in run(Alerts(FACTS), windows) if not BY_NAME[row["specific_problem"]].absent_after]
    assert by_alarm(by_windows) == by_alarm(calm)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1), st.integers(0, 2**32))
def test_only_real_silence_is_told_whoever_comes_late(gap: int, late: int, seed: int) -> None:
    """Three windows of silence are told, or their end came with them; less never is; what comes late is no silence."""
    starts = [*range(4), *range(4 + gap, 20)]
    beats = [window(n, 60, "Nnrf_NFManagement_NFUpdate", **counts(4)) for n in starts]
    chance = random.Random(seed)
    both = sorted(
        [*((row["window_start_us"] + late * 59_000_000, chance.random(), row) for row in beats),
         *((row["window_start_us"], chance.random(), row) for row in others(20))],
        key=lambda one: one[:2],
    )  # fmt: skip
    alerts = told(run(Alerts(FACTS), [row for _, _, row in both]), "heartbeats_absent")
    if gap > 3:
        assert alerts == [("critical", 6), ("cleared", 4 + gap)]
    elif gap < 3:
        assert alerts == []


def by_alarm(alerts: Sequence[Row]) -> list[Row]:
    return sorted(alerts, key=lambda row: (row["alarm_id"], row["version"]))
