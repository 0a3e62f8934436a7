"""Which five minutes are to be rolled up, and the statements that do it: see schemas/clickhouse/0050_rollups.sql.

A slot is rolled when rows were stored since it was rolled last, the newest first; the ledger rollup_slots is written
behind all inserts of a roll, so that one that broke off counts for nothing and is made again. What the roll before had
counted is marked to go only then. A slot of which earlier rows may be gone stays as it was rolled: streams/rolled.py.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event

from clickhouse_connect.driver.client import Client

from schemas.refusal import Refusal
from streams.clickhouse import FAILURES, rows, said
from streams.rolled import SLOT_US, incomplete
from streams.rollup_hours import roll_hours

LOG = logging.getLogger("sbiscope")
EVERY_S = 60.0
OVERLAP_MS = 30_000  # a row may become visible this long after its stored_at
ROWS = 1_000_000  # rolled in one go, if more than one slot; a statement costs as much as some 100,000 rows
SLOTS = 48  # likewise
TABLES = ("counts", "latency", "requests", "sightings", "distinct", "instances", "loops")

VIEWS = ("FROM counts", "FROM latency", "_summed", "request_counts", "sightings", "distinct", "instances", "loops")
READ = tuple(f"{name}_between(" for name in VIEWS)
BEHIND = """
SELECT count(), toString((SELECT max(rolled_at) FROM rollup_slots))
FROM transactions
WHERE stored_at > (SELECT max(rolled_at) FROM rollup_slots)
"""

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
CUTS_SINCE = 101  # the migration before which rolls had not all TABLES: they are made again, where all rows are kept
BEGUN = "SELECT toUnixTimestamp64Milli(max(applied_at)) FROM migrations WHERE number = {number:Int64}"
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
    again, since earlier rows of them may be gone, and when the last late row was stored (ms).
    """

    client: Client
    since_ms: int = 0
    left_out: dict[int, int] = field(default_factory=dict)

    def roll(self) -> Iterator[Run]:
        """Roll what is due and yield it piece by piece; raises what the client raises."""
        ((now_ms,),) = rows(self.client, NOW)
        for run in self.due():
            roll(self.client, run)
            yield run
        for _ in roll_hours(self.client, inserted):
            pass
        self.since_ms = max(0, now_ms - OVERLAP_MS)

    def due(self) -> list[Run]:
        """Return the slots that hold rows younger than their last roll and can be rolled, the newest first."""
        stored = rows(self.client, STORED, {"slot": SLOT_US, "since": self.since_ms})
        rolled, ((begun_ms,),) = dict(rows(self.client, ROLLED)), rows(self.client, BEGUN, {"number": CUTS_SINCE})
        late = {slot: at_ms for slot, at_ms, _ in stored if at_ms + OVERLAP_MS > rolled.get(slot, 0)}
        early = {slot for slot, at_ms in rolled.items() if at_ms < begun_ms}
        due = {slot: own for slot, _, own in stored if slot in late or slot in early if own or slot in rolled}
        again = runs({slot: own for slot, own in due.items() if slot in rolled})
        kept = {slot for run in again for slot in incomplete(self.client, run.slots)}
        self._leave_out({slot: late[slot] for slot in kept & late.keys() if due[slot]})
        return runs({slot: own for slot, own in due.items() if slot not in kept})

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
    inserted(client, TABLES, {"start": run.start_us, "stop": run.stop_us, "slot": SLOT_US}, LEDGER)


def inserted(client: Client, tables: tuple[str, ...], period: dict[str, int], ledger: str) -> None:
    """Insert a roll of `period` into each of `tables`, then into the ledger; then mark what it replaces."""
    ((rolled_at,),) = rows(client, NOW)
    places = period | {"rolled_at": rolled_at}
    for table in tables:
        client.command(INSERT.format(table=table), parameters=places, settings=SETTINGS)
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
