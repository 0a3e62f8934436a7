"""deploy/commands/query.py: rows in every format, hostile bytes inert, nothing but reading, mistakes in one line."""

import csv
import io
import json

import pytest

from deploy.cli import main
from deploy.commands.query import write
from streams.clickhouse import connect
from streams.rollup import Rolling
from tests import engine, generate

REFUSED = [
    "DROP TABLE transactions",
    "INSERT INTO migrations (number) VALUES (9)",
    "TRUNCATE TABLE transactions",
    "ALTER TABLE transactions DELETE WHERE 1",
    "CREATE TABLE evil (a UInt8) ENGINE = Memory",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'CSV')",
    "SELECT * FROM s3('http://127.0.0.1:9/a/b', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT 1 SETTINGS readonly = 0",
    "SET readonly = 0",
    "SELEC 1",
    "SELECT * FROM nothing_there",
    "SELECT {missing:String}",
]


@pytest.fixture(scope="module")
def database() -> str:
    account, client = engine.migrated()
    generate.insert(client, [generate.encode_batch(list(generate.transactions(23)))])
    return account.database


def rolled(database: str) -> None:
    client = connect(engine.named(database))
    assert list(Rolling(client).roll())


@pytest.fixture
def ask(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    engine.told(monkeypatch, database)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["query", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.stack
@pytest.mark.parametrize("sql", REFUSED)
def test_all_but_reading_the_tables_is_refused_in_one_line(ask: object, sql: str) -> None:
    assert callable(ask)
    code, out, said = ask(sql)
    assert (code, out) == (1, "")
    assert said.startswith("sbiscope query: ")
    assert said.count("\n") == 1
    assert len(said) < 700
    assert ask("SELECT count() FROM transactions", "--format", "csv")[1] == "count()\n23\n"


@pytest.mark.stack
def test_the_same_rows_in_every_format(ask: object) -> None:
    assert callable(ask)
    sql = "SELECT 18446744073709551615 AS big, -5 AS less, 1.5 AS half, NULL AS none, true AS yes, ['a'] AS many"
    table = ask(sql)[1].splitlines()
    assert [line.split() for line in table if "--" not in line] == [
        ["big", "less", "half", "none", "yes", "many"],
        ["18446744073709551615", "-5", "1.5", "null", "true", '["a"]'],
    ]
    wanted = {"big": 18446744073709551615, "less": -5, "half": 1.5, "none": None, "yes": True, "many": ["a"]}
    assert json.loads(ask(sql, "--format", "json")[1]) == [wanted]
    assert [json.loads(line) for line in ask(sql, "--format", "jsonl")[1].splitlines()] == [wanted]
    (row,) = csv.DictReader(io.StringIO(ask(sql, "--format", "csv")[1]))
    assert list(row.values()) == ["18446744073709551615", "-5", "1.5", "", "true", '["a"]']


@pytest.mark.stack
def test_values_are_bound_never_pasted(ask: object) -> None:
    assert callable(ask)
    hostile = "x' OR 1=1; DROP TABLE transactions; --"
    sql = "SELECT {name:String} AS name, count() AS n FROM transactions WHERE node = {name:String}"
    (row,) = json.loads(ask(sql, "--param", f"name={hostile}", "--format", "json")[1])
    assert row == {"name": hostile, "n": 0}
    assert ask("SELECT 1", "--param", "no value")[0] == 1


@pytest.mark.stack
def test_percent_signs_are_sqls_own(ask: object) -> None:
    assert callable(ask)
    sql = "SELECT 'imsi-k2-x' LIKE '%-k2-%' AS a, formatDateTime(toDate('2026-11-27'), '%Y') AS b, 7 % 4 AS c"
    assert json.loads(ask(sql, "--format", "json")[1]) == [{"a": 1, "b": "2026", "c": 3}]
    with_place = sql + ", {x:String} LIKE '%s' AS d"
    assert json.loads(ask(with_place, "--param", "x=ws", "--format", "json")[1])[0]["d"] == 1


@pytest.mark.stack
def test_the_cookbook_runs_by_name_and_says_what_it_does_not_count_yet(ask: object, database: str) -> None:
    assert callable(ask)
    assert "traffic_by_nf_pair" in ask("--cookbook", "list")[1]
    code, out, said = ask("--cookbook", "cardinality", "--format", "json")
    assert (code, json.loads(out)[0]["seen"]) == (0, 0)
    assert said.startswith("sbiscope query: 23 rows stored since the last roll (1970-01-01")
    rolled(database)
    code, out, said = ask("--cookbook", "cardinality", "--format", "json")
    assert (code, json.loads(out)[0]["seen"], said) == (0, 23, "")
    later = ask("--cookbook", "cardinality", "--format", "json", "--param", "start=2290-01-01 00:00:00")[1]
    assert json.loads(later)[0]["seen"] == 0
    both, unbound = ["SELECT 1", "--cookbook", "cardinality"], ["--cookbook", "subscriber_day"]
    for words in (["--cookbook", "x"], both, unbound, []):
        assert ask(*words)[0] == 1


@pytest.mark.stack
@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table"])
def test_no_rows_are_no_rows(ask: object, form: str) -> None:
    assert callable(ask)
    code, out, _ = ask("SELECT node FROM transactions WHERE 0", "--format", form)
    assert code == 0
    assert out == {"json": "[]\n", "jsonl": "", "csv": "node\n", "table": "node\n----\n(no rows)\n"}[form]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_hostile_bytes_reach_no_terminal_and_no_spreadsheet() -> None:
    rows = [("\x1b]0;owned\x07", "=1+1"), ("a\nb", "+x"), ("\u202eevil", "@x"), ("plain", -5)]
    table, shown, kept = io.StringIO(), Terminal(), io.StringIO()
    write("table", ["a\x1b", "b"], rows, table)
    write("csv", ["a\x1b", "=b"], rows, shown)
    write("csv", ["a", "b"], rows, kept)
    for text in (table.getvalue(), shown.getvalue()):
        assert not {one for one in text if not one.isprintable()} - {"\n"}
    assert len(table.getvalue().splitlines()) == 6
    read = list(csv.reader(io.StringIO(kept.getvalue(), newline="")))
    assert read[1:] == [["\x1b]0;owned\x07", "'=1+1"], ["a\nb", "'+x"], ["\u202eevil", "'@x"], ["plain", "-5"]]


def test_without_a_server_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for url in (
        "http://127.0.0.1:21699",
        "ftp://x",
        "nonsense",
        "http://h:99999",
        "http://[::1",
        "http://me:hidden@127.0.0.1:21699",
    ):
        monkeypatch.setenv("SBISCOPE_CLICKHOUSE_URL", url)
        assert main(["query", "SELECT 1"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("sbiscope query: ")
        assert said.count("\n") == 1
        assert "hidden" not in said
