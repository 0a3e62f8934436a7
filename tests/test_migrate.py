"""streams/migrate.py and the migrations: applied once, whatever interrupts; the tables are what Avro says."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.commands import schema
from schemas.config import ClickHouse
from schemas.fields import fields_of
from schemas.refusal import Refusal
from streams import migrate as module
from streams import retention
from streams.clickhouse import Account, connect, rows
from streams.migrate import FOLDER, Form, Migration, migrate, migrations, retain
from tests import engine

ALL = migrations()
PLAIN = {"int": "Int32", "long": "Int64", "boolean": "Bool", "string": "String", "double": "Float64", "enum": "String"}
REPEATABLE = (
    "CREATE DATABASE IF NOT EXISTS",
    "CREATE TABLE IF NOT EXISTS",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS",
    "CREATE OR REPLACE VIEW",
    "ALTER TABLE",
    "INSERT INTO",  # only into a table in which a row replaces its like
)
SELF_REPEATING = {"subscriber_times", "nf_messages", "broken_procedures"}


def ledger(account: Account) -> list[int]:
    client = connect(account)
    return [number for (number,) in rows(client, "SELECT number FROM migrations ORDER BY number")]  # no FINAL


def hold(client: Client, account: Account, comment: str) -> None:
    name = engine.form(account).fill("${database}.migrating ${on_cluster}")
    client.command(f"CREATE TABLE {name} (nothing UInt8) ENGINE = Memory COMMENT '{comment}'")


@pytest.mark.parametrize("migration", ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("form", [Form("sbiscope"), Form("sbiscope", "core")], ids=["one server", "cluster"])
def test_every_statement_may_run_again(migration: Migration, form: Form) -> None:
    for statement in migration.statements(form):
        assert statement.startswith(REPEATABLE)
        if statement.startswith("ALTER TABLE"):
            guarded = sum(statement.count(f"ADD {what} IF NOT EXISTS") for what in ("COLUMN", "INDEX"))
            assert "MODIFY QUERY" in statement or guarded == statement.count("ADD ")
        assert "$" not in statement
        if statement.startswith("INSERT INTO"):
            assert statement.split()[2].removeprefix("sbiscope.") in SELF_REPEATING
            continue
        assert statement.count("ON CLUSTER core") == (1 if form.cluster else 0)
        assert ("ReplicatedReplacing" in statement) == ("ReplacingMergeTree" in statement and bool(form.cluster))


@pytest.mark.parametrize("name", ["a b", "x; DROP TABLE y", "1a", "ä", "a" * 65])
def test_a_database_name_is_a_name(name: str) -> None:
    with pytest.raises(Refusal, match="not a name"):
        Form(name)


@pytest.mark.stack
def test_each_is_applied_once() -> None:
    account = engine.empty()
    client = connect(account, "default")
    assert migrate(client, engine.form(account), "first") == ALL
    assert migrate(client, engine.form(account), "second") == []
    assert ledger(account) == [one.number for one in ALL]


@pytest.mark.stack
def test_concurrent_starters_apply_each_once() -> None:
    account = engine.empty()
    done: list[int] = []

    def start(number: int) -> None:
        applied = migrate(connect(account, "default"), engine.form(account), f"starter-{number}")
        done.extend(one.number for one in applied)

    starters = [threading.Thread(target=start, args=[number]) for number in range(7)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert sorted(done) == [one.number for one in ALL]
    assert ledger(account) == [one.number for one in ALL]


@pytest.mark.stack
@pytest.mark.parametrize("applied", [1, 2, 4, 7])
def test_one_interrupted_at_any_statement_is_finished_by_the_next(applied: int) -> None:
    account = engine.empty()
    client, form = connect(account, "default"), engine.form(account)
    statements = [statement for one in ALL for statement in one.statements(form)]
    for statement in statements[:applied]:  # a killed starter left statements done, nothing recorded, its lock held
        client.command(statement)
    hold(client, account, "1 dead:1")
    assert migrate(client, form, "next") == ALL
    assert rows(client, f"EXISTS TABLE {account.database}.migrating") == [(0,)]


@pytest.mark.stack
def test_a_living_starter_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    account = engine.empty()
    client, form = connect(account, "default"), engine.form(account)
    for statement in ALL[0].statements(form):
        client.command(statement)
    hold(client, account, "4000000000 alive:1")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            client.command(form.fill("DROP TABLE ${database}.migrating ${on_cluster} SYNC"))

    monkeypatch.setattr(module.time, "sleep", wait)
    assert migrate(client, form, "second") == ALL
    assert len(waits) == 3


@pytest.mark.stack
def test_a_changed_file_is_refused_and_a_newer_one_left_alone() -> None:
    account = engine.empty()
    client, form = connect(account, "default"), engine.form(account)
    migrate(client, form, "first")
    changed = [*ALL[:-1], Migration(ALL[-1].number, ALL[-1].name, ALL[-1].text + "-- changed\n")]
    with pytest.raises(Refusal, match="changed after it was applied"):
        migrate(client, form, "second", changed)
    assert migrate(client, form, "older release", ALL[:-1]) == []


WEEK, MONTH, YEAR = (f"toDateTime({{}}) + toIntervalDay({days})" for days in (7, 30, 365))
GONE = "toDateTime(rolled_at) + toIntervalDay(1) WHERE superseded"
LINES = "WHERE cut = 'connection'"


@pytest.mark.parametrize(
    ("days", "table", "ends"),
    [
        ((7, 365), "transactions", WEEK.format("stored_at")),
        ((7, 365), "subscriber_times", WEEK.format("stored_at")),
        ((7, 365), "rollup_slots", YEAR.format("rolled_at")),
        ((7, 365), "rollup_latency", f"{GONE}, {YEAR.format('rolled_at')}"),
        ((7, 365), "rollup_counts", f"{GONE}, {WEEK.format('kept_from')} {LINES}, {YEAR.format('rolled_at')}"),
        ((30, 7), "rollup_slots", MONTH.format("rolled_at")),  # else they would be made again, of what is there
        ((30, 7), "rollup_distinct", f"{GONE}, {MONTH.format('rolled_at')}"),
        ((0, 7), "subscriber_times", ""),
        ((0, 7), "rollup_counts", GONE),
        ((0, 7), "rollup_slots", ""),
        ((7, 0), "rollup_counts", f"{GONE}, {WEEK.format('kept_from')} {LINES}"),
        ((7, 0), "rollup_slots", ""),
        ((7, 365), "rollup_counts.example", WEEK.format("kept_from")),
        ((0, 7), "rollup_counts.example", ""),
    ],
)
def test_rows_go(days: tuple[int, int], table: str, ends: str) -> None:
    kept = ClickHouse(transactions_days=days[0], rollups_days=days[1])
    assert retention.ends(kept)[table] == ends


@pytest.mark.stack
def test_every_stored_table_but_the_ledger_has_an_end_and_takes_it_once() -> None:
    account, client = engine.migrated()
    stored = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' {}"
    changes = "SELECT count() FROM system.mutations WHERE database = currentDatabase()"
    retain(client, engine.form(account), retention.ends(ClickHouse()))
    endless = rows(client, stored.format("AND create_table_query NOT LIKE '% TTL %'"))
    assert endless == [(engine.stored("migrations"),)]
    assert {name for (name,) in rows(client, stored.format(""))} == {
        engine.stored(name) for name in {*retention.ends(ClickHouse()), "migrations"} if "." not in name
    }
    before = rows(client, changes)
    retain(client, engine.form(account), retention.ends(ClickHouse()))
    assert rows(client, changes) == before


@pytest.mark.stack
@pytest.mark.parametrize("table", ["subscriber_times", "rollup_counts"])
def test_old_rows_do_go(table: str) -> None:
    account, client = engine.migrated()
    retain(client, engine.form(account), retention.ends(ClickHouse(transactions_days=7, rollups_days=7)))
    column = "stored_at" if table == "subscriber_times" else "rolled_at"
    for days in (8, 6):
        client.command(f"INSERT INTO {table} ({column}) SELECT now64(3) - toIntervalDay({days})")
    engine.merge(client, table)
    assert rows(client, f"SELECT count(), dateDiff('day', min({column}), now64(3)) FROM {table}") == [(1, 6)]


@pytest.mark.stack
def test_an_example_path_goes_before_its_count() -> None:
    account, client = engine.migrated()
    kept = ClickHouse(transactions_days=7)
    retain(client, engine.form(account), retention.ends(kept))
    for days, path in ((8, "/a"), (6, "/b")):
        said = f"now64(3) - toIntervalDay({days}), {days}, {days}, '{path}'"
        client.command(f"INSERT INTO rollup_counts (rolled_at, roll, exchanges, example) SELECT {said}")
    engine.merge(client, "rollup_counts")
    assert rows(client, "SELECT exchanges, example FROM rollup_counts ORDER BY 1") == [(6, "/b"), (8, None)]
    retain(client, engine.form(account), retention.ends(replace(kept, transactions_days=0)))
    named = {"database": account.database, "table": engine.stored("rollup_counts")}
    assert "CODEC(ZSTD(1)) TTL" not in str(rows(client, module.CREATED_AS, named))


@pytest.mark.stack
@pytest.mark.parametrize("table", ["rollup_counts", "rollup_counts_hours"])
def test_what_was_rolled_lately_of_old_rows_goes_with_them(table: str) -> None:
    account, client = engine.migrated()
    retain(client, engine.form(account), retention.ends(ClickHouse(transactions_days=7)))
    for number, (cut, days) in enumerate((("connection", 8), ("connection", 6), ("fate", 8), ("fate", 6))):
        said = f"'{cut}', now64(3), now64(3) - toIntervalDay({days}), {number}, {days}, '/a'"
        client.command(f"INSERT INTO {table} (cut, rolled_at, kept_from, roll, exchanges, example) SELECT {said}")
    engine.merge(client, table)
    left = [("connection", 6, "/a"), ("fate", 6, "/a"), ("fate", 8, None)]
    assert rows(client, f"SELECT cut, exchanges, example FROM {table} ORDER BY ALL") == left


@pytest.mark.stack
def test_what_nfs_said_before_the_upgrade_goes_with_its_transactions() -> None:
    account, client = engine.migrated()
    form = engine.form(account)
    said = "now64(6), 't', 1, 'nnrf-nfm', '/nf-instances/{nfInstanceID}', 'PUT', now64(3) - toIntervalDay(20)"
    columns = "request_us, transaction_id, version, service, resource, method, stored_at"
    client.command(f"INSERT INTO transactions ({columns}) SELECT {said}")
    engine.truncate(client, "nf_messages")
    (backfill,) = [one for one in statements("nf_messages", form) if one.startswith("INSERT")]
    client.command(backfill)
    assert rows(client, "SELECT dateDiff('day', stored_at, now64(3)) FROM nf_messages") == [(20,)]


@pytest.mark.stack
def test_what_broke_before_the_upgrade_stands_apart_and_goes_with_its_procedure() -> None:
    account, client = engine.migrated()
    broken = "'p1', 'ue_initial_registration', 'failed', 'register', 503"
    abandoned = "'p2', 'ue_initial_registration', 'abandoned', NULL, NULL"
    well = "'p3', 'ue_initial_registration', 'success', NULL, NULL"
    columns = "begin_us, last_step, stored_at, procedure_id, kind, outcome, failed_step, failed_status"
    for said in (broken, broken, abandoned, well):
        begun = "toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), 'policy', now64(3) - toIntervalDay(20)"
        client.command(f"INSERT INTO procedures ({columns}) SELECT {begun}, {said}")
    apart = "SELECT procedure_id, at_step, failed_status FROM broken_procedures FINAL ORDER BY 1"
    arrived = rows(client, apart)
    engine.truncate(client, "broken_procedures")
    (backfill,) = [one for one in statements("broken_procedures", engine.form(account)) if one.startswith("INSERT")]
    client.command(backfill)
    assert arrived == rows(client, apart) == [("p1", "register", 503), ("p2", "policy", None)]
    assert rows(client, "SELECT DISTINCT dateDiff('day', stored_at, now64(3)) FROM broken_procedures") == [(20,)]


def statements(name: str, form: Form) -> list[str]:
    (found,) = [migration for migration in ALL if migration.name == name]
    return found.statements(form)


@pytest.mark.stack
def test_retention_follows_the_configuration() -> None:
    account, client = engine.migrated()
    form = engine.form(account)

    def written() -> str:
        named = {"database": account.database, "table": engine.stored("transactions")}
        return str(rows(client, module.CREATED_AS, named))

    for days in (30, 7):
        retain(client, form, {"transactions": f"toDateTime(stored_at) + toIntervalDay({days})"})
        assert written().count(" TTL ") == written().count(f" TTL toDateTime(stored_at) + toIntervalDay({days}) ") == 1
    retain(client, form, {"transactions": ""})
    assert "TTL" not in written()


def column_type(kind: str) -> str:
    if kind.startswith("null|"):
        return f"Nullable({column_type(kind[5:])})"
    if kind.startswith("map<"):
        return f"Map(String, {column_type(kind[4:-1])})"
    if kind.startswith("array<"):
        return f"Array({column_type(kind[6:-1])})"
    return PLAIN[kind]


def records(name: str, record: str) -> list[dict[str, Any]]:
    document = json.loads((Path(FOLDER).parent / f"{name}.avsc").read_text())
    found = document if document["name"] == record else document["fields"][-1]["type"]["items"]
    return list(found["fields"])


def docs(name: str, record: str) -> dict[str, str]:
    return {field["name"]: field["doc"] for field in records(name, record)}


def times(name: str, record: str) -> set[str]:
    return {field["name"] for field in records(name, record) if "timestamp-micros" in json.dumps(field["type"])}


COLUMNS = """SELECT name, type, comment FROM system.columns
    WHERE database = currentDatabase() AND table = {table:String} ORDER BY position"""
TABLES = [
    ("transactions", "sbi_transaction_batch", "SbiTransaction"),
    ("kpis", "kpi", "Kpi"),
    ("procedures", "procedure", "Procedure"),
    ("alerts", "alert", "Alert"),
    ("agents", "agent", "Agent"),
    ("flows", "flow", "Flow"),
    ("places", "place", "Place"),
]


@pytest.mark.stack
@pytest.mark.parametrize(("table", "schema", "record"), TABLES)
def test_the_columns_are_the_fields_of_the_schema(table: str, schema: str, record: str) -> None:
    _, client = engine.migrated()
    columns = rows(client, COLUMNS, {"table": table})
    described = docs(schema, record)
    assert [name for name, _, _ in columns] == [*described, "stored_at"]
    assert {name: comment for name, _, comment in columns if name in described} == described
    entrance = {name: kind for name, kind, _ in rows(client, COLUMNS, {"table": f"{table}_arriving"})}
    bare = {name: kind.replace("LowCardinality(", "(").replace("((", "(") for name, kind, _ in columns}
    for name, kind in fields_of(schema, record):
        wanted = column_type(kind)
        if name in times(schema, record):
            wanted = wanted.replace("Int64", "DateTime64(6, 'UTC')")
        assert entrance[name] == wanted, name
        assert bare[name].replace("(", "").replace(")", "") == wanted.replace("(", "").replace(")", ""), name


@pytest.mark.stack
def test_every_table_and_column_is_described() -> None:
    _, client = engine.migrated()
    bare = "SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''"
    assert rows(client, bare) == []
    silent = """SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''
        AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree')"""
    assert rows(client, silent) == []


@pytest.mark.stack
def test_the_command_says_what_it_did() -> None:
    account = engine.empty()
    wanted = ClickHouse(transactions_days=5, cluster=engine.CLUSTER)
    done = [f"clickhouse: applied {one.number:04}_{one.name}" for one in ALL]
    assert list(schema.clickhouse(account, wanted)) == done
    assert list(schema.clickhouse(account, wanted)) == [f"clickhouse: {account.database} is up to date"]
    written = rows(
        connect(account), module.CREATED_AS, {"database": account.database, "table": engine.stored("transactions")}
    )
    assert "toIntervalDay(5)" in str(written)


@pytest.mark.stack
def test_columns_that_came_later_are_in_the_views() -> None:
    _, client = engine.migrated()
    for view, column in (
        ("kpi_windows", "token_expected"),
        ("exchanges", "access_token"),
        ("requests", "access_token"),
        ("exchanges", "cause_list"),
        ("requests", "response_header_facts"),
    ):
        assert client.query(f"SELECT {column} FROM {view} LIMIT 1").result_rows == []
