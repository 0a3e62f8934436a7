"""Which five minutes are to be rolled up, and the statements that do it: see schemas/clickhouse/0050_rollups.sql.

A slot is rolled when rows were stored since it was rolled last, the newest first; the ledger rollup_slots is written
behind all inserts of a roll, so that one that broke off counts for nothing and is made again. What the roll before had
counted is marked to go only then. A slot of which earlier rows may be gone stays as it was rolled: streams/rolled.py.
What an earlier release rolled, without some of the tables, is rolled again behind what is new, a few runs at a time.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from threading import Event

from clickhouse_connect.driver.client import Client

from schemas.refusal import Refusal
from streams.clickhouse import FAILURES, rows, said
from streams.rolled import SLOT_US, incomplete
from streams.rollup_hours import HOUR_US, roll_hours

LOG = logging.getLogger("sbiscope")
EVERY_S = 60.0
OVERLAP_MS = 30_000  # a row may become visible this long after its stored_at
ROWS = 1_000_000  # rolled in one go, if more than one slot; a statement costs as much as some 100,000 rows
SLOTS = 48  # likewise
AGAIN_RUNS, HOURS = 4, 24  # rolled in a turn at most: new rows wait for no more
TABLES = ("counts", "latency", "requests", "sightings", "distinct", "instances", "loops", "causes", "loads")

VIEWS = ("FROM counts", "FROM latency", "_summed", "request_counts", *TABLES[3:])
READ = tuple(f"{name}_between(" for name in VIEWS)
BEHIND = """
SELECT count(), toString((SELECT max(rolled_at) FROM rollup_slots))
FROM transactions
WHERE stored_at > (SELECT max(rolled_at) FROM rollup_slots)
"""
SINCE_MORE = tuple(f"{name}_between(" for name in TABLES[5:])  # views of tables that earlier releases did not fill
LACKING = "SELECT toUnixTimestamp64Micro(slot_us), seen FROM slots_lacking(tables = {tables:Int64})"

# A row also counts in the slots beside its own: a minute before it may lie the consumer's hop of its request, five
# minutes behind it the request that was sent again. Rows are gathered by five seconds first, so that a month's are read
# once and cheaply. `own`: rows of the slot itself.
STORED = """
SELECT slot, toUnixTimestamp64Milli(max(at)), sumIf(many, slot = intDiv(about_us, {slot:Int64}) * {slot:Int64}) AS own
FROM
(
    SELECT
        at, many, about_us,
        arrayJoin(arrayDistinct(arrayMap(
            far_us -> intDiv(about_us + far_us, {slot:Int64}) * {slot:Int64}, [-65000000, 0, 300000000]))) AS slot
    FROM
    (
        SELECT
            intDiv(toUnixTimestamp64Micro(request_us), 5000000) * 5000000 AS about_us,
            max(stored_at) AS at, count() AS many
        FROM transactions
        WHERE stored_at >= fromUnixTimestamp64Milli({since:Int64})
        GROUP BY about_us
    )
)
GROUP BY slot
"""
ROLLED = """
SELECT toUnixTimestamp64Micro(slot_us), toUnixTimestamp64Milli(max(rolled_at)) FROM rollup_slots GROUP BY slot_us
"""
NOW = "SELECT toUnixTimestamp64Milli(now64(3))"
INSERT = """
INSERT INTO rollup_{table}
SELECT *
FROM rolling_{table}(
    start = fromUnixTimestamp64Micro({{start:Int64}}), stop = fromUnixTimestamp64Micro({{stop:Int64}}),
    rolled_at = fromUnixTimestamp64Milli({{rolled_at:Int64}}))
"""
# On a cluster: the ledger is not before the rows, and rows go where they belong.
SETTINGS = {"distributed_foreground_insert": 1, "parallel_distributed_insert_select": 0}
LEDGER = """
INSERT INTO rollup_slots
SELECT fromUnixTimestamp64Micro(arrayJoin(range({start:Int64}, {stop:Int64}, {slot:Int64}))),
    fromUnixTimestamp64Milli({rolled_at:Int64})
"""
FILLED = """
INSERT INTO rollup_cuts
SELECT fromUnixTimestamp64Micro(arrayJoin(range({start:Int64}, {stop:Int64}, {slot:Int64}))),
    fromUnixTimestamp64Milli({rolled_at:Int64}), {tables:Int64}
"""
# Said by inserting, so that the worker needs no right to delete; the rows are replaced by these, which then expire.
SUPERSEDED = """
INSERT INTO rollup_{table}
SELECT * REPLACE (fromUnixTimestamp64Milli({{rolled_at:Int64}}, 'UTC') AS rolled_at, true AS superseded)
FROM
(
    SELECT *
    FROM rollup_{table} FINAL
    WHERE slot_us >= fromUnixTimestamp64Micro({{start:Int64}}) AND slot_us < fromUnixTimestamp64Micro({{stop:Int64}})
        AND rolled_at < fromUnixTimestamp64Milli({{rolled_at:Int64}}) AND NOT superseded
)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Slots after each other, from `start_us` to before `stop_us`, and how many rows were stored in them."""

    start_us: int
    stop_us: int
    rows: int

    @property
    def slots(self) -> range:
        """Begins of its slots."""
        return range(self.start_us, self.stop_us, SLOT_US)


@dataclass(slots=True)
class Rolling:
    """Rolls what is due, call after call.

    `since_ms`: what was stored before is known to be rolled (server's clock). `left_out`: slots that are not rolled
    again, since earlier rows of them may be gone, and when the last late row was stored (ms). `stay`: those of an
    earlier release that are not rolled again for the same reason.
    """

    client: Client
    since_ms: int = 0
    left_out: dict[int, int] = field(default_factory=dict)
    stay: set[int] = field(default_factory=set)

    def roll(self) -> Iterator[Run]:
        """Roll what is due and yield it piece by piece; raises what the client raises."""
        ((now_ms,),) = rows(self.client, NOW)
        for run in self.due():
            roll(self.client, run)
            yield run
        self.since_ms = max(0, now_ms - OVERLAP_MS)
        for run in self.lacking():
            roll(self.client, run)
            yield run
        for hour in islice(roll_hours(self.client, inserted), HOURS):
            yield Run(hour, hour + HOUR_US, 0)

    def due(self) -> list[Run]:
        """Return the slots that hold rows younger than their last roll and can be rolled, the newest first."""
        stored = rows(self.client, STORED, {"slot": SLOT_US, "since": self.since_ms})
        rolled = dict(rows(self.client, ROLLED))
        late = {slot: at_ms for slot, at_ms, _ in stored if at_ms + OVERLAP_MS > rolled.get(slot, 0)}
        due = {slot: own for slot, _, own in stored if slot in late if own or slot in rolled}
        again = runs({slot: own for slot, own in due.items() if slot in rolled})
        kept = {slot for run in again for slot in incomplete(self.client, run.slots)}
        self._leave_out({slot: late[slot] for slot in kept if due[slot]})
        return runs({slot: own for slot, own in due.items() if slot not in kept})

    def lacking(self) -> list[Run]:
        """Return slots that were rolled without some of TABLES and can be rolled again: a turn's, the newest first."""
        found = dict(rows(self.client, LACKING, {"tables": len(TABLES)}))
        turn = runs({slot: seen for slot, seen in found.items() if slot not in self.stay})[:AGAIN_RUNS]
        self.stay |= {slot for run in turn for slot in incomplete(self.client, run.slots)}
        return runs({slot: found[slot] for run in turn for slot in run.slots if slot not in self.stay})

    def _leave_out(self, late: dict[int, int]) -> None:
        """Say it once for each row: those of the overlap come twice."""
        told = {slot: at_ms for slot, at_ms in late.items() if at_ms > self.left_out.get(slot, 0)}
        self.left_out |= told
        if told:
            LOG.warning(
                "late rows are not in the rollups of %s slots of five minutes: earlier rows of these may be gone",
                len(told),
            )


def runs(slots: dict[int, int]) -> list[Run]:
    """Return slots (begin → rows) as runs of neighbours, of at most ROWS rows and SLOTS slots, the newest first."""
    found: list[Run] = []
    for slot in sorted(slots, reverse=True):
        last = found[-1] if found else Run(0, 0, 0)
        many = last.rows + slots[slot]
        if last.start_us == slot + SLOT_US and many <= ROWS and last.stop_us - slot <= SLOTS * SLOT_US:
            found[-1] = Run(slot, last.stop_us, many)
        else:
            found.append(Run(slot, slot + SLOT_US, slots[slot]))
    return found


def roll(client: Client, run: Run) -> None:
    """Roll slots anew."""
    period = {"start": run.start_us, "stop": run.stop_us, "slot": SLOT_US, "tables": len(TABLES)}
    inserted(client, TABLES, period, FILLED, LEDGER)


def inserted(client: Client, tables: tuple[str, ...], period: dict[str, int], *ledgers: str) -> None:
    """Insert a roll of `period` into each of `tables`, then into `ledgers`; then mark what it replaces."""
    ((rolled_at,),) = rows(client, NOW)
    places = period | {"rolled_at": rolled_at}
    for table in tables:
        client.command(INSERT.format(table=table), parameters=places, settings=SETTINGS)
    for ledger in ledgers:
        client.command(ledger, parameters=places, settings=SETTINGS)
    for table in tables:
        client.command(SUPERSEDED.format(table=table), parameters=places, settings=SETTINGS)


def keep_rolling(connect: Callable[[], Client], ended: Event) -> None:
    """Roll what is due each minute until `ended`; a server that is away is tried again, and said once."""
    rolling, failed = None, False
    while not ended.wait(EVERY_S):
        try:
            rolling = rolling or Rolling(connect())
            for _ in rolling.roll():
                if ended.is_set():
                    return
            failed = False
        except (*FAILURES, Refusal) as error:
            if not failed:
                LOG.warning("the rollups wait: %s", said(error) if not isinstance(error, Refusal) else error)
            failed = True
