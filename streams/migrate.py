"""Which migrations has a ClickHouse had, and how are the others applied: forward only, each once.

Starters may come together or be killed. Every statement may be run again without harm (`IF NOT EXISTS`, `OR REPLACE`),
so an interrupted migration is resumed by running it from its start, and is recorded after its last statement. A lock
with a lease keeps two starters apart; should a lease run out under a slow statement, doing it twice is harmless too.
"""

import hashlib
import re
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.refusal import Refusal
from streams.clickhouse import rows
from streams.cluster_form import LOCAL, spread

FOLDER = Path(__file__).parent.parent / "schemas" / "clickhouse"
LEASE_S = 20
TABLE_ALREADY_EXISTS = 57
UNKNOWN_TABLE = 60
DISTRIBUTED = {"distributed_foreground_insert": 1}  # on a cluster: the return of an insert is the shards' receipt
CREATED_AS = "SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = {table:String}"


@dataclass(frozen=True, slots=True)
class Form:
    """How the same migrations are written for one server (`cluster` empty) or for a cluster of replicas."""

    database: str
    cluster: str = ""

    def __post_init__(self) -> None:
        for name in filter(None, (self.database, self.cluster)):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
                raise Refusal("not a name for a ClickHouse database or cluster", name, "use letters, digits and _")

    def fill(self, text: str) -> str:
        """Return `text` with its ${places} filled in."""
        return string.Template(text).substitute(
            database=self.database,
            on_cluster=f"ON CLUSTER {self.cluster}" if self.cluster else "",
            replicated="Replicated" if self.cluster else "",
        )


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        """128-bit BLAKE2b of the file, hex."""
        return hashlib.blake2b(self.text.encode(), digest_size=16).hexdigest()

    def statements(self, form: Form) -> list[str]:
        """Return its statements; one ends with `;` at the end of a line."""
        bare = "\n".join(line for line in self.text.splitlines() if not line.startswith("--"))
        filled = [form.fill(part).strip() for part in re.split(r";[ \t]*(?:\n|$)", bare) if part.strip()]
        if not form.cluster:
            return filled
        return [statement for one in filled for statement in spread(one, form.cluster)]


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of `folder` in the order of their numbers, which may have holes."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text()))
    numbers = [one.number for one in found]
    assert numbers[0] == 1, "the ledger is the first migration"
    assert len(set(numbers)) == len(numbers), "two migrations have one number"
    return found


def migrate(client: Client, form: Form, holder: str, todo: list[Migration] | None = None) -> list[Migration]:
    """Apply what `form.database` has not had yet and return it; `holder` names this starter (host and process).

    Raises Refusal when an applied file was changed since. Migrations of a newer release that we do not know are left
    alone: an older program runs on newer tables.
    """
    todo = migrations() if todo is None else todo
    _check_form(client, form)
    for statement in todo[0].statements(form):  # the ledger itself
        client.command(statement)
    if not _missing(client, form, todo):
        return []
    with _lock(client, form, holder) as renew:
        missing = _missing(client, form, todo)
        for migration in missing:
            for statement in migration.statements(form):
                renew()
                client.command(statement)
            _record(client, form, migration, holder)
        return missing


def _check_form(client: Client, form: Form) -> None:
    """Raise Refusal where the database was made in the other form: `IF NOT EXISTS` would mix them silently."""
    sql = "SELECT engine FROM system.tables WHERE database = {database:String} AND name = 'migrations'"
    found = [engine for (engine,) in rows(client, sql, {"database": form.database})]
    if found and (found[0] == "Distributed") != bool(form.cluster):
        seen = f"{form.database}.migrations is {found[0]}, clickhouse.cluster is {form.cluster or 'empty'}"
        advice = "name another clickhouse.database and copy the rows, or set clickhouse.cluster as it was"
        raise Refusal("the tables have another form", seen, advice)


def _missing(client: Client, form: Form, todo: list[Migration]) -> list[Migration]:
    had = dict(rows(client, form.fill("SELECT number, digest FROM ${database}.migrations FINAL")))
    for migration in todo:
        if had.get(migration.number, migration.digest) != migration.digest:
            seen = f"{migration.number:04}_{migration.name}.sql in {form.database}"
            advice = "put the file back and write a new one with the next number"
            raise Refusal("a migration was changed after it was applied", seen, advice)
    return [migration for migration in todo if migration.number not in had]


def _record(client: Client, form: Form, migration: Migration, holder: str) -> None:
    client.insert(
        "migrations",
        [[migration.number, migration.name, migration.digest, holder]],
        database=form.database,
        column_names=["number", "name", "digest", "applied_by"],
        settings=DISTRIBUTED if form.cluster else None,
    )


@contextmanager
def _lock(client: Client, form: Form, holder: str) -> Iterator[Callable[[], None]]:
    """Hold the table `migrating`: only one starter can create it; its comment says until when and by whom."""
    name = form.fill("${database}.migrating ${on_cluster}").strip()
    while not _created(client, name, _lease(client, holder)):
        until = _held_until(client, form.database)
        if until is not None and until < _now(client):
            client.command(f"DROP TABLE IF EXISTS {name} SYNC")  # its holder died
        else:
            time.sleep(0.2)
    try:
        yield lambda: _renew(client, name, _lease(client, holder))
    finally:
        client.command(f"DROP TABLE IF EXISTS {name} SYNC")


def _created(client: Client, name: str, comment: str) -> bool:
    try:
        client.command(f"CREATE TABLE {name} (nothing UInt8) ENGINE = Memory COMMENT '{comment}'")
    except DatabaseError as error:
        if error.code != TABLE_ALREADY_EXISTS:
            raise
        return False
    return True


def _renew(client: Client, name: str, comment: str) -> None:
    try:
        client.command(f"ALTER TABLE {name} MODIFY COMMENT '{comment}'")
    except DatabaseError as error:
        if error.code != UNKNOWN_TABLE:  # taken over by another starter: doing it twice is harmless
            raise


def _lease(client: Client, holder: str) -> str:
    return f"{_now(client) + LEASE_S} {re.sub(r'[^A-Za-z0-9_.:-]', '_', holder)}"


def _now(client: Client) -> int:
    """Return the server's clock, which all starters share."""
    return int(rows(client, "SELECT toUnixTimestamp(now())")[0][0])


def _held_until(client: Client, database: str) -> int | None:
    sql = "SELECT comment FROM system.tables WHERE database = {database:String} AND name = 'migrating'"
    found = rows(client, sql, {"database": database})
    first = found[0][0].split(" ")[0] if found else ""
    return int(first) if first.isdigit() else None


def retain(client: Client, form: Form, wanted: dict[str, str]) -> None:
    """Let rows, or values of `table.column`, go as `wanted` says, empty = never: configuration, not schema."""
    for name, ends in wanted.items():
        stored, _, column = name.partition(".")
        table = f"{stored}{LOCAL}" if form.cluster else stored
        ((written,),) = rows(client, CREATED_AS, {"database": form.database, "table": table})
        if change := _change(written, column, ends):
            client.command(form.fill(f"ALTER TABLE ${{database}}.{table} ${{on_cluster}} {change}"))


def _change(written: str, column: str, ends: str) -> str:
    """Return what makes a table that is `written` so lose rows, or values of `column`, as wanted; empty if it does."""
    if column:
        part, what = written.partition(f"`{column}` ")[2].partition(", `")[0], f"MODIFY COLUMN {column} "
    else:
        part, what = written.rpartition(" ENGINE = ")[2].partition(" SETTINGS ")[0], ""
    if part.partition(" TTL ")[2] == ends:
        return ""
    return f"{what or 'MODIFY '}TTL {ends}" if ends else f"{what}REMOVE TTL"
