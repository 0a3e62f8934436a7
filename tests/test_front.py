"""deploy/stack/front: answers as ClickHouse's HTTP interface does; each silent trap that was found has its test."""

import gzip
import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from streams.clickhouse import Account, connect, rows
from tests.front import Front, front

pytestmark = pytest.mark.stack

PACK = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
UNPACK = {
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


@pytest.fixture(scope="module")
def ch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with front(tmp_path_factory.mktemp("front")) as one:
        assert one.ask("CREATE DATABASE d").status == 200
        yield one


@pytest.fixture
def table(ch: Front) -> str:
    """Return the name of an empty table (n UInt64, s String)."""
    ch.ask("DROP TABLE IF EXISTS d.t SYNC")
    made = ch.ask("CREATE TABLE d.t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    assert made.status == 200, made.body
    return "d.t"


def count(ch: Front, table: str) -> int:
    return int(ch.ask(f"SELECT count() FROM {table}").body)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("TSV", b"0\n1\n2\n"),
        ("TabSeparatedWithNames", b"n\n0\n1\n2\n"),
        ("TSVWithNamesAndTypes", b"n\nUInt64\n0\n1\n2\n"),
        ("CSVWithNames", b'"n"\n0\n1\n2\n'),
        ("JSONEachRow", b'{"n":0}\n{"n":1}\n{"n":2}\n'),
        ("JSONCompactEachRowWithNamesAndTypes", b'["n"]\n["UInt64"]\n[0]\n[1]\n[2]\n'),
        ("RowBinaryWithNames", b"\x01\x01n" + b"".join(n.to_bytes(8, "little") for n in range(3))),
        ("Values", b"(0),(1),(2)"),
        ("Markdown", b"| n |\n|-:|\n| 0 |\n| 1 |\n| 2 |\n"),
    ],
)
def test_names_stand_once_however_many_blocks_there_are(ch: Front, form: str, wanted: bytes) -> None:
    sql = "SELECT number AS n FROM numbers(3)"
    for words in (f"{sql} FORMAT {form}", f"{sql} FORMAT {form} SETTINGS max_block_size = 1"):
        reply = ch.ask(words, max_block_size=1)
        assert (reply.body, reply.headers["X-ClickHouse-Format"]) == (wanted, form)
    assert ch.ask(sql, default_format=form, max_block_size=1).body == wanted
    assert ch.ask(f"{sql} -- a comment", default_format=form).body == wanted


def test_names_with_line_ends_and_quotes_stand_once(ch: Front) -> None:
    sql = 'SELECT number AS `a"\n"b` FROM numbers(3) FORMAT {} SETTINGS max_block_size = 1'
    assert ch.ask(sql.format("CSVWithNames")).body == b'"a""\n""b"\n0\n1\n2\n'
    assert ch.ask(sql.format("TSVWithNames")).body == b'a"\\n"b\n0\n1\n2\n'


def test_json_is_one_document_and_no_rows_still_have_names(ch: Front) -> None:
    whole = json.loads(ch.ask("SELECT number FROM numbers(5) FORMAT JSON", max_block_size=2).body)
    assert (whole["rows"], [row["number"] for row in whole["data"]]) == (5, [0, 1, 2, 3, 4])
    assert ch.ask("SELECT 1 AS x WHERE 0 FORMAT CSVWithNames").body == b'"x"\n'
    assert ch.ask("SELECT 1 AS x WHERE 0").body == b""


def test_totals_and_extremes_come_behind_the_rows(ch: Front) -> None:
    sql = "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k FORMAT CSVWithNames"
    assert ch.ask(sql, max_block_size=1).body == b'"k","count()"\n0,5\n1,5\n\n0,10\n'
    assert ch.ask("SELECT number FROM numbers(3)", extremes=1).body == b"0\n1\n2\n\n0\n2\n"


@pytest.mark.parametrize("encoding", PACK)
def test_many_frames_in_one_body_are_all_read(ch: Front, table: str, encoding: str) -> None:
    lines = b"".join(b"%d\tx\n" % n for n in range(10_007))
    body = b"".join(PACK[encoding](lines[at : at + 5_003]) for at in range(0, len(lines), 5_003))
    reply = ch.ask(body, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": encoding})
    assert reply.status == 200, reply.body
    assert count(ch, table) == 10_007
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["written_rows"] == "10007"


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_that_breaks_off_or_is_no_such_thing_is_refused(ch: Front, table: str, encoding: str) -> None:
    whole = PACK[encoding](b"".join(b"%d\tx\n" % n for n in range(100)))
    for body in (whole[:-3], whole + whole[: len(whole) // 2], b"no such thing at all"):
        reply = ch.ask(body, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": encoding})
        assert (reply.status, reply.code) == (400, 354), reply.body
    assert count(ch, table) == 0


@pytest.mark.parametrize("encoding", UNPACK)
def test_results_are_packed_when_the_client_asks_and_takes_it(ch: Front, encoding: str) -> None:
    sql = "SELECT number FROM numbers(300000)"
    plain = ch.ask(sql).body
    packed = ch.ask(sql, headers={"Accept-Encoding": f"br, {encoding}"}, enable_http_compression=1)
    assert packed.headers["Content-Encoding"] == encoding
    assert UNPACK[encoding](packed.body) == plain
    assert ch.ask(sql, headers={"Accept-Encoding": encoding}).headers["Content-Encoding"] is None


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("INSERT INTO d.t FORMAT CSV", b'7,"a"\n8,"b"\n'),
        ("INSERT INTO d.t (s, n) FORMAT TabSeparated", b"a\t7\nb\t8\n"),
        ("INSERT INTO d.t VALUES", b"(7,'a'),(8,'b')"),
        ("INSERT INTO d.t SETTINGS async_insert=0 FORMAT JSONEachRow", b'{"n":7,"s":"a"}\n{"n":"8","s":"b"}'),
        ("", b"INSERT INTO d.t FORMAT CSV\n7,a\n8,b\n"),
        ("", b"INSERT INTO d.t VALUES (7,'a'),(8,'b')"),
        ("", b"/* x */ insert into `d`.`t` (`n`, s) -- format TSV\n values (7, 'a'), (8, 'b')"),
        ("INSERT INTO d.t", b"SELECT number + 7, ['a','b'][number + 1] FROM numbers(2)"),
        ("INSERT INTO d.t SELECT number + 7, ['a','b'][number + 1] FROM numbers(2)", b""),
    ],
)
def test_data_stand_where_clickhouse_lets_them_stand(ch: Front, table: str, query: str, body: bytes) -> None:
    reply = ch.ask(body, query=query)
    assert reply.status == 200, reply.body
    assert ch.ask(f"SELECT * FROM {table} ORDER BY n").body == b"7\ta\n8\tb\n"


@pytest.mark.parametrize("form", ["Native", "Avro", "Parquet", "ArrowStream", "RowBinary", "TSVWithNames", "JSON"])
def test_what_was_read_in_a_format_can_be_inserted_in_it(ch: Front, table: str, form: str) -> None:
    data = ch.ask(f"SELECT number AS n, toString(number) AS s FROM numbers(70000) FORMAT {form}").body
    assert ch.ask(data, query=f"INSERT INTO {table} FORMAT {form}").status == 200
    assert ch.ask(f"SELECT count(), sum(n), uniqExact(s) FROM {table}").body == b"70000\t2449965000\t70000\n"


def test_errors_have_number_status_and_text(ch: Front) -> None:
    for sql, status, code in [
        ("SELEC 1", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT * FROM d.nope", 404, 60),
        ("SELECT nope FROM d.t", 404, 47),
        ("SELECT 1 FORMAT Nope", 500, 73),
        ("SELECT {x:UInt8}", 400, 456),
        ("SELECT 1 SETTINGS max_execution_time = 'x'", 500, 72),
        ("INSERT INTO d.t FORMAT CSV\nx,1\n", 400, 27),
        ("INSERT INTO d.t FORMAT Avro\nnonsense", 500, 1001),
        ("SELECT throwIf(number = 2) FROM numbers(3)", 500, 395),
    ]:
        reply = ch.ask(sql)
        assert reply.code == code, (sql, reply.body)
        assert reply.body.startswith(b"Code: ") or code == 1001
        assert (reply.status == status) or status == 500, (sql, reply.status)
    assert ch.ask("SELECT 1", no_such_setting=1).code == 115
    assert ch.ask("SELECT 1", database="nope").code == 81
    assert ch.ask("SELECT 1", compress=1).code == 48


def test_an_error_amid_the_rows_is_told_amid_them_and_the_result_does_not_look_whole(ch: Front) -> None:
    client = connect(ch.account())
    seen = 0
    with (
        pytest.raises(StreamFailureError, match="throwIf"),
        client.query_rows_stream("SELECT number, throwIf(number = 900000) FROM numbers(1000000)") as stream,
    ):
        for _ in stream:
            seen += 1
    assert seen > 100_000
    with pytest.raises(Exception, match="IncompleteRead"):
        ch.ask("SELECT number, throwIf(number = 900000) FROM numbers(1000000)")


def test_parameters_are_values_never_text(ch: Front) -> None:
    client = connect(ch.account())
    hostile = "x' OR 1=1 \\ \n\t\0 {a} ; DROP TABLE d.t"
    sql = "SELECT {s:String}, {a:Array(Int32)}, {n:Nullable(String)}"
    assert rows(client, sql, {"s": hostile, "a": [1, -2], "n": None}) == [(hostile, [1, -2], None)]
    assert ch.ask("SELECT {x:UInt8} + 1", param_x="41").body == b"42\n"
    assert ch.ask("SELECT {x:UInt8} + 1", param_x="a").code == 457


def test_settings_last_one_request_and_a_session_its_life(ch: Front) -> None:
    sql = "SELECT getSetting('max_threads')"
    usual = ch.ask(sql).body
    assert ch.ask(sql, max_threads=7).body == b"7\n"
    assert ch.ask("SET max_threads = 7").status == 200
    assert ch.ask(sql).body == usual
    assert ch.ask("SET max_threads = 5", session_id="s").status == 200
    assert ch.ask(sql, session_id="s").body == b"5\n"
    assert ch.ask(sql, session_id="s", max_threads=7).body == b"7\n"
    assert ch.ask(sql, session_id="s").body == b"5\n"
    assert ch.ask("CREATE TEMPORARY TABLE mine (a UInt8)", session_id="s").status == 200
    assert ch.ask("INSERT INTO mine VALUES (1), (2)", session_id="s").status == 200
    assert ch.ask("SELECT sum(a) FROM mine", session_id="s").body == b"3\n"
    assert ch.ask("SELECT sum(a) FROM mine", session_id="other").code != 0
    assert ch.ask("SELECT 1", session_id="unknown", session_check=1).code == 372
    assert ch.ask("SELECT 1", session_id="s", close_session=1).body == b"1\n"
    assert ch.ask("SELECT 1", session_id="s", session_check=1).code == 372


def test_a_session_serves_one_at_a_time_and_ends_when_idle(ch: Front) -> None:
    slow = threading.Thread(target=ch.ask, args=("SELECT sleep(1)",), kwargs={"session_id": "l", "session_timeout": 1})
    slow.start()
    deadline = time.monotonic() + 20
    while ch.ask("SELECT 1", session_id="l", session_check=1).code != 373:
        assert time.monotonic() < deadline
    slow.join()
    while ch.ask("SELECT 1", session_id="l", session_check=1, session_timeout=1).code != 372:
        assert time.monotonic() < deadline
        time.sleep(1.2)


def test_ids_and_summaries_are_in_the_headers(ch: Front) -> None:
    reply = ch.ask("SELECT number FROM numbers(23)", query_id="mine")
    assert reply.headers["X-ClickHouse-Query-Id"] == "mine"
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["result_rows"] == "23"
    assert re.fullmatch(r"[0-9a-f-]{36}", ch.ask("SELECT 1").headers["X-ClickHouse-Query-Id"])


def test_ping_and_get(ch: Front) -> None:
    assert ch.send("GET", "/ping").body == b"Ok.\n"
    given = f"user=sbiscope&password={ch.password}"
    assert ch.send("GET", f"/?{given}&query=SELECT%202").body == b"2\n"
    assert ch.send("GET", f"/?{given}").body == b"Ok.\n"
    assert ch.send("GET", f"/?{given}&query=DROP%20TABLE%20d.t").status == 403
    assert ch.send("GET", f"/play?{given}").status == 400


def test_tables_that_come_with_a_request(ch: Front) -> None:
    client = connect(ch.account())
    data = ExternalData(file_name="mine", data=b"1,a\n2,b\n", fmt="CSV", structure="k UInt8, v String")
    sql = "SELECT k * {by:UInt8}, v FROM mine ORDER BY k"
    result = client.query(sql, parameters={"by": 10}, external_data=data)
    assert [tuple(row) for row in result.result_rows] == [(10, "a"), (20, "b")]
    assert ch.ask("SELECT * FROM d.mine").code == 60


def memory(ch: Front) -> int:
    """Return the highest resident memory so far, kB."""
    assert ch.process is not None
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{ch.process.pid}/status").read_text())
    assert found is not None
    return int(found[1])


def test_large_results_and_bodies_do_not_stay_in_memory(ch: Front, table: str) -> None:
    before = memory(ch)
    size = 0
    client = connect(ch.account())
    with client.raw_stream("SELECT number, repeat('x', 50) FROM numbers(5000000)", fmt="RowBinary") as stream:
        while block := stream.read(1 << 20):
            size += len(block)
    assert size == 5_000_000 * 59

    def body() -> Iterator[bytes]:
        line = b"".join(b"%d\t%s\n" % (n, b"y" * 90) for n in range(1_000))
        for _ in range(12_000):
            yield line

    assert ch.ask(f"CREATE TABLE d.nothing AS {table} ENGINE = Null").status == 200
    reply = ch.ask(body(), query="INSERT INTO d.nothing FORMAT TSV")
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["written_rows"] == "12000000"
    assert memory(ch) - before < 600_000  # of 1,500 MB


def test_a_result_that_must_be_whole_is_bounded(ch: Front) -> None:
    assert ch.ask("SELECT repeat(toString(number), 200) FROM numbers(400000) FORMAT JSON").code == 396


def test_clients_that_go_away_leave_the_front_serving(ch: Front, table: str) -> None:
    import socket

    head = f"POST /?query=INSERT+INTO+d.t+FORMAT+TSV HTTP/1.1\r\nHost: 127.0.0.1:{ch.port}\r\n"
    head += f"X-ClickHouse-User: sbiscope\r\nX-ClickHouse-Key: {ch.password}\r\nContent-Length: 1000000\r\n\r\n"
    reading = head.replace("INSERT+INTO+d.t+FORMAT+TSV", "SELECT+number+FROM+numbers(1000000000)")
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", ch.port)) as one:
            one.sendall(head.encode() + b"1\tx\n" * 100)
        with socket.create_connection(("127.0.0.1", ch.port)) as one:
            one.sendall(reading.replace("Content-Length: 1000000", "Content-Length: 0").encode())
            one.recv(1000)
    assert ch.ask("SELECT 1").body == b"1\n"
    assert count(ch, table) == 0


def test_many_clients_at_once(ch: Front, table: str) -> None:
    failed: list[BaseException] = []

    def work(account: Account) -> None:
        try:
            client = connect(account)
            for n in range(20):
                client.insert("t", [[n, "x"]], column_names=["n", "s"], database="d")
                rows(client, "SELECT count() FROM d.t")
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work, args=(ch.account(),)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    assert count(ch, table) == 160


def test_what_was_stored_outlives_kill_and_stop(ch: Front, table: str) -> None:
    assert ch.ask(f"INSERT INTO {table} VALUES (1, 'a')").status == 200
    ch.kill()
    ch.start()
    assert ch.ask(f"INSERT INTO {table} VALUES (2, 'b')").status == 200
    ch.stop()
    ch.start()
    assert ch.ask(f"SELECT n FROM {table} ORDER BY n").body == b"1\n2\n"


def test_the_reader_reads_within_limits(ch: Front, table: str) -> None:
    client = connect(ch.account(reader=True))
    assert rows(client, "SELECT count() FROM d.t") == [(0,)]
    for sql in ("INSERT INTO d.t VALUES (1, 'a')", "DROP TABLE d.t", "CREATE TABLE d.u (a UInt8) ENGINE = Memory"):
        with pytest.raises(DatabaseError, match="readonly mode"):
            client.command(sql)
    limits = "SELECT getSetting('max_execution_time'), getSetting('max_result_rows'), getSetting('readonly')"
    assert ch.ask(limits, reader=True).body == b"60\t10000000\t1\n"
    assert ch.ask(limits, reader=True, max_execution_time=600, readonly=0).body == b"60\t10000000\t1\n"
    assert ch.ask(limits, reader=True, max_execution_time=5).body == b"5\t10000000\t1\n"
    for sql in ("SELECT 1 SETTINGS readonly = 0", "SELECT 1 SETTINGS max_execution_time = 600", "SET readonly = 0"):
        assert ch.ask(sql, reader=True).code == 164
    assert ch.ask("SELECT number FROM numbers(10000001) FORMAT Null", reader=True).code == 396
    assert ch.ask("CREATE TEMPORARY TABLE x (a UInt8)", reader=True, session_id="r").code == 164
