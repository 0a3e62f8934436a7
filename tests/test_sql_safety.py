"""What `query`, `trace` and `report` ask, they ask as the reader: nothing given to them writes, drops, reads files."""

import pytest

from deploy.accounts import reader
from deploy.cli import main
from schemas.config import load
from streams.clickhouse import FAILURES, connect, rows
from tests import engine, generate

pytestmark = pytest.mark.stack
QUOTES = ["' OR 1=1 --", "'; DROP TABLE transactions; --", "') UNION ALL SELECT * FROM file('/etc/passwd') --", "\\'"]
WRITES = [
    "DROP TABLE transactions",
    "TRUNCATE TABLE transactions",
    "INSERT INTO subscriber_times (supi, request_us) SELECT 'x', now64(6)",
    "INSERT INTO rollup_slots SELECT now64(6), now64(3)",
    "ALTER TABLE transactions DELETE WHERE 1",
    "CREATE TABLE evil (a UInt8) ENGINE = Memory",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'CSV')",
    "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a String') SELECT 'x'",
    "SET readonly = 0",
]


@pytest.fixture(scope="module")
def database() -> str:
    account, client = engine.migrated()
    generate.insert(client, [generate.encode_batch(list(generate.transactions(29)))])
    return account.database


@pytest.fixture(autouse=True)
def told(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.told(monkeypatch, database)


def left() -> list[tuple[int, ...]]:
    client = connect(reader(load(None)))
    return rows(client, "SELECT count() FROM transactions")


@pytest.mark.parametrize("sql", WRITES)
def test_the_account_of_the_commands_refuses(sql: str) -> None:
    client = connect(reader(load(None)))
    with pytest.raises(FAILURES):
        client.command(sql)
    assert left() == [(29,)]


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize(
    "words",
    [
        ["trace", "imsi-999700000000001{}"],
        ["trace", "imsi-99970-k1-{}"],
        ["report", "--from", "2026-11-24{}"],
        ["report", "--to", "1h{}"],
        ["report", "--compare", "1d{}"],
        ["query", "--cookbook", "cardinality{}"],
        ["query", "--cookbook", "subscriber_day", "--param", "start={}", "--param", "supi=x"],
    ],
    ids=" ".join,
)
def test_a_quote_in_what_is_given_is_refused_in_one_line(
    words: list[str], quote: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("{}", quote) for word in words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"sbiscope {words[0]}: ")
    assert left() == [(29,)]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quote_in_a_bound_value_is_a_value(quote: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--cookbook", "subscriber_day", "--param", f"supi={quote}", "--format", "jsonl"]) == 0
    assert capsys.readouterr().out == ""
    assert left() == [(29,)]
