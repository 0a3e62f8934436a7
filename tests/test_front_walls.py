"""deploy/stack/front: who may ask, and what nobody may: files, network, programs, other users; each wall is tried."""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.tcp_table import LISTEN, sockets_in
from tests.front import Front, front

pytestmark = pytest.mark.stack

SECRET = b"root:"

TAIL = "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)"

# What reaches outside, by every way in. {web}: a server that counts who comes.
REACHING = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT File /* x */ ('/etc/passwd')",
    "SELECT * FROM fileCluster('default', '/etc/passwd', 'LineAsString')",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `/etc/passwd`",
    "DESCRIBE TABLE file('/etc/passwd')",
    "SELECT * FROM url('{web}', 'LineAsString')",
    "SELECT * FROM url('file:///etc/passwd', 'LineAsString')",
    "SELECT * FROM s3('{web}/a/b', 'LineAsString')",
    "SELECT * FROM s3('{web}/a/b', 'key', 'secret', 'LineAsString')",
    "SELECT * FROM gcs('{web}/a/b', 'LineAsString')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/a', 'LineAsString')",
    "SELECT * FROM azureBlobStorage('{web}', 'a', 'b')",
    "SELECT * FROM iceberg('{web}/a/b')",
    "SELECT * FROM deltaLake('{web}/a/b')",
    "SELECT * FROM remote('127.0.0.1:{port}', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:{port}', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')",
    "SELECT * FROM mongodb('127.0.0.1:{port}', 'a', 'b', 'c', 'd', 'e String')",
    "SELECT * FROM redis('127.0.0.1:{port}', 'k', 'k String, v String')",
    "SELECT * FROM sqlite('/etc/passwd', 'a')",
    "SELECT * FROM odbc('DSN=x', 'a', 'b')",
    "SELECT * FROM jdbc('x', 'a', 'b')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM Python(environ)",
    "SELECT * FROM python(digests)",
    "SELECT 1 INTO OUTFILE '{new}'",
    "SELECT 1 into /* x */ outfile '{new}' FORMAT CSV",
    "SELECT 1 INTO OUTFILE '{new}' APPEND FORMAT CSV SETTINGS max_threads = 1",
    "EXPLAIN SELECT 1 INTO OUTFILE '{new}'",
    "INSERT INTO FUNCTION file('{new}', 'LineAsString', 's String') SELECT 'x'",
    "INSERT INTO FUNCTION file('{new}', 'LineAsString', 's String') FORMAT LineAsString\nx\n",
    "INSERT INTO TABLE FUNCTION url('{web}', 'LineAsString', 's String') SELECT 'x'",
    "INSERT INTO FUNCTION s3('{web}/a/b', 'LineAsString', 's String') SELECT 'x'",
    "INSERT INTO FUNCTION remote('127.0.0.1:{port}', a.b) SELECT 'x'",
    "INSERT INTO d.lines FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO d.lines from /* x */ infile '/etc/passwd' FORMAT LineAsString\nx\n",
    "INSERT INTO d.lines SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "INSERT INTO d.lines VALUES (file('/etc/passwd'))",
    "INSERT INTO d.lines SELECT file('/etc/passwd')",
    "CREATE TABLE d.new (s String) ENGINE = File(LineAsString, '/etc/passwd')",
    "CREATE TABLE d.new (s String) ENGINE = File(LineAsString)",
    "CREATE TABLE d.new (s String) ENGINE = URL('{web}', 'LineAsString')",
    "CREATE TABLE d.new (s String) ENGINE = S3('{web}/a/b', 'LineAsString')",
    "CREATE TABLE d.new (s String) ENGINE = S3Queue('{web}/a/b', 'LineAsString')",
    "CREATE TABLE d.new (s String) ENGINE = MySQL('127.0.0.1:{port}', 'a', 'b', 'c', 'd')",
    "CREATE TABLE d.new (s String) ENGINE = Kafka('127.0.0.1:{port}', 'a', 'b', 'CSV')",
    "CREATE TABLE d.new (s String) ENGINE = Distributed('default', 'd', 'lines')",
    "CREATE TABLE d.new (s String) ENGINE = Executable('id', 'TSV')",
    "CREATE TABLE d.new (s String) ENGINE = SQLite('/etc/passwd', 'a')",
    "CREATE TABLE d.new AS file('/etc/passwd', 'LineAsString')",
    "CREATE TABLE d.new ENGINE = Memory AS SELECT * FROM url('{web}', 'LineAsString')",
    "CREATE VIEW d.new AS SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "CREATE VIEW d.new AS SELECT file('/etc/passwd')",
    "CREATE MATERIALIZED VIEW d.new ENGINE = Memory AS SELECT file('/etc/passwd') FROM d.lines",
    "CREATE TABLE d.new (s String DEFAULT file('/etc/passwd')) ENGINE = Memory",
    "CREATE TABLE d.new (n UInt8) ENGINE = MergeTree ORDER BY n SETTINGS disk = disk(type = local, path = '{new}/')",
    "CREATE TABLE d.new (n UInt8) ENGINE = MergeTree ORDER BY n SETTINGS disk = disk(type = s3, endpoint = '{web}/a/')",
    "ATTACH TABLE d.new FROM '/etc' (s String) ENGINE = MergeTree ORDER BY s",
    "CREATE DATABASE new ENGINE = Filesystem('/etc')",
    "CREATE DATABASE new ENGINE = S3('{web}/a')",
    "CREATE DATABASE new ENGINE = MySQL('127.0.0.1:{port}', 'a', 'b', 'c')",
    "CREATE DATABASE new ENGINE = SQLite('/etc/passwd')",
    "CREATE DICTIONARY d.new (s String) PRIMARY KEY s SOURCE(FILE(PATH '/etc/passwd' FORMAT 'CSV')) {tail}",
    "CREATE DICTIONARY d.new (s String) PRIMARY KEY s SOURCE(HTTP(URL '{web}' FORMAT 'CSV')) {tail}",
    "CREATE DICTIONARY d.new (s String) PRIMARY KEY s SOURCE(EXECUTABLE(COMMAND 'id' FORMAT 'TSV')) {tail}",
    "CREATE NAMED COLLECTION new AS url = '{web}'",
    "CREATE FUNCTION new AS x -> file(x)",
    "BACKUP TABLE d.lines TO File('{new}')",
    "BACKUP TABLE d.lines TO Disk('default', '{new}')",
    "RESTORE TABLE d.lines FROM File('{new}')",
    "CREATE USER new",
    "GRANT ALL ON *.* TO default",
    "EXECUTE AS default SELECT 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM RELOAD CONFIG",
    "ALTER TABLE d.lines FETCH PARTITION tuple() FROM '/x'",
    "SELECT * FROM system.users",
    "SELECT addressToSymbol(1)",
    "SELECT * FROM loop(file('/etc/passwd', 'LineAsString')) LIMIT 1",
    "SELECT * FROM view(SELECT * FROM file('/etc/passwd', 'LineAsString'))",
    "WITH a AS (SELECT * FROM file('/etc/passwd', 'LineAsString')) SELECT * FROM a",
    "SELECT * FROM (SELECT 1 UNION ALL SELECT length(file('/etc/passwd')))",
    "SELECT 1 SETTINGS user_files_path = '/'",
    "SET allow_introspection_functions = 1; SELECT file('/etc/passwd')",
    "SELECT 1; SELECT 1 INTO OUTFILE '{new}'",
]


class Web:
    """A server outside; whoever reaches it is counted."""

    def __init__(self) -> None:
        self.reached = 0
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle(self) -> None:
                web.reached += 1

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    one = Web()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module", params=["as the tests run", "unprivileged from the start"])
def ch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Give a front started by root, then one started by nobody: the walls differ, what they hold does not."""
    directory = tmp_path_factory.mktemp("walls")
    launcher: list[str] = []
    if request.param != "as the tests run":
        if os.geteuid() != 0 or shutil.which("setpriv") is None:
            pytest.skip("only root with setpriv (util-linux) can start a process as somebody else")
        (directory / "clickhouse").mkdir()
        os.chown(directory / "clickhouse", 60_123, 60_123)
        # Python may stand below root's home: this one may read any file that the walls let it.
        read = "+dac_read_search"
        launcher = ["setpriv", "--reuid=60123", "--regid=60123", "--clear-groups"]
        launcher += [f"--inh-caps={read}", f"--ambient-caps={read}"]
    with front(directory, *launcher) as one:
        assert one.ask("CREATE DATABASE d").status == 200
        assert one.ask("CREATE TABLE d.lines (s String) ENGINE = MergeTree ORDER BY s").status == 200
        yield one


@pytest.mark.parametrize("sql", REACHING)
def test_nothing_reaches_outside(ch: Front, web: Web, tmp_path: Path, sql: str) -> None:
    tmp_path.chmod(0o777)
    new = tmp_path / "new"
    text = sql.format(web=f"http://127.0.0.1:{web.port}", port=web.port, new=new, tail=TAIL)
    for reader in (False, True):
        for given in ({}, {"session_id": "s"}, {"allow_introspection_functions": 1, "readonly": 0}):
            reply = ch.ask(text, reader=reader, **given)
            assert reply.code != 0, (reader, given, reply.body[:200])
            assert SECRET not in reply.body
    assert SECRET not in ch.ask("SELECT * FROM d.lines").body
    assert (web.reached, new.exists()) == (0, False)
    assert ch.ask("SELECT count() FROM system.tables WHERE name = 'new'").body == b"0\n"
    assert ch.ask("TRUNCATE TABLE d.lines").status == 200


@pytest.mark.parametrize("sql", REACHING[:2] + REACHING[9:11])
def test_the_engine_itself_denies_what_its_grants_cover(ch: Front, sql: str) -> None:
    assert ch.ask(sql.replace("SELECT *", "SELECT count()").replace("{web}", "http://127.0.0.1:9")).code == 497


def test_a_file_is_out_of_reach_even_where_the_text_gives_nothing_away(ch: Front) -> None:
    """VALUES may hold expressions, which only the engine reads: there the kernel alone says no."""
    for path in ("/etc/passwd", "/proc/self/environ", "/proc/self/mem", str(ch.place.passwords)):
        reply = ch.ask(f"INSERT INTO d.lines VALUES (file('{path}'))")
        assert reply.code != 0
        assert b"ermission denied" in reply.body or b"No such file" in reply.body or b"not exist" in reply.body, reply
    assert ch.ask("SELECT count() FROM d.lines").body == b"0\n"


def test_it_listens_on_loopback_only(ch: Front) -> None:
    tables = "".join(one.read_text() for one in Path("/proc/net").glob("tcp*"))
    listening = [one.local_address for one in sockets_in(tables) if one.state == LISTEN and one.local_port == ch.port]
    assert listening == ["127.0.0.1"]


def status(ch: Front) -> dict[str, str]:
    assert ch.process is not None
    lines = Path(f"/proc/{ch.process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_its_process_has_given_up_its_rights(ch: Front) -> None:
    assert ch.process is not None
    found = status(ch)
    assert "0" not in found["Uid"].split()
    assert "0" not in found["Gid"].split()
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    if "chroot" in ch.log():
        assert (int(found["CapEff"], 16), int(found["CapPrm"], 16), found["Groups"]) == (0, 0, "")
    # Not dumpable: its /proc belongs to root, whoever it runs as.
    assert Path(f"/proc/{ch.process.pid}/environ").stat().st_uid == 0


def token(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


LOADING = """
import ctypes, sys
from pathlib import Path
from deploy.stack.front import sandbox

environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
kept = [environ[0]]
while kept[-1]:
    kept.append(environ[len(kept)])
AT_SYSINFO_EHDR = 33
moved = (ctypes.c_void_p * (len(kept) + 4))(*kept, AT_SYSINFO_EHDR, 0x550006010203)
ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ").value = ctypes.addressof(moved)
sandbox.close_in(Path(sys.argv[1]))
import chdb
"""


def test_the_engine_is_loaded_behind_the_walls_whatever_stands_behind_the_environment(tmp_path: Path) -> None:
    """As on a heap to which a variable that was set has moved it: words that look like the kernel's own (getauxval)."""
    command = [sys.executable, "-c", LOADING, str(tmp_path)]
    place = {"cwd": Path(__file__).parent.parent, "env": {"TMPDIR": str(tmp_path)}}
    done = subprocess.run(command, **place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


def test_it_wants_its_password(ch: Front) -> None:
    for headers in (
        {},
        token("sbiscope", ""),
        token("sbiscope", "wrong"),
        token("reader", ch.password),
        token("default", ""),
        token("nobody", ch.password),
        {"X-ClickHouse-User": "sbiscope"},
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer " + ch.password},
    ):
        reply = ch.send("POST", "/", "SELECT 1", headers)
        assert (reply.status in {401, 403}, reply.code in {194, 516}) == (True, True), (headers, reply)
    assert ch.send("GET", "/?query=SELECT%201").status == 401
    assert ch.send("GET", "/?query=SELECT%201&user=sbiscope&password=x").status == 403
    assert ch.send("POST", "/", "SELECT 1", token("sbiscope", ch.password)).body == b"1\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_foreign_host_or_origin_is_refused_even_with_the_password(ch: Front, headers: dict[str, str]) -> None:
    for path, allowed in (("/", token("sbiscope", ch.password)), ("/ping", {})):
        reply = ch.send("POST" if path == "/" else "GET", path, b"SELECT 1", {**allowed, **headers})
        assert (reply.status, reply.code) == (403, 497)
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert ch.send("OPTIONS", "/", None, headers).status == 403


def test_its_own_origin_and_name_are_fine(ch: Front) -> None:
    own = {"Host": f"localhost:{ch.port}", "Origin": f"http://localhost:{ch.port}"}
    assert ch.send("POST", "/", "SELECT 1", {**token("sbiscope", ch.password), **own}).body == b"1\n"


def test_passwords_are_for_their_owner_alone_and_appear_nowhere(ch: Front) -> None:
    assert ch.place.passwords.stat().st_mode & 0o777 == 0o600
    assert len(ch.password) >= 32
    assert ch.process is not None
    assert ch.password.encode() not in Path(f"/proc/{ch.process.pid}/cmdline").read_bytes()
    assert ch.password not in ch.log()


def test_garbage_leaves_it_serving(ch: Front) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 100,
    ):
        with socket.create_connection(("127.0.0.1", ch.port)) as one:
            one.sendall(garbage)
            one.shutdown(socket.SHUT_WR)
            one.recv(1000)
    form = {"Content-Type": "multipart/form-data; boundary=x", **token("sbiscope", ch.password)}
    for body in (b"", b"--x\r\n\r\n", b"--x--", b"\xff" * 1000):
        assert ch.send("POST", "/", body, form).status in {200, 400}
    assert ch.send("POST", "/", b"\xff\xfe\x00SELECT", token("sbiscope", ch.password)).code == 62
    assert ch.ask("SELECT 1").body == b"1\n"
