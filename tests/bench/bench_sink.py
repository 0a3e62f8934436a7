"""Rows a second into ClickHouse: batches reframed undecoded, beside decoding them and inserting columns; JSON lines.

    python -m tests.bench.bench_sink [ROWS] [URL]

URL: a ClickHouse server's (with user and password in SBISCOPE_CLICKHOUSE_USER, …_PASSWORD); default: the engine in this
process, whose own work then counts as ours: the CPU of the client alone is measured without it.
"""

import io
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

import fastavro
from clickhouse_connect.driver.client import Client

from streams.clickhouse import Account, connect, rows
from streams.fold import batch_body, zigzag
from streams.migrate import Form, migrate
from streams.reframe import Layout
from streams.sink import TARGETS, Gathering
from streams.store import Table
from tests import generate
from tests.bench.line import show

ROWS, MESSAGE, BLOCK, ROUNDS = 100_000, 200, 20_000, 3
POOL, RATE = 10_000, 1_000  # different rows, and how many of them a second of their own times
SCHEMA = json.loads((generate.SCHEMAS / "sbi_transaction_batch.avsc").read_text())
TICKS = {name for name in generate.NAMES if name.endswith("_us") and name != "duration_us"}


def batches(count: int) -> list[bytes]:
    """Return `count` rows as messages of MESSAGE: ten thousand, again and again, ids and times going on as in traffic.

    Within a second they stand in any order: what many collectors tell comes as answers and flushes have it.
    """
    layout = Layout(SCHEMA)
    record = fastavro.parse_schema(SCHEMA["fields"][-1]["type"]["items"])
    assert layout.columns[0] == "transaction_id"
    rows = list(generate.transactions(POOL, rate=RATE))
    rows.sort(key=lambda row: (row["request_us"] // 1_000_000, row["transaction_id"]))
    pool = [_split(_encoded(record, row)[1 + len(row["transaction_id"]) :], row) for row in rows]
    rows_of = (range(first, min(first + MESSAGE, count)) for first in range(0, count, MESSAGE))
    return [batch_body(0, one.start + 1, [_record(n, *pool[n % POOL]) for n in one]) for one in rows_of]


def _split(octets: bytes, row: dict[str, Any]) -> tuple[list[bytes], list[int]]:
    """Return a record's octets around its times, and these."""
    times = {zigzag(row[name]): row[name] for name in TICKS if row[name] is not None}
    parts = re.split(b"(" + b"|".join(map(re.escape, times)) + b")", octets)
    return parts, [times[one] for one in parts[1::2]]


def _record(number: int, parts: list[bytes], times: list[int]) -> bytes:
    parts = parts.copy()
    parts[1::2] = [zigzag(time_us + number // POOL * POOL * 1_000_000 // RATE) for time_us in times]
    return b"".join((b"\x40%032x" % number, *parts))


def _encoded(schema: object, row: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, row)  # type: ignore[arg-type]
    return out.getvalue()


def reframed(client: Client, messages: list[bytes]) -> None:
    """The sink's way."""
    feed(messages, Table(client, TARGETS["transactions"].table).store)


def feed(messages: list[bytes], store: Callable[..., None]) -> None:
    """Gather and store in blocks, as the worker does."""
    sink = Gathering(TARGETS["transactions"])
    sink.assign(0, b"")
    for offset, body in enumerate(messages):
        sink.take(0, offset, body, SCHEMA, body)
        if sink.rows >= BLOCK:
            sink.seal().store(store)
    sink.seal().store(store)


def swallow(_: Layout, pieces: Iterable[bytes]) -> None:
    """Store nothing."""
    for _piece in pieces:
        pass


def decoded(client: Client, messages: list[bytes]) -> None:
    """The baseline: fastavro decodes, clickhouse-connect inserts columns, integers for times, types given."""
    where = "database = currentDatabase() AND table = 'transactions'"
    kinds = dict(rows(client, f"SELECT name, type FROM system.columns WHERE {where}"))
    block: list[dict[str, object]] = []
    for place, body in enumerate(messages, 1):
        block += fastavro.schemaless_reader(io.BytesIO(body), PLAIN, None)["transactions"]
        if len(block) >= BLOCK or place == len(messages):
            columns = [[row[name] for row in block] for name in generate.NAMES]
            client.insert(
                "transactions",
                columns,
                column_names=generate.NAMES,
                column_oriented=True,
                column_type_names=[kinds[name] for name in generate.NAMES],
            )
            block = []


def _plain_schema() -> object:
    """Return the schema without logical types: times stay integers, the fastest the baseline can be."""
    text = json.dumps(SCHEMA).replace('"logicalType": "timestamp-micros"', '"note": ""')
    return fastavro.parse_schema(json.loads(text))


PLAIN = _plain_schema()


def measured(run: Callable[[], None]) -> tuple[float, float]:
    """Return wall and CPU seconds of `run`."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def main(count: int = ROWS, url: str = "") -> None:
    """Run both ways in turn and print the medians."""
    user = os.environ.get("SBISCOPE_CLICKHOUSE_USER", "default")
    password = os.environ.get("SBISCOPE_CLICKHOUSE_PASSWORD", "")
    account = Account(url or f"chdb://{tempfile.mkdtemp()}", "bench_sink", user, password)
    migrator = connect(account, "default")
    migrator.command(f"DROP DATABASE IF EXISTS {account.database}")
    migrate(migrator, Form(account.database), "bench")
    client, messages = connect(account), batches(count)
    ours, theirs, alone = [], [], []
    for _ in range(ROUNDS):
        for ways, way in ((ours, reframed), (theirs, decoded)):
            client.command("TRUNCATE TABLE transactions")
            ways.append(measured(lambda way=way: way(client, messages)))
        alone.append(measured(lambda: feed(messages, swallow)))
    stored = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'transactions'"
    size = rows(client, stored)
    wall, cpu = (statistics.median(one[place] for one in ours) for place in (0, 1))
    their_wall, their_cpu = (statistics.median(one[place] for one in theirs) for place in (0, 1))
    show("sink rows a second", count / wall, "rows/s", "decode + column insert", count / their_wall)
    show("sink CPU a row", cpu / count * 1e6, "us", "decode + column insert", their_cpu / count * 1e6)
    show(
        "sink CPU a row without the insert",
        statistics.median(one[1] for one in alone) / count * 1e6,
        "us",
        "decode + column insert",
        their_cpu / count * 1e6,
    )
    show("stored bytes a row", float(size[0][0]), "B", "Avro", sum(map(len, messages)) / count)
    client.command(f"DROP DATABASE {account.database}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, sys.argv[2] if len(sys.argv) > 2 else "")
