"""How the alert fold knows what time it is: wrong clocks, writers that are behind, and what may be told absent."""

from collections.abc import Sequence

import msgspec
import pytest

from schemas.topics import declared
from streams.alert_shown import writer_of
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.kpi_cells import DELTAS
from tests.test_alerts import FACTS, QUIET, Row, counts, mixed, others, run, told, window

HEARTBEAT = "Nnrf_NFManagement_NFUpdate"
FOUR = Facts(0, {ALERTS: 4, ALERTS_JSON: 4})


def beats(numbers: Sequence[int]) -> list[Row]:
    return [window(n, 60, HEARTBEAT, **counts(6), answered=6) for n in numbers]


def test_a_window_from_the_future_is_counted_and_blinds_no_one() -> None:
    """An agent that began before its clock was set told of a day in 2055; then all of this goes wrong."""
    fold, later = Alerts(FACTS), 30_000_000
    ahead = window(later, **counts(100)) | {"window_start_us": later * 60_000_000}
    assert run(fold, [*others(2), window(0, **QUIET)]) == []
    assert run(fold, [ahead, *others(2, first=later), *beats([later])], append_ms=120_000) == []
    assert fold.counts["kpis_ahead"] == 4
    bad = [window(n, **counts(600, unanswered=600, failed=600)) for n in range(2, 32)]
    alerts = run(fold, mixed(bad, beats(range(2, 9)), others(29, first=2)))
    assert told(alerts, "unanswered_ratio") == [("major", 2)]
    assert told(alerts, "failure_ratio") == [("major", 3)]
    assert told(alerts, "heartbeats_absent") == [("critical", 11)]
    assert fold.counts["kpis_repeated"] == 0


def test_a_clock_that_is_some_minutes_ahead_is_an_agents_own_affair() -> None:
    bad = window(9, **counts(100, unanswered=50))  # begins at 540 s
    for append_ms, wanted in ((-60_000, 1), (-60_001, 0)):
        fold = Alerts(FACTS)
        assert (len(run(fold, [bad], append_ms)), fold.counts["kpis_ahead"]) == (wanted, 1 - wanted)


def test_a_state_that_the_future_has_spoiled_comes_right_by_itself() -> None:
    spoiled = Alerts(FACTS)
    run(spoiled, [*beats([30_000_000]), window(30_000_000, **QUIET), *others(1, first=30_000_000)])
    fold = Alerts(FACTS)
    fold.load(spoiled.dump())
    alerts = run(fold, mixed([window(1, **counts(100, unanswered=50))], beats(range(1, 5)), others(12)))
    assert [one["specific_problem"] for one in alerts] == ["unanswered_ratio", "heartbeats_absent"]
    assert told(alerts, "heartbeats_absent") == [("critical", 7)]


@pytest.mark.parametrize("behind", [1, 6, 90])
def test_who_is_told_of_by_a_writer_that_is_behind_is_not_absent(behind: int) -> None:
    """The KPI stage's worker of the heartbeats was away; its windows come minutes after those of another partition."""
    assert writer_of("Busy", 4) != writer_of(HEARTBEAT, 4) == writer_of("D", 4)
    busy = [window(n, 60, "Busy", **counts(500), answered=500) for n in range(20 + behind)]
    fast, slow = busy[20:], mixed(beats(range(20, 20 + behind)), others(behind, first=20))
    before = mixed(busy[:20], beats(range(20)), others(20))
    now_ms = (20 + behind) * 60_000
    fold = Alerts(FOUR)
    assert run(fold, before) == run(fold, [*fast, *slow], now_ms) == []
    silent = run(fold, others(4, first=20 + behind))
    assert told(silent, "heartbeats_absent") == [("critical", 22 + behind)]


def test_absence_is_told_of_no_time_that_its_writer_has_not_reached() -> None:
    """Shorter windows of its writer tell sooner that time went on; a minute counts only once the next has begun."""
    short = [window(n, 10, "D", "SMF", **counts(4)) for n in range(60)]
    fold, windows = Alerts(FOUR), mixed(beats(range(5)), short)
    for row in windows:
        for alert in run(fold, [row]):
            assert (alert["specific_problem"], alert["window_start_us"]) == ("heartbeats_absent", 7 * 60_000_000)
            assert alert["event_us"] == alert["raised_us"] == row["window_start_us"] == 480_000_000
    assert fold.counts["raised"] == 1


def test_no_alert_is_over_before_it_began() -> None:
    """Should its windows come late all the same, they end the alert, at the time it was raised for."""
    fold = Alerts(FOUR)
    raised = run(fold, mixed(beats(range(5)), others(12)))
    cleared = run(fold, beats(range(5, 12)))
    assert [one["perceived_severity"] for one in raised + cleared] == ["critical", "cleared"]
    assert cleared[0]["cleared_us"] == cleared[0]["raised_us"] == raised[0]["event_us"]
    assert cleared[0]["version"] > raised[0]["version"]


def test_whose_writer_shows_nothing_else_here_is_never_told_absent() -> None:
    """What other writers show of the node says nothing of how far its own is, which tells of silence by itself."""
    busy = [window(n, 60, "Busy", **counts(500), answered=500) for n in range(60)]
    assert run(Alerts(FOUR), mixed(beats(range(20)), busy)) == []


def test_a_key_without_a_known_writer_is_never_told_absent() -> None:
    for name in ("(other)", "N" * 64):
        assert writer_of(name, 4) is None
        of = [window(n, 60, name, **counts(60), answered=60) for n in range(20)]
        assert run(Alerts(FACTS), mixed(of, others(40))) == []


def test_as_many_partitions_tell_of_kpis_as_take_alerts() -> None:
    """The fold takes the number of writers from its outputs; `sbiscope schema` refuses topics of any other size."""
    assert {declared()[topic].partitions for topic in (DELTAS, ALERTS, ALERTS_JSON)} == {0}


def test_states_of_the_release_before_are_taken() -> None:
    fold = Alerts(FACTS)
    run(fold, mixed(beats(range(5)), others(5), [window(0, **counts(100, unanswered=50))]))
    form, numbers, counted, keys, shown, _ = msgspec.msgpack.decode(fold.dump())
    keys = [(name, [*key[:3], {rule: watch[:9] for rule, watch in key[3].items()}]) for name, key in keys]
    del counted["kpis_ahead"]
    later = Alerts(FACTS)
    later.load(msgspec.msgpack.encode([form, numbers, counted, keys, [*shown, (("lab", "n9", 300), [7])]]))
    assert told(run(later, others(7, first=5)), "heartbeats_absent") == [("critical", 7)]
    assert later.counts["kpis_ahead"] == 0
