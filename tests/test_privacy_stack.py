"""Nothing planted rests anywhere: topics, tables, files, logs, metrics and every output of a stack that met it."""

import io
import json
import signal
import socket
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from confluent_kafka import Consumer, TopicPartition
from pyarrow import parquet

from deploy.commands import report
from deploy.commands.trace import FORMATS
from deploy.demo import live_hindrance, observing_line
from schemas.config import load
from schemas.kafka_bounds import bounds
from tests import planted
from tests.broker import free_ports
from tests.local_stack import LocalStack, local_stack, until

pytestmark = pytest.mark.stack
SUPI = f"imsi-{planted.IDENTIFIERS['supi']}"
EXCHANGES = len(planted.exchanges())
HINDRANCE = live_hindrance(load(None))
ALERTS = {"sbi.alerts", "sbi.alerts.json", "sbi.state.sink-alerts", "sbi.state.webhook"}
QUIET = {"sbi.quarantine"} | ALERTS
OF_CLUSTERS = {"sbi.places", "sbi.places.json", "sbi.state.sink-places"}
OF_AGENTS = {"sbi.agents", "sbi.flows", "sbi.state.sink-agents", "sbi.state.sink-flows"}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planted") / "planted.pcap"
    path.write_bytes(planted.capture())
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, capture: Path) -> Iterator[LocalStack]:
    """Return a stack with default settings through which all that is planted has gone."""
    (port,) = free_ports(1)
    metrics = {"SBISCOPE_COLLECTOR_METRICS_PORT": str(port)}
    with local_stack(tmp_path_factory.mktemp("stack"), **metrics) as one:
        code, _, told = one.run("collect", "--source", str(capture), "--node", "file")
        assert code == 0, told
        if not HINDRANCE:
            observe(one, port)
        until(lambda: one.count("SELECT count() FROM transactions FINAL WHERE node = 'file'") == EXCHANGES)
        until(lambda: one.count("SELECT count() FROM procedures_once WHERE node = 'file'") > 1)
        until(lambda: one.count("SELECT count() FROM kpis FINAL WHERE node = 'file'") > EXCHANGES)
        yield one


def observe(stack: LocalStack, port: int) -> None:
    """Let the agent see all that is planted; keep its metrics and what it says beside its logs."""
    with stack.running("collect", "--node", "live") as agent:
        assert agent.stderr is not None
        said = observing_line(agent.stderr)
        assert "observing" in said
        ports = spoken()
        seen = f"FROM transactions FINAL WHERE node = 'live' AND client_port = {ports}"
        until(lambda: stack.count(f"SELECT count() {seen} AND vantage = 'client'") == EXCHANGES)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            (stack.place.logs / "metrics").write_bytes(answer.read())
        agent.send_signal(signal.SIGTERM)
        (stack.place.logs / "agent").write_text(said + agent.stderr.read())


def spoken() -> int:
    """Say on loopback all that is planted, as two programs do; return the client's port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            for from_client, octets in planted.written():
                sender, receiver = (client, server) if from_client else (server, client)
                sender.sendall(octets)
                taken = 0
                while taken < len(octets):
                    taken += len(receiver.recv(65_536))
            return int(client.getsockname()[1])


def scanned(octets: bytes, place: str) -> list[tuple[str, str, str]]:
    """Return (place, value, form) of everything planted there."""
    return [(place, value, form) for value, form in planted.found_in_text(octets)]


def topics(stack: LocalStack) -> dict[str, bytes]:
    """Return all that each topic holds: keys, headers and values, decompressed."""
    bootstrap = f"127.0.0.1:{stack.config.stack.kafka_port}"
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "scan", "enable.auto.commit": False})
    held: dict[str, bytes] = {}
    try:
        names = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(name, number, 0) for name, topic in names.items() for number in topic.partitions]
        left = {(one.topic, one.partition): bounds(consumer, one)[1] for one in places}
        consumer.assign(places)
        while any(left.values()):
            message = consumer.poll(10.0)
            assert message is not None, left
            assert not message.error(), message.error()
            place = (str(message.topic()), message.partition() or 0)
            if message.offset() + 1 >= left[place]:
                left[place] = 0
            parts = [message.key(), message.value(), *(value for _, value in message.headers() or ())]
            held[place[0]] = held.get(place[0], b"") + b"\n".join(filter(None, parts)) + b"\n"
    finally:
        consumer.close()
    return {**dict.fromkeys(names, b""), **held}


def test_no_topic_holds_any(stack: LocalStack) -> None:
    held = topics(stack)
    hits = [hit for name, octets in held.items() for hit in scanned(octets, name)]
    assert hits == []
    ours = {name for name in held if name.startswith("sbi.")}
    quiet = QUIET | OF_CLUSTERS | (OF_AGENTS if HINDRANCE else set())
    assert {name for name in ours if not held[name].strip()} <= quiet
    assert {"sbi.events", "sbi.transactions", "sbi.procedures.json", "sbi.state.pairing"} <= ours
    assert b"imsi-001-k1-" in held["sbi.events"]


def test_no_table_holds_any(stack: LocalStack) -> None:
    names = [row["name"] for row in stack.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")]
    assert {"transactions", "kpis", "procedures"} <= set(names)
    for name in names:
        columns = stack.rows(
            f"SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '{name}'"
        )
        states = [column["name"] for column in columns if column["type"].startswith("AggregateFunction")]
        if columns:  # the client reads no states: their octets
            as_hex = ", ".join(f"hex({one}) AS {one}" for one in states)
            replaced = f"REPLACE ({as_hex})" if states else ""
            rows = stack.rows(f"SELECT * {replaced} FROM {name} LIMIT 3000")
            octets = b" ".join(bytes.fromhex(str(row[one])) for row in rows for one in states)
            assert scanned(repr(rows).encode() + octets, name) == []


OUTPUTS = (
    ("status",),
    ("tail", "--from-beginning", "--count", str(EXCHANGES)),
    ("tail", "--from-beginning", "--count", str(EXCHANGES), "--json"),
    ("query", "--format", "csv", "SELECT * FROM transactions FINAL"),
    *(("trace", SUPI, "--from", "2020-01-01", "--format", form) for form in FORMATS),
)


@pytest.mark.parametrize("words", OUTPUTS, ids=lambda words: " ".join(words).replace(SUPI, "SUPI"))
def test_no_output_holds_any(stack: LocalStack, words: tuple[str, ...]) -> None:
    code, out, told = stack.run(*words)
    assert code == 0, told
    assert len(out) > 100
    assert scanned((out + told).encode(), words[0]) == []


def unpacked(octets: bytes, form: str) -> bytes:
    """Return what a report of a packed format says."""
    if form == "xlsx":
        book = zipfile.ZipFile(io.BytesIO(octets))
        return b"\n".join(book.read(name) for name in book.namelist())
    if form == "parquet":
        return repr(parquet.read_table(io.BytesIO(octets)).to_pylist()).encode()
    paper = pypdf.PdfReader(io.BytesIO(octets))
    return "\n".join([str(paper.metadata), *(page.extract_text() for page in paper.pages)]).encode()


@pytest.mark.parametrize("form", report.FORMATS)
@pytest.mark.parametrize("cut", ["nf", "operation"])
def test_no_report_holds_any(stack: LocalStack, tmp_path: Path, form: str, cut: str) -> None:
    made = tmp_path / "report"
    code, out, told = stack.run("report", "--by", cut, "--format", form, "--output", str(made))
    assert code == 0, told
    octets = made.read_bytes()
    said = unpacked(octets, form) if form in report.BINARY else octets
    assert len(said) > 100
    assert scanned(octets + said + (out + told).encode(), form) == []


def test_no_file_holds_any(stack: LocalStack) -> None:
    """Logs, states, figures, the broker's and the engine's files, as they lie on the disk."""
    files = [path for path in stack.place.root.rglob("*") if path.is_file()]
    assert {"kafka.log", "metrics"} <= {path.name for path in files} or HINDRANCE
    octets = {path: path.read_bytes().strip(b"\0") for path in files if path.stat().st_blocks}
    hits = [hit for path, found in octets.items() for hit in scanned(found, str(path))]
    assert hits == []


def test_tail_tells_only_what_is_asked_for(stack: LocalStack) -> None:
    words = ("tail", "--from-beginning", "--where", "node=file and status>=400", "--subscriber", SUPI, "--json")
    failed = stack.rows(
        "SELECT transaction_id FROM transactions FINAL WHERE node = 'file' AND status >= 400 AND supi LIKE 'imsi-%'"
    )
    code, out, told = stack.run(*words, "--count", str(len(failed)))
    assert code == 0, told
    assert {json.loads(line)["transaction_id"] for line in out.splitlines()} == {
        row["transaction_id"] for row in failed
    }


def test_tail_follows_what_comes_while_it_looks_on(stack: LocalStack, tmp_path: Path) -> None:
    (tmp_path / "later.pcap").write_bytes(planted.capture(1_795_382_000_000_000_000))
    with stack.running("tail", "--where", "node=later", "--count", str(EXCHANGES)) as tail:
        try:
            assert tail.stderr is not None
            assert "following" in tail.stderr.readline()
            code, _, told = stack.run("collect", "--source", str(tmp_path / "later.pcap"), "--node", "later")
            assert code == 0, told
            out, told = tail.communicate(timeout=60)
        finally:
            tail.kill()
    assert (tail.returncode, out.count("later wire"), told) == (0, EXCHANGES, "")
    assert scanned(out.encode(), "tail") == []
