"""What stages that follow others must have told: the log of their input, folded once more without any disturbance.

What must be there already is told by places, not by a clock: a stage commits behind what it wrote, a sink behind its
insert, and both may be stopped at any place. So what a stage has committed must be in its topic, and what its sink has
committed of that topic must be in ClickHouse; what lies behind may be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.fields import document
from schemas.framing import Unframed, unframe
from schemas.plain import without_logical_types
from streams.alerts import ALERTS, Alerts
from streams.fold import Facts, Fold
from streams.kpi_windows import KPIS
from streams.pairing import TRANSACTIONS
from streams.procedures import PROCEDURES, Procedures
from streams.reframe import Malformed
from tests.chaos.lag import Ask, Ends
from tests.kpis import read
from tests.reading import log

Row = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Follower:
    """A stage that follows: what it reads and writes, and what fixes a row of it."""

    stage: str
    reads: str
    read_schema: str
    writes: str
    written_schema: str
    fold: Callable[[Facts], Fold]
    view: str
    key: tuple[str, ...]


FOLLOWERS = (
    Follower("alerts", KPIS, "kpi", ALERTS, "alert", Alerts, "alert_changes", ("alarm_id", "version")),
    Follower(
        "procedures", TRANSACTIONS, "sbi_transaction_batch",
        PROCEDURES, "procedure", Procedures, "procedures_once", ("procedure_id",),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Committed:
    """How far a follower had come with its input, and its sink with what it wrote, at one moment."""

    read: Ends
    stored: Ends


def committed(ask: Ask, one: Follower) -> Committed:
    """Ask for both; what they say is behind what is read from the topics and from ClickHouse afterwards."""
    return Committed(ask(one.stage, one.reads)[1], ask(f"sink-{one.stage}", one.writes)[1])


def compare(bootstrap: str, partitions: int, one: Follower, come: Committed, stored: list[Row]) -> int:
    """Raise AssertionError where rows are missing, doubled or wrong; return how many there are.

    `stored`: what ClickHouse had after `come` was asked.
    """
    found = {_key(one, row): row for row in stored}
    assert len(found) == len(stored), f"{one.view} has rows twice"
    written = _written(bootstrap, partitions, one)
    told = _told(bootstrap, partitions, one)
    unwritten = {key for key, (_, place) in told.items() if _is_behind(place, come.read)} - written.keys()
    assert not unwritten, (one.writes, len(unwritten), len(written), len(told))
    missing = {key for key, place in written.items() if _is_behind(place, come.stored)} - found.keys()
    assert not missing, (one.view, len(missing), len(found), len(written))
    wrong = [(row, told.get(key)) for key, row in found.items() if key not in told or row != told[key][0]]
    assert not wrong, (one.view, len(wrong), wrong[0])
    return len(found)


Place = tuple[int, int]  # partition, offset


def _is_behind(place: Place, come: Ends) -> bool:
    partition, offset = place
    return offset < come[partition]


def _key(one: Follower, row: Row) -> Key:
    return tuple(row[name] for name in one.key)


def _written(bootstrap: str, partitions: int, one: Follower) -> dict[Key, Place]:
    """Return what a follower's topic holds, and where it stands first."""
    record = fastavro.parse_schema(without_logical_types(document(one.written_schema)))
    places: dict[Key, Place] = {}
    for message in log(bootstrap, one.writes, partitions):
        try:
            row = read(record, unframe(message.value)[1])
        except (Unframed, EOFError, IndexError, StopIteration):
            continue  # planted
        places.setdefault(_key(one, row), (message.partition, message.offset))
    return places


def _told(bootstrap: str, partitions: int, one: Follower) -> dict[Key, tuple[Row, Place]]:
    """Fold the log of a follower's input anew, partition by partition, ticks too; return what each row came from."""
    schema = document(one.read_schema)
    record = fastavro.parse_schema(without_logical_types(document(one.written_schema)))
    rows: dict[Key, tuple[Row, Place]] = {}
    folds = {number: one.fold(Facts(number, {one.writes: partitions})) for number in range(partitions)}
    for message in log(bootstrap, one.reads, partitions):
        try:
            body = unframe(message.value)[1] if message.value else b""
            out = folds[message.partition].apply(message.append_ms, schema if body else None, body)
        except (Unframed, Malformed):
            continue  # planted
        for octets in (octets for told in out for octets in told.records):
            row = read(record, octets)
            rows[_key(one, row)] = row, (message.partition, message.offset)
    return rows
