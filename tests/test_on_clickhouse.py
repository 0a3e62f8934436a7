"""tests/on_clickhouse.py, `make test-clickhouse`: what touches ClickHouse runs on a server, and harms nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.passwords import WRITER
from schemas.refusal import Refusal
from tests.front import front
from tests.on_clickhouse import ROOT, chosen, files

FAILS = """from tests import engine

def test_it() -> None:
    engine.migrated()
    engine.empty()
    assert False
"""


def test_the_files_are_those_that_ask_for_an_engine() -> None:
    names = {path.name for path in files()}
    assert {"test_migrate.py", "test_cookbook.py", "test_rolled.py", "test_sink.py", "test_report.py"} <= names
    assert "test_tail.py" not in names


@pytest.mark.parametrize(
    ("clusters", "keeper", "wanted", "taken", "why"),
    [
        ([], False, "", "", "the server has no cluster"),
        (["core"], False, "", "", "the server has no Keeper"),
        (["core"], True, "", "core", ""),
        (["a", "b"], True, "", "", "the server has several clusters, name one by CLUSTER=: a, b"),
        (["a", "b"], True, "b", "b", ""),
    ],
)
def test_a_cluster_is_taken(clusters: list[str], keeper: bool, wanted: str, taken: str, why: str) -> None:
    assert chosen(clusters, keeper, wanted) == (taken, why)


@pytest.mark.parametrize(("clusters", "keeper"), [(["a"], True), (["b"], False), ([], False)])
def test_a_cluster_that_was_named_must_be_there(clusters: list[str], keeper: bool) -> None:
    with pytest.raises(Refusal, match="no such cluster"):
        chosen(clusters, keeper, "b")


@pytest.mark.stack
def test_it_runs_on_a_server_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    planted = tmp_path / "test_fails.py"
    planted.write_text(FAILS)
    with front(tmp_path) as server:
        assert server.ask("CREATE DATABASE theirs").status == 200
        assert server.ask("CREATE TABLE theirs.t (a UInt8) ENGINE = MergeTree ORDER BY a").status == 200
        assert server.ask("INSERT INTO theirs.t SELECT number FROM numbers(17)").status == 200
        before = server.ask("SELECT name FROM system.databases ORDER BY name").body
        held = asked(server.url, server.password, "tests/test_kpis_between.py")
        assert held.returncode == 0, held.stdout + held.stderr
        assert "2 passed" in held.stdout
        assert "not in the form of a cluster: the server has no" in held.stdout
        failed = asked(server.url, server.password, str(planted))
        assert failed.returncode == 1, failed.stdout
        assert server.ask("SELECT name FROM system.databases ORDER BY name").body == before
        assert server.ask("SELECT count() FROM theirs.t").body == b"17\n"
        wrong = asked(server.url, "wrong", "tests/test_kpis_between.py")
        assert wrong.returncode == 1
        assert wrong.stderr.startswith("test-clickhouse: ClickHouse cannot be used: ")


@pytest.mark.stack
def test_the_form_of_a_cluster_holds_on_an_engine_of_one_shard() -> None:
    """Of all files the quick ones that roll, correct and read back; `-p tests.one_shard` runs any."""
    ends = "tests/test_migrate.py::test_every_stored_table_but_the_ledger_has_an_end_and_takes_it_once"
    words = ["-q", "-p", "tests.one_shard", "-p", "no:cacheprovider", ends, "tests/test_rolled.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def asked(url: str, password: str, *words: str) -> subprocess.CompletedProcess[str]:
    said = {"CLICKHOUSE_USER": WRITER, "CLICKHOUSE_PASSWORD": password, "CLUSTER": ""}
    command = [sys.executable, "-m", "tests.on_clickhouse", url, *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ | said, capture_output=True, text=True, check=False)
