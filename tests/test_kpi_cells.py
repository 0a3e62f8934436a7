"""streams/kpi_cells.py: when a key of a window is told to the KPI stage, and that it is told whole."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.config import Streams
from streams.fold import Facts, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_delta import DeltaReader
from streams.pairing import TRANSACTIONS, Pairing
from tests.events import batch, request, response
from tests.kpis import DELTAS as SCHEMA
from tests.kpis import EVENTS

S = 1_000_000
T0 = 1_795_302_000 * S  # a window begins
FACTS = Facts(0, {TRANSACTIONS: 1, DELTAS: 1})
Told = tuple[float, int, int]  # second of append time, second its window begins at, requests

pytestmark = pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "killed after each message"])


class Collector:
    """One collector behind a pairing fold; times in seconds from T0."""

    def __init__(self, killed: bool) -> None:
        self.fold = Pairing(FACTS, Streams())
        self.killed = killed
        self.streams = self.sequence = 0

    def append(
        self,
        *requests: float,
        upto: float,
        answered: bool = True,
        operations: tuple[str, ...] = ("Nudm_SDM_Get",),
        **said: Any,
    ) -> list[Told]:
        """Write exchanges begun at these times, and the promise `upto`; return what was told at that."""
        events = [event for at in requests for name in operations for event in self._exchange(at, name, answered)]
        self.sequence += 1
        return self._give(upto, batch(self.sequence, events, T0 + round(upto * S), **said))

    def answer(self, stream: int, at: float) -> list[Told]:
        self.sequence += 1
        body = batch(self.sequence, [response(stream, T0 + round(at * S))], T0 + round(at * S))
        return self._give(at, body)

    def tick(self, at: float) -> list[Told]:
        return self._give(at, b"")

    def _exchange(self, at: float, operation: str, answered: bool) -> Iterator[Any]:
        self.streams += 2
        at_us = T0 + round(at * S)
        yield request(self.streams - 1, at_us, operation=operation)
        if answered:
            yield response(self.streams - 1, at_us)

    def _give(self, at: float, body: bytes) -> list[Told]:
        if self.killed:
            state = self.fold.dump()
            self.fold = Pairing(FACTS, Streams())
            self.fold.load(state)
            assert self.fold.dump() == state
        out = self.fold.apply(T0 // 1_000 + round(at * 1_000), EVENTS if body else None, body)
        return [told for rows in out if rows.topic == DELTAS for told in _told(at, rows)]


def _told(at: float, rows: Any) -> Iterator[Told]:
    read = DeltaReader().read(SCHEMA, batch_body(0, rows.first_number, rows.records))
    for delta in read.deltas:
        for cell in delta.cells:
            yield at, (cell.window_start_us - T0) // S, cell.counts.requests


def ten_seconds(collector: Collector) -> list[Told]:
    """Return what is told while seven exchanges begin in each of eleven seconds."""
    told: list[Told] = []
    for second in range(11):
        told += collector.append(*(second + place / 7 for place in range(7)), upto=second + 1)
    return told + collector.tick(12)


def test_a_key_is_told_when_it_is_met_and_when_its_window_is_over(killed: bool) -> None:
    assert ten_seconds(Collector(killed)) == [(2, 0, 7), (11, 0, 63), (12, 10, 7)]


def test_beyond_the_bound_all_are_told_each_second(killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kpi_cells.MAX_HELD", 0)
    told = ten_seconds(Collector(killed))
    assert told == [*((second, 0, 7) for second in range(2, 12)), (12, 10, 7)]


def test_keys_that_are_taken_for_each_other_do_not_wait_without_bound(
    killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kpi_cells.MAX_HELD", 11)
    monkeypatch.setattr("streams.kpi_cells.crc32", lambda key: 7)
    collector, told = Collector(killed), []
    for second in range(5):
        names = tuple(f"N{second}_{number}" for number in range(5))
        told += collector.append(second, second + 0.5, upto=second + 1, operations=names)
    assert told == [(2, 0, 2), *14 * [(4, 0, 2)], (5, 0, 2)]


def test_what_comes_behind_the_end_of_its_window_is_told_at_once(killed: bool) -> None:
    collector = Collector(killed)
    told = collector.append(1, 2, upto=3, answered=False) + collector.tick(4.1)
    assert told == []  # neither answered nor given up
    assert collector.append(upto=13) + collector.tick(14.1) == [(14.1, 0, 2)]
    corrected = collector.answer(1, 15) + collector.tick(16.1)
    assert corrected == [(16.1, 0, 0), (16.1, 10, 0)]  # one taken back and one counted; and where it was answered


def test_what_waits_is_told_when_the_collector_ends(killed: bool) -> None:
    collector = Collector(killed)
    assert collector.append(0.5, upto=1) + collector.append(1.5, upto=2) == [(2, 0, 1)]
    assert collector.append(2.5, upto=3, final=True) == []
    assert collector.tick(4.1) == [(4.1, 0, 2)]
