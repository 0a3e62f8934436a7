"""A key that falls silent: its next minutes are told as nothing, and it is told absent though nothing else is there."""

import io
from typing import Any

import fastavro
import pytest

from schemas.config import Streams
from schemas.fields import document
from streams.alert_rules import is_quiet, rules
from streams.alert_watch import SLACK
from streams.alerts import ALERTS, Alerts
from streams.fold import Facts, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_quiet import HEARD, MINUTE_S, TOLD
from streams.kpi_windows import KPIS, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from tests.events import batch, request, response
from tests.kpis import KPI, Row, read
from tests.test_alerts import ALERT, told

MINUTE_US = 60_000_000
T0 = 1_795_302_000_000_000 // MINUTE_US * MINUTE_US
PARTITIONS = 4
EVENTS, DELTA, KPI_SCHEMA = document("sbi_event_batch"), document("kpi_delta_batch"), document("kpi")
BEATS = {"operation": "Nnrf_NFManagement_NFUpdate", "consumer_nf": "UDM", "producer_nf": "NRF"}


class Core:
    """One node's collector and all folds behind it; time in minutes from T0."""

    def __init__(self) -> None:
        self.pairing = Pairing(Facts(0, {TRANSACTIONS: PARTITIONS, DELTAS: PARTITIONS}), Streams())
        self.windows = [KpiWindows(Facts(one, {KPIS: PARTITIONS}), Streams()) for one in range(PARTITIONS)]
        self.alerts = [Alerts(Facts(one, {ALERTS: PARTITIONS})) for one in range(PARTITIONS)]
        self.kpis: list[Row] = []
        self.raised: list[Row] = []
        self.sequence = 0

    def minute(self, number: int, *streams: int, **said: Any) -> None:
        """Let a minute pass with some exchanges in it."""
        begin_us = T0 + number * MINUTE_US
        about = BEATS | {name: value for name, value in said.items() if name != "loss"}
        events = []
        for stream in streams:
            events += [request(stream, begin_us + stream, **about), response(stream, begin_us + stream + 900)]
        self.sequence += 1
        lost = {"loss": said["loss"]} if "loss" in said else {}
        over_us = begin_us + MINUTE_US
        self.give(number + 1, batch(self.sequence, events, over_us, clock_us=over_us, **lost))

    def give(self, number: float, body: bytes) -> None:
        """Let a message run through all folds, and a tick behind it."""
        append_ms = int(T0 + number * MINUTE_US) // 1_000
        for after_ms, octets in ((0, body), (1_500, b"")):
            for rows in self.pairing.apply(append_ms + after_ms, EVENTS if octets else None, octets):
                if rows.topic == DELTAS:
                    message = batch_body(0, rows.first_number, rows.records)
                    self._window(rows.partition, append_ms + after_ms, message)

    def _window(self, partition: int, append_ms: int, message: bytes) -> None:
        for rows in self.windows[partition].apply(append_ms, DELTA, message):
            for record in rows.records:
                self.kpis.append(read(KPI, record))
                for alerts in self.alerts[rows.partition].apply(append_ms, KPI_SCHEMA, record):
                    self.raised += [fastavro.schemaless_reader(io.BytesIO(one), ALERT, None) for one in alerts.records]

    def restart(self) -> None:
        """Let other workers take over all that there is."""
        for folds in (self.windows, self.alerts):
            for fold in folds:
                state = fold.dump()
                fold.__init__(fold.facts, *([fold.rules] if isinstance(fold, KpiWindows) else []))  # type: ignore[misc]
                fold.load(state)
                assert fold.dump() == state

    def quiet(self) -> list[int]:
        """Return the minutes that were told with nothing in them."""
        mine = [one for one in self.kpis if one["window_s"] == MINUTE_S and is_quiet(one)]
        assert all(one["requests"] == 0 and one["completeness"] == 1 for one in mine)
        return [(one["window_start_us"] - T0) // MINUTE_US for one in mine]


def with_minutes(many: int) -> Core:
    """Return a core in which an NF told its heartbeat for some minutes."""
    core = Core()
    for number in range(many):
        core.minute(number, 2 * number + 1)
    return core


def test_an_nf_that_is_alone_and_falls_silent_is_told_absent() -> None:
    core = with_minutes(5)
    for number in range(5, 15):
        core.minute(number)
        if number == 7:
            core.restart()
    assert core.quiet() == list(range(5, 5 + TOLD))
    assert told(core.raised, "heartbeats_absent", T0) == [("critical", 7)]
    core.minute(15, 101)
    core.minute(16)
    assert told(core.raised, "heartbeats_absent", T0) == [("critical", 7), ("cleared", 15)]


def test_a_minute_of_nothing_is_told_of_the_same_end() -> None:
    core = Core()
    for number in range(6):
        core.minute(number, *([2 * number + 1] if number < 4 else []), vantage="server")
    last = core.kpis[-1]
    assert (last["window_s"], last["requests"], last["vantage"], last["version"]) == (60, 0, "server", 1)
    assert (last["kpi_id"], last["node"]) == (core.kpis[-2]["kpi_id"], "n1")


def test_what_comes_late_corrects_a_minute_of_nothing() -> None:
    core = with_minutes(4)
    core.minute(4)
    core.minute(5, 91)
    late = [request(93, T0 + 4 * MINUTE_US + 9, **BEATS), response(93, T0 + 4 * MINUTE_US + 99)]
    core.give(7, batch(7, late, T0 + 6 * MINUTE_US))
    of_it = [one for one in core.kpis if one["window_s"] == 60 and one["window_start_us"] == T0 + 4 * MINUTE_US]
    assert [(one["version"], one["requests"]) for one in of_it] == [(1, 0), (2, 1)]


@pytest.mark.parametrize("minutes", [1, HEARD - 1])
def test_who_was_hardly_heard_is_not_missed(minutes: int) -> None:
    core = with_minutes(minutes)
    for number in range(minutes, minutes + 8):
        core.minute(number)
    assert core.quiet() == []


def test_a_minute_that_was_not_seen_whole_is_not_told_as_nothing() -> None:
    core = with_minutes(4)
    for number in range(4, 8):
        core.minute(number, loss={"gaps": 1 + (number >= 6)})
    assert core.quiet() == [5, 7]


def test_what_goes_to_a_proxy_is_not_missed() -> None:
    core = Core()
    for number in range(8):
        core.minute(number, *([2 * number + 1] if number < 4 else []), target_api_root="http://nrf")
    assert core.quiet() == []


def test_where_the_agent_is_gone_nothing_is_missed_until_another_tells_of_the_node() -> None:
    core = with_minutes(4)
    core.give(5, batch(5, [], T0 + 5 * MINUTE_US, final=True))
    assert core.quiet() == []
    for number in range(6, 12):
        core.give(number, batch(number - 5, [], T0 + number * MINUTE_US, incarnation="i2"))
    assert core.quiet() == [4, 6, 7, 8, 9]  # nobody saw the fifth
    assert told(core.raised, "heartbeats_absent", T0) == [("critical", 8)]


def test_an_outage_that_is_caught_up_at_once_tells_each_minute() -> None:
    core = with_minutes(4)
    core.give(30, batch(5, [], T0 + 30 * MINUTE_US))
    assert core.quiet() == list(range(4, 4 + TOLD))
    assert told(core.raised, "heartbeats_absent", T0) == [("critical", 6)]


def test_a_core_of_which_all_comes_at_once_tells_its_silence() -> None:
    core = Core()
    events = []
    for number in range(5):
        about = request(2 * number + 1, T0 + number * MINUTE_US + 5, **BEATS)
        events += [about, response(2 * number + 1, T0 + number * MINUTE_US + 9)]
    core.give(20, batch(1, [], T0))
    core.give(21, batch(2, events, T0 + 20 * MINUTE_US))
    assert core.quiet() == list(range(5, 5 + TOLD))
    assert told(core.raised, "heartbeats_absent", T0) == [("critical", 7)]


def test_the_minutes_told_are_those_that_the_rules_of_absence_need() -> None:
    absence = [one for one in rules() if one.absent_after]
    assert {one.window_s for one in absence} == {MINUTE_S}
    assert max(one.absent_after for one in absence) + SLACK < TOLD
    assert min(one.baseline for one in absence) >= HEARD
