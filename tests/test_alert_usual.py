"""What is usual of a key, as the alert fold learns it: who talks, what an outage teaches, what lasts."""

import pytest

from streams.alert_rules import rules
from streams.alerts import Alerts
from tests.test_alerts import BY_NAME, FACTS, Row, counts, mixed, others, run, told, window


def talk(number: int, answered: int) -> Row:
    return window(number, 60, **counts(max(answered, 1)), answered=answered)


def test_who_says_less_is_not_silent() -> None:
    """60 answers a minute, 40, then 3 at night with minutes of none: only the 60 promised anything."""
    fewer = [talk(n, 60 if n < 15 else 40) for n in range(60)]
    night = [talk(n, 3) for n in range(60, 160, 1)] + [talk(n, 3) for n in range(160, 300, 9)]
    assert told(run(Alerts(FACTS), mixed(fewer, night, others(300))), "nf_silent") == []


def test_any_answer_ends_a_silence() -> None:
    for answered in (1, 40, 60):
        windows = mixed([talk(n, 60) for n in range(15)], [talk(n, answered) for n in range(30, 40)], others(40))
        alerts = run(Alerts(FACTS), windows)
        assert told(alerts, "nf_silent") == [("major", 17), ("cleared", 30)]
        assert alerts[0]["additional_text"] == "answered = 0 in 3 windows of 60 s: Nudm_SDM_Get, AMF to UDM"
        assert alerts[1]["additional_text"] == f"answered = {answered} in 60 s: Nudm_SDM_Get, AMF to UDM"


def test_who_is_asked_and_answers_nothing_is_silent() -> None:
    mute = [window(n, 60, **counts(60, unanswered=60)) for n in range(15, 20)]
    alerts = run(Alerts(FACTS), mixed([talk(n, 60) for n in range(15)], mute))
    assert told(alerts, "nf_silent") == [("major", 17)]


def test_an_outage_teaches_no_latency() -> None:
    """12 minutes at 1 ms, 12 without an answer and 12 with too few, then 20 h as before: nothing was slow."""
    normal = counts(100, p95_us=1_000)
    dead, few = counts(100, unanswered=100, durations=0, p95_us=None), counts(100, durations=3, p95_us=1)
    said = [normal] * 12 + [dead] * 12 + [few] * 12 + [normal] * 1_200
    fold = Alerts(FACTS)
    assert told(run(fold, [window(n, **one) for n, one in enumerate(said)]), "latency_shift") == []
    slow = [window(1_236 + n, **counts(100, p95_us=3_100)) for n in range(2)]
    assert told(run(fold, slow), "latency_shift") == [("minor", 1_237)]


@pytest.mark.parametrize(
    ("rule", "operation", "before", "since"),
    [
        ("discovery_sweep", "Nnrf_NFDiscovery_Request", counts(10), counts(150)),
        ("session_deletion_burst", "Nsmf_PDUSession_ReleaseSMContext", counts(6), counts(90)),
        ("latency_shift", "A", counts(100, p95_us=1_000), counts(100, p95_us=40_000)),
        ("signalling_storm", "A", counts(100), counts(90_000)),
    ],
)
def test_what_lasts_for_a_day_is_usual(rule: str, operation: str, before: Row, since: Row) -> None:
    """It stays so for good: raised, a day of bad windows later cleared with the reason said, and a new one is found."""
    one = BY_NAME[rule]
    day, first = 86_400 // one.window_s, one.baseline
    said = [before] * first + [since] * (2 * day)
    fold = Alerts(FACTS)
    alerts = run(fold, [window(n, one.window_s, operation, **what) for n, what in enumerate(said)])
    mine = [alert for alert in alerts if alert["specific_problem"] == rule]
    raised = first + one.raise_after - 1
    assert told(mine, rule) == [(one.severity, raised), ("cleared", raised + day)]
    assert (
        mine[1]["additional_text"] == f"it lasted {day} windows of {one.window_s} s and is taken as usual from now on"
    )
    assert mine[1]["observed"] > mine[1]["threshold"] > 0
    worse = {name: value * 1_009 for name, value in since.items()}
    more = [window(first + 2 * day + n, one.window_s, operation, **worse) for n in range(2)]
    assert [severity for severity, _ in told(run(fold, more), rule)] == [one.severity]


def test_what_comes_and_goes_is_not_yet_usual() -> None:
    """An hour of sweeps a day, for a week, is told each day."""
    said = ([counts(10)] * 1_380 + [counts(150)] * 60) * 7
    windows = [window(n, 60, "Nnrf_NFDiscovery_Request", **one) for n, one in enumerate([*said, *[counts(10)] * 3])]
    assert [severity for severity, _ in told(run(Alerts(FACTS), windows), "discovery_sweep")] == [
        "warning",
        "cleared",
    ] * 7


def test_every_rule_with_a_usual_takes_what_lasts_a_day_as_such() -> None:
    for one in rules():
        assert one.usual_after * one.window_s == (86_400 if one.baseline and not one.absent_after else 0), one.name
