"""What a worker writes to its log: one line each, and what repeats is held back and counted."""

import logging

import pytest

from streams.runtime import lines
from streams.runtime.lines import OneLine, Repeats


class Clock:
    """Seconds as `time` tells them here."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    strftime = staticmethod(lambda *_: "2026-11-28T12:00:00Z")
    gmtime = staticmethod(lambda _: None)


class Log:
    """A handler's filter and form."""

    def __init__(self) -> None:
        self.repeats = Repeats()

    def write(self, name: str, text: str, *said: object) -> str | None:
        record = logging.LogRecord(name, logging.WARNING, "", 0, text, said, None)
        return OneLine().format(record) if self.repeats.filter(record) else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(lines, "time", one)
    return one


def test_what_repeats_is_written_twice_a_minute_and_counted(clock: Clock) -> None:
    log, away = Log(), ("aiokafka", "Unable to connect to %s:%s")
    begin = "2026-11-28T12:00:00Z warning aiokafka: Unable to connect to"
    assert log.write(*away, "kafka", 1) == f"{begin} kafka:1"
    for second in range(29):
        clock.now = second
        assert log.write(*away, "kafka", second) is None
    clock.now = 31.0
    assert log.write(*away, "kafka", 7) == f"{begin} kafka:7 (29 like it held back)"
    clock.now = 62.0
    assert log.write(*away, "kafka", 8) == f"{begin} kafka:8"


def test_different_lines_of_ours_are_no_repeats(clock: Clock) -> None:
    log, stopped = Log(), ("sbiscope", "%s: %s")
    begin = "2026-11-28T12:00:00Z warning sbiscope:"
    assert log.write(*stopped, "sink-kpis", "no such column") == f"{begin} sink-kpis: no such column"
    assert log.write(*stopped, "sink-flows", "no such column") == f"{begin} sink-flows: no such column"
    clock.now = 1.0
    assert log.write(*stopped, "sink-kpis", "no such column") is None


def test_a_flood_of_different_lines_takes_no_memory(clock: Clock) -> None:
    log = Log()
    for number in range(5_000):
        clock.now = number / 1_000
        assert log.write("sbiscope", "line %s", number)
    assert len(log.repeats._seen) <= 1_001


def test_captured_octets_begin_no_line(clock: Clock) -> None:
    line = Log().write("sbiscope", "%s", "a\nb\x1b[31m\u2028c")
    assert line == "2026-11-28T12:00:00Z warning sbiscope: a b [31m c"
