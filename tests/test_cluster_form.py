"""streams/cluster_form.py: the migrations on a ClickHouse cluster, as text and on an engine with a shard of its own.

No Keeper runs here: `ON CLUSTER` and replication are parsed by the real engine, distribution is run by it.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.refusal import Refusal
from streams.clickhouse import connect, rows
from streams.cluster_form import spread
from streams.migrate import Form, migrate, migrations
from tests import engine

FORM = Form("sbiscope", "core")
ALL = [statement for one in migrations() for statement in one.statements(FORM)]
CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS sbiscope\.(\w+)")
STORED = {
    created[1]
    for one in migrations()
    for statement in one.statements(Form("sbiscope"))
    if "ENGINE = ReplacingMergeTree" in statement and (created := CREATED.match(statement))
}
MOVING = "SETTINGS parallel_distributed_insert_select = 0, distributed_foreground_insert = 1"
ASKING = (
    "CREATE OR REPLACE VIEW d.v ON CLUSTER c AS\nSELECT * FROM d.t WHERE a {}\n(\n SELECT a FROM d.u) AND b IN (1, 2)"
)
TABLE = """\
CREATE TABLE IF NOT EXISTS d.t ON CLUSTER c
(
    a String,
    b UInt8
)
ENGINE = ReplicatedReplacingMergeTree(b)
PARTITION BY b
ORDER BY (a, b)
COMMENT 'what it''s for'"""
DISTRIBUTED = """\
CREATE TABLE IF NOT EXISTS d.t ON CLUSTER c AS d.t_local
ENGINE = Distributed(c, d, t_local, cityHash64(toString((a, b,))))
COMMENT 'what it''s for'"""


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        pytest.param(
            TABLE,
            [
                TABLE.replace(" d.t ", " d.t_local "),
                DISTRIBUTED,
            ],
            id="a stored table is two",
        ),
        pytest.param(
            "ALTER TABLE d.t ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String",
            [
                "ALTER TABLE d.t_local ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String",
                "ALTER TABLE d.t ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String",
            ],
            id="a column comes into both, the rows' first",
        ),
        pytest.param(
            "ALTER TABLE d.t ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String,\n    MODIFY ORDER BY (x)",
            [
                "ALTER TABLE d.t_local ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String,\n    MODIFY ORDER BY (x)",
                "ALTER TABLE d.t ON CLUSTER c\n    ADD COLUMN IF NOT EXISTS x String",
            ],
            id="a longer key is of the rows; its begin finds the shard",
        ),
        pytest.param(
            "ALTER TABLE d.t ON CLUSTER c\n    ADD INDEX IF NOT EXISTS i b TYPE minmax",
            ["ALTER TABLE d.t_local ON CLUSTER c\n    ADD INDEX IF NOT EXISTS i b TYPE minmax"],
            id="an index is of the rows",
        ),
        pytest.param(
            ASKING.format("IN"),
            [ASKING.format("GLOBAL IN")],
            id="what is looked for in another table is asked of all shards",
        ),
        pytest.param(
            "INSERT INTO d.u (a)\nSELECT a\nFROM d.t",
            [f"INSERT INTO d.u (a)\nSELECT a\nFROM d.t\n{MOVING}"],
            id="what is moved finds its shard",
        ),
        *(
            pytest.param(same, [same], id=same[:28])
            for same in (
                "ALTER TABLE d.t_arriving ON CLUSTER c ADD COLUMN IF NOT EXISTS x String",
                "ALTER TABLE d.t_arrival ON CLUSTER c MODIFY QUERY\nSELECT * FROM d.t_arriving",
                "CREATE TABLE IF NOT EXISTS d.t_arriving ON CLUSTER c\n(\n    a String\n)\nENGINE = Null",
                "CREATE MATERIALIZED VIEW IF NOT EXISTS d.t_arrival ON CLUSTER c TO d.t AS\nSELECT * FROM d.t_arriving",
                "CREATE OR REPLACE VIEW d.v ON CLUSTER c AS\nSELECT * FROM d.t FINAL",
            )
        ),
    ],
)
def test_a_statement_becomes(statement: str, wanted: list[str]) -> None:
    assert spread(statement, "c") == wanted


@pytest.mark.parametrize(
    "wrong", [TABLE.replace("(a, b)", "cityHash64(a)"), TABLE.rpartition("\n")[0]], ids=["no plain key", "no comment"]
)
def test_a_table_that_could_not_be_sharded_is_noticed(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"d\.t"):
        spread(wrong, "c")


def test_every_stored_table_is_distributed_by_what_it_replaces_by() -> None:
    text = "\n".join(ALL)
    local = set(re.findall(r"CREATE TABLE IF NOT EXISTS sbiscope\.(\w+)_local ON CLUSTER core\n", text))
    spread_over = re.findall(
        r"ENGINE = Distributed\(core, sbiscope, (\w+)_local, cityHash64\(toString\(\(([\w, ]+),\)\)\)\)", text
    )
    keys = re.findall(r"ENGINE = ReplicatedReplacingMergeTree.*\n(?:PARTITION.*\n)?ORDER BY \(?([\w, ]+)", text)
    assert local == {name for name, _ in spread_over} == STORED
    assert [key for _, key in spread_over] == keys
    joins = re.findall(r"((?:\w+ )*)JOIN\b", text)
    assert not [words for words in joins if not words.startswith("GLOBAL ") and words != "ARRAY "]
    assert not re.findall(r"(?:FROM|TO) sbiscope\.\w+_local", text)  # views and inserts reach all shards


def test_what_is_altered_is_in_both_or_stores_nothing() -> None:
    altered = set(re.findall(r"ALTER TABLE sbiscope\.(\w+)", "\n".join(ALL)))
    passing = {name for name in altered if name.endswith(("_arriving", "_arrival"))}
    whole = {name for name in altered - passing if not name.endswith("_local")}
    local = altered - passing - whole
    assert {f"{name}_local" for name in whole} <= local <= {f"{name}_local" for name in STORED}


@pytest.mark.stack
def test_the_engine_understands_every_statement() -> None:
    client = connect(engine.empty(), "default")
    lease = [
        "CREATE TABLE sbiscope.migrating ON CLUSTER core (nothing UInt8) ENGINE = Memory COMMENT '1 a:1'",
        "ALTER TABLE sbiscope.migrating ON CLUSTER core MODIFY COMMENT '2 a:1'",
        "DROP TABLE IF EXISTS sbiscope.migrating ON CLUSTER core SYNC",
        "ALTER TABLE sbiscope.kpis_local ON CLUSTER core MODIFY TTL toDateTime(stored_at) + toIntervalDay(7)",
    ]
    for statement in (*ALL, *lease):
        client.command(f"EXPLAIN AST {statement}")


@pytest.mark.stack
def test_a_database_of_the_other_form_is_refused() -> None:
    account, client = engine.migrated()
    with pytest.raises(Refusal, match=r"the tables have another form.*clickhouse\.cluster is core"):
        migrate(client, Form(account.database, "core"), "late")
    assert rows(
        client, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_local'"
    ) == [(0,)]


CONFIGURATION = """\
<clickhouse><tcp_port>9000</tcp_port><remote_servers><core><shard><replica>
<host>127.0.0.1</host><port>9000</port></replica></shard></core></remote_servers></clickhouse>
"""
PROGRAM = """\
import sys
from chdb.session import Session
from streams.migrate import Form, migrations
from streams.rollup import INSERT, LEDGER, SLOT_US, SUPERSEDED, TABLES
engine = Session(f"{sys.argv[1]}/data?config-file={sys.argv[1]}/config.xml")
for migration in migrations():
    for statement in migration.statements(Form("sbiscope", "core")):
        engine.query(statement.replace("ON CLUSTER core", "").replace("Replicated", ""))
for version in (1, 2, 3):
    engine.query(
        "INSERT INTO sbiscope.transactions_arriving (transaction_id, request_event_id, request_us, version) "
        f"SELECT toString(number), 'e', fromUnixTimestamp64Micro(toInt64(number)), {version} FROM numbers(13) "
        "SETTINGS distributed_foreground_insert = 1"
    )
engine.query("USE sbiscope")
for rolled_at in (1795300000123, 1795300060123):
    inserts, marks = ([sql.format(table=one) for one in TABLES] for sql in (INSERT, SUPERSEDED))
    places = {"start": 0, "stop": SLOT_US, "slot": SLOT_US, "rolled_at": rolled_at}
    for statement in (*inserts, LEDGER, *marks):
        for name, value in places.items():
            statement = statement.replace("{%s:Int64}" % name, str(value))
        engine.query(
            f"{statement} SETTINGS distributed_foreground_insert = 1, parallel_distributed_insert_select = 0"
        )
for sql in sys.argv[2:]:
    print(str(engine.query(sql)).strip())
"""


@pytest.mark.stack
def test_what_arrives_is_distributed_and_read_once(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text(CONFIGURATION)
    views = re.findall(r"CREATE OR REPLACE VIEW (sbiscope\.\w+) ON CLUSTER core AS", "\n".join(ALL))
    counted = "FROM counts_between(start = '1970-01-01', stop = '1970-01-02') WHERE cut = 'fate'"
    parameters = {"sbiscope.subscriber_exchanges", "sbiscope.slots_lacking"}
    plain = [one for one in views if not one.endswith("_between") and not one.startswith("sbiscope.rolling_")]
    plain = [one for one in plain if one not in parameters]
    questions = [
        "SELECT engine FROM system.tables WHERE database = 'sbiscope' AND name = 'transactions'",
        "SELECT count(), min(version), max(version) FROM sbiscope.transactions FINAL",
        "SELECT count() > 0 FROM sbiscope.transactions_local",
        "SELECT count() FROM sbiscope.exchanges",
        f"SELECT sum(exchanges) {counted}",
        "OPTIMIZE TABLE rollup_counts_local FINAL",
        f"SELECT sum(exchanges), uniqExact(rolled_at) {counted}",
        "SELECT uniqExact(roll), uniqExactIf(roll, NOT superseded) FROM rollup_counts",
        f"SELECT sum(exchanges) {counted.replace('counts_between', 'counts_summed_between')}",
        "SELECT count() FROM slots_lacking(tables = 7)",
        *(f"SELECT count() >= 0 FROM {view}" for view in plain),
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), *questions],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = done.stdout.splitlines()
    assert answers[:4] == ['"Distributed"', "13,3,3", "1", "13"]
    assert answers[4:8] == ["13", "", "13,1", "2,1"]  # rolled twice, the first marked to go and merged
    assert answers[8:10] == ["13", "1"]  # the program does not say how many tables it filled
    assert answers[10:] == ["1"] * len(plain)
