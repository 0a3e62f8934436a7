"""deploy/clickhouse/reader.xml on the real engine: what the reader's account may and may not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READER = (ROOT / "deploy" / "clickhouse" / "reader.xml").read_text()
DENIED, CONSTRAINED, READ_ONLY = 497, 452, 164  # ClickHouse's numbers of errors
CASES: list[tuple[str, str | int]] = [
    ("SELECT a FROM sbiscope.t", "7"),
    ("SELECT b FROM sbiscope.v", "14"),
    ("SELECT count() FROM system.columns WHERE database = 'sbiscope'", "2"),
    ("SELECT a FROM other.t", DENIED),
    ("INSERT INTO sbiscope.t VALUES (8)", DENIED),
    ("DROP TABLE sbiscope.t", DENIED),
    ("CREATE TEMPORARY TABLE x (a Int32)", DENIED),
    ("SELECT * FROM url('http://127.0.0.1/', CSV, 'a Int32')", DENIED),
    ("SELECT * FROM file('/etc/passwd', CSV, 'a String')", DENIED),
    ("SELECT * FROM remote('127.0.0.1', other.t)", DENIED),
    ("SELECT name FROM system.users", DENIED),
    ("SYSTEM FLUSH LOGS", DENIED),
    ("SET max_execution_time = 30", ""),
    ("SET max_execution_time = 90", CONSTRAINED),
    ("SET max_execution_time = 0", CONSTRAINED),
    ("SET max_memory_usage = 0", CONSTRAINED),
    ("SET max_result_rows = 0", CONSTRAINED),
    ("SET readonly = 0", READ_ONLY),
]


def asked(data: Path, users: Path, *sql: str) -> list[str | int]:
    command = [sys.executable, "-m", "tests.as_reader", str(data), str(users), *sql]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | int]:
    """Return what each case gives; the engine's only user, default, stands for the account."""
    place = tmp_path_factory.mktemp("reader")
    owner = place / "owner.xml"
    owner.write_text((ROOT / "deploy" / "stack" / "front" / "users.xml").read_text())
    made = ["CREATE TABLE sbiscope.t (a Int32) ENGINE = MergeTree ORDER BY a", "INSERT INTO sbiscope.t VALUES (7)"]
    made += ["CREATE VIEW sbiscope.v AS SELECT a * 2 AS b FROM sbiscope.t"]
    made += ["CREATE DATABASE other", "CREATE TABLE other.t (a Int32) ENGINE = MergeTree ORDER BY a"]
    assert set(asked(place / "data", owner, "CREATE DATABASE sbiscope", *made)) == {""}
    reader = place / "reader.xml"
    changed = READER.replace("sbiscope_reader", "default").replace("</users>", "</users><quotas><default/></quotas>")
    password = '<password from_env="SBISCOPE_READER_PASSWORD"/>'
    assert password in changed
    reader.write_text(changed.replace(password, "<password></password>"))
    return dict(zip([sql for sql, _ in CASES], asked(place / "data", reader, *[sql for sql, _ in CASES]), strict=True))


@pytest.mark.stack
@pytest.mark.parametrize(("sql", "wanted"), CASES, ids=[sql for sql, _ in CASES])
def test_the_reader_reads_sbiscope_and_nothing_else(answers: dict[str, str | int], sql: str, wanted: str | int) -> None:
    assert answers[sql] == wanted
