"""No silence is told of what goes on elsewhere: at another node, seen from the other end, or under another name."""

from typing import Any

import pytest

from streams.kpi_quiet import MINUTE_S, TOLD
from tests.events import batch, request, response
from tests.kpis import Row
from tests.test_alerts import told
from tests.test_quiet import BEATS, MINUTE_US, T0, Core

INSTANCE = "5b2f6a52-0000-4000-8000-000000000001"
S = 1_000_000


class Site(Core):
    """Nodes with a collector each; all of them tell of all time."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[tuple[str, str], int] = {}

    def upto(
        self, over_s: float, node: str, *beats_s: float, incarnation: str = "i1", ahead_s: float = 0, **said: Any
    ) -> None:
        """Let a collector whose clock may be ahead tell of its time until `over_s` from T0, with heartbeats in it."""
        events = []
        for when_s in beats_s:
            at_us, about = T0 + int(when_s * S), BEATS | {"connection": f"c{node}", **said}
            stream = int(when_s) * 2 + 1
            ends = {one: about[one] for one in about.keys() & {"connection", "vantage"}}
            about["exchange_key"] = ends["exchange_key"] = f"k{when_s}"
            events += [request(stream, at_us + 5, **about), response(stream, at_us + 900, **ends)]
        sequence = self.told[node, incarnation] = self.told.get((node, incarnation), 0) + 1
        self.give(
            (over_s - ahead_s) / 60, batch(sequence, events, T0 + int(over_s * S), node=node, incarnation=incarnation)
        )

    def ends(self, server_from_s: int, until_s: int, first: str) -> None:
        """Let beats come all 5 s, seen at A by the client and, from some time on, at B by the server."""
        for over_s in range(5, until_s + 1, 5):
            for node in sorted("AB", key=lambda one: one != first):
                if node == "A" or over_s > server_from_s:
                    vantage = "client" if node == "A" else "server"
                    self.upto(over_s + (node != first), node, over_s - 3, vantage=vantage)

    def asked(self, node: str) -> list[tuple[int, int]]:
        """Return what the last rows of a node's minutes say: (minute, requests)."""
        mine = [one for one in self.kpis if one["window_s"] == MINUTE_S and one["node"] == node]
        last = {(one["window_start_us"] - T0) // MINUTE_US: one["requests"] for one in mine}
        return sorted(last.items())


def absent(core: Core) -> list[tuple[str, int]]:
    return told(core.raised, "heartbeats_absent", T0)


@pytest.mark.parametrize("first", ["A", "B"])
def test_where_the_other_end_gets_an_agent_nothing_fell_silent(first: str) -> None:
    site = Site()
    site.ends(server_from_s=360, until_s=900, first=first)
    assert site.asked("A")[:6] == [(minute, 12) for minute in range(6)]
    assert all(requests for _, requests in site.asked("A"))
    assert [minute for minute, _ in site.asked("B")] == list(range(6, 15))
    assert absent(site) == []


@pytest.mark.parametrize("order", ["AB", "BA"])
def test_where_a_pod_moves_its_silence_is_told_of_the_minute_of_the_move_at_most(order: str) -> None:
    site = Site()
    for number in range(14):
        for place, node in enumerate(order):
            here = (node == "A") == (number < 6)
            site.upto((number + 1) * 60 + place * 2, node, *([number * 60 + 7] if here else []), vantage="server")
    assert site.quiet() == ([6] if order == "AB" else [])
    assert absent(site) == []


def test_who_falls_silent_at_all_nodes_is_told_absent() -> None:
    site = Site()
    for number in range(14):
        for place, node in enumerate("AB"):
            beats = [number * 60 + 7 + place] if number < 6 else []
            site.upto((number + 1) * 60 + place * 2, node, *beats, vantage="server")
    assert site.quiet() == sorted([*range(6, 6 + TOLD)] * 2)
    assert absent(site) == [("critical", 8)] * 2


BEFORE: Row = {"producer_nf_instance": INSTANCE}
NAMES = [
    pytest.param({"consumer_nf": None}, {}, [], id="who asks becomes known"),
    pytest.param({}, {"consumer_nf": None}, [], id="who asks is known no more"),
    pytest.param({"producer_nf_instance": INSTANCE}, {"plmn": "00101", **BEFORE}, [], id="the network becomes known"),
    pytest.param({}, {"consumer_nf": "AMF"}, [6, 7, 8, 9, 10], id="another asks"),
    pytest.param({"plmn": "00101"}, {"plmn": "00102"}, [6, 7, 8, 9, 10], id="it is asked in another network"),
]


@pytest.mark.parametrize(("before", "after", "quiet"), NAMES)
def test_what_goes_on_under_another_name_did_not_fall_silent(before: Row, after: Row, quiet: list[int]) -> None:
    core = Core()
    for number in range(14):
        core.minute(number, 2 * number + 1, **(before if number < 6 else after))
    assert core.quiet() == quiet


def test_a_name_that_stood_beside_it_is_somebody_elses() -> None:
    site = Site()
    for number in range(14):
        if number < 6:
            site.upto(number * 60 + 30, "A", number * 60 + 7)
        site.upto((number + 1) * 60, "A", number * 60 + 40, consumer_nf=None)
    assert site.quiet() == list(range(6, 6 + TOLD))


@pytest.mark.parametrize("ahead_minutes", [5, 30, 120])
def test_a_clock_that_was_ahead_hides_no_silence(ahead_minutes: int) -> None:
    """The agent is killed, its successor's clock is right."""
    site = Site()
    for number in range(4):
        begin_s = (number + ahead_minutes) * 60
        site.upto(begin_s + 60, "A", begin_s + 7, ahead_s=ahead_minutes * 60)
    for number in range(4, 20):
        beats = [number * 60 + 7] if number < 10 else []
        site.upto((number + 1) * 60, "A", *beats, incarnation="i2", connection="again")
    assert [minute for minute in site.quiet() if minute < 20] == list(range(10, 10 + TOLD))
    assert ("critical", 12) in absent(site)
