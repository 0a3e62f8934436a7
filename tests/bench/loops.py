"""What the workers are compared with: loops around a real Kafka, each in a process of its own.

python -m tests.bench.loops NAME BOOTSTRAP PREFIX

`pairing` and `kpis` run our folds with nothing kept: no numbering checked, no checkpoint, no commit. `pairing_avro` and
`kpis_avro` are what one would write first: fastavro and dictionaries; no deadlines, no loss, no both ends, no state.
`single` and `single_kpis` are Faust agents that are given event by event, cell by cell.
"""

import io
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import fastavro
import faust
import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.config import Streams
from schemas.fields import document
from schemas.framing import frame, unframe
from schemas.identity import content_id
from schemas.plain import without_logical_types
from streams.fold import Facts, Fold, batch_body
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing

EVENTS, DELTAS = "sbi.events", "sbi.kpi-deltas"
BATCH = fastavro.parse_schema(without_logical_types(document("sbi_event_batch")))
EVENT = BATCH["fields"][-1]["type"]["items"]  # type: ignore[index,call-overload]
ROW = fastavro.parse_schema(without_logical_types(document("sbi_transaction_batch")))["fields"][-1]["type"]["items"]  # type: ignore[index,call-overload]
DELTA = fastavro.parse_schema(without_logical_types(document("kpi_delta_batch")))
KPI = fastavro.parse_schema(without_logical_types(document("kpi")))
SHARED = {field["name"]: field.get("default") for field in ROW["fields"]}
MADE = {TRANSACTIONS: "sbi_transaction_batch", DELTAS: "kpi_delta_batch", KPIS: "kpi"}
Waiting = dict[tuple[str, int], dict[str, Any]]
Record = dict[str, Any]
LEAST: Record = {"string": "", "boolean": False, "array": [], "map": {}, "double": 0.0, "float": 0.0, "bytes": b""}


class Loop:
    """Consumes one topic from its beginning and produces under the same prefix."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "loop", "log_level": 0})
        settings = {"compression.type": "lz4", "linger.ms": 5, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._prefix = prefix

    def messages(self, topic: str) -> Iterator[Message]:
        """Yield what comes, for ever."""
        self._consumer.assign([TopicPartition(self._prefix + topic, 0, 0)])
        while True:
            yield from self._consumer.consume(500, 0.1)
            self._producer.poll(0)

    def produce(self, topic: str, value: bytes, key: str | None = None) -> None:
        """Queue a message; a full queue is waited for."""
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key, 0)
            except BufferError:
                self._producer.poll(0.01)
            else:
                return


def around(loop: Loop, fold: Fold, topic: str, schema: Any) -> None:
    """Run one of our folds."""
    for message in loop.messages(topic):
        for rows in fold.apply(message.timestamp()[1], schema, unframe(message.value() or b"")[1]):
            if rows.keys:
                for key, record in zip(rows.keys, rows.records, strict=True):
                    loop.produce(rows.topic, frame("kpi", record) if rows.topic == KPIS else record, key.decode())
            else:
                made = batch_body(0, rows.first_number, rows.records)
                loop.produce(rows.topic, frame(MADE[rows.topic], made))


def pairing(loop: Loop) -> None:
    around(loop, Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 1}), Streams()), EVENTS, document("sbi_event_batch"))


def kpis(loop: Loop) -> None:
    around(loop, KpiWindows(Facts(0, {KPIS: 1, KPIS_JSON: 1}), Streams()), DELTAS, document("kpi_delta_batch"))


def pairing_avro(loop: Loop) -> None:
    waiting: Waiting = {}
    numbered = 1
    for message in loop.messages(EVENTS):
        batch: Any = fastavro.schemaless_reader(io.BytesIO(unframe(message.value() or b"")[1]), BATCH, None)
        rows = [row for event in batch["events"] if (row := paired(waiting, event, batch)) is not None]
        records = [encoded(ROW, row) for row in rows]
        if records:
            loop.produce(TRANSACTIONS, frame("sbi_transaction_batch", batch_body(0, numbered, records)))
            numbered += len(records)


def paired(waiting: Waiting, event: Record, batch: Record) -> Record | None:
    """Keep a request; return the row of an answer."""
    key = event["connection_id"], event["stream_id"]
    if event["half"] == "request":
        waiting[key] = event
        return None
    asked = waiting.pop(key, None)
    if asked is None:
        return None
    row = {name: event.get(name) if event.get(name) is not None else asked.get(name, no) for name, no in SHARED.items()}
    row |= {"transaction_id": content_id(*map(str, key)), "version": 2, "outcome": "success"}
    row |= {"site": batch["site"], "node": batch["node"], "shard": 0, "deadline_ms": 10_000}
    return row | {"incarnation": batch["incarnation"], "request_us": asked["first_byte_us"], "to_proxy": False}


def encoded(schema: Any, record: Record) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def kpis_avro(loop: Loop) -> None:
    windows: dict[int, dict[tuple[Any, ...], Counter[str]]] = {}
    for message in loop.messages(DELTAS):
        batch: Any = fastavro.schemaless_reader(io.BytesIO(unframe(message.value() or b"")[1]), DELTA, None)
        for delta in batch["deltas"]:
            for kpi in added(windows, delta):
                loop.produce(KPIS, frame("kpi", encoded(KPI, kpi)), kpi["kpi_id"])
                loop.produce(KPIS_JSON, msgspec.json.encode(kpi), kpi["kpi_id"])


def added(windows: dict[int, dict[tuple[Any, ...], Counter[str]]], delta: Record) -> Iterator[Record]:
    """Add a delta's cells; yield the KPIs of windows that are over by it."""
    for cell in delta["cells"]:
        add(windows, delta, cell)
    for start_us in [one for one in windows if one + 10_000_000 <= delta["watermark_us"]]:
        for key, counts in windows.pop(start_us).items():
            yield summed(start_us, key, counts)


def add(windows: dict[int, dict[tuple[Any, ...], Counter[str]]], delta: Record, cell: Record) -> None:
    key = (*(cell[name] for name in KEY), delta["site"], delta["node"])
    counts = windows.setdefault(cell["window_start_us"], {}).setdefault(key, Counter())
    for name, value in cell.items():
        if type(value) is int and name not in ("window_start_us", "server_port"):
            counts[name] += value
    for one in cell["latencies"]:
        counts[f"latency {one['index']}"] += one["count"]


KEY = ("operation", "consumer_nf", "producer_nf", "producer_nf_instance", "snssai", "dnn", "plmn", "to_proxy")


def summed(start_us: int, key: tuple[Any, ...], counts: "Counter[str]") -> Record:
    """Return a record of the schema: what the dictionaries hold, nothing where they hold nothing."""
    named = dict(zip((*KEY, "site", "node"), key, strict=True))
    kpi = {field["name"]: nothing(field["type"]) for field in KPI["fields"]}  # type: ignore[index,call-overload]
    kpi |= {name: count for name, count in counts.items() if name in kpi}
    return kpi | named | {"kpi_id": content_id("10", *map(str, key)), "window_start_us": start_us, "window_s": 10}


def nothing(kind: Any) -> Any:
    """Return the least value of an Avro type."""
    if isinstance(kind, list):
        return None if "null" in kind else nothing(kind[0])
    name = kind["type"] if isinstance(kind, dict) else kind
    if name == "enum":
        return kind["symbols"][0]
    return LEAST.get(name, 0)


def single(bootstrap: str, prefix: str) -> None:
    """Run a Faust agent: fastavro decodes one event, a dictionary pairs, a message a row leaves."""
    waiting: Waiting = {}
    batch = {"site": "", "node": "bench", "incarnation": "bench"}

    def pair(value: bytes) -> Iterator[tuple[str, bytes]]:
        event: Any = fastavro.schemaless_reader(io.BytesIO(value), EVENT, None)
        row = paired(waiting, event, batch)
        if row is not None:
            yield TRANSACTIONS, frame("sbi_transaction_batch", batch_body(0, 1, [encoded(ROW, row)]))

    agent(bootstrap, prefix, EVENTS, pair)


def single_kpis(bootstrap: str, prefix: str) -> None:
    """Run a Faust agent: fastavro decodes a cell, dictionaries add up, two messages a KPI leave."""
    windows: dict[int, dict[tuple[Any, ...], Counter[str]]] = {}

    def count(value: bytes) -> Iterator[tuple[str, bytes]]:
        batch: Any = fastavro.schemaless_reader(io.BytesIO(value), DELTA, None)
        for delta in batch["deltas"]:
            for kpi in added(windows, delta):
                yield KPIS, frame("kpi", encoded(KPI, kpi))
                yield KPIS_JSON, msgspec.json.encode(kpi)

    agent(bootstrap, prefix, DELTAS, count)


def agent(bootstrap: str, prefix: str, topic: str, made: Callable[[bytes], Iterator[tuple[str, bytes]]]) -> None:
    """Run Faust with an agent that sends what is made of each message."""
    logging.disable(logging.ERROR)
    app = faust.App(
        f"{prefix}single",
        broker=f"kafka://{bootstrap}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="sbiscope-bench-"),
    )
    raw = {"value_serializer": "raw", "value_type": bytes, "key_serializer": "raw", "key_type": bytes}
    outputs = {name: app.topic(prefix + name, **raw) for name in (TRANSACTIONS, KPIS, KPIS_JSON)}

    async def take(values: Any) -> None:
        async for value in values:
            for name, told in made(value):
                await outputs[name].send(value=told, partition=0, force=True)

    app.agent(app.topic(prefix + topic, **raw))(take)
    app.finalize()
    faust.Worker(app, loglevel="ERROR", quiet=True, redirect_stdouts=False).execute_from_commandline()


SINGLES = {"single": single, "single_kpis": single_kpis}
LOOPS: dict[str, Callable[[Loop], None]] = {
    "pairing": pairing,
    "kpis": kpis,
    "pairing_avro": pairing_avro,
    "kpis_avro": kpis_avro,
}

if __name__ == "__main__":
    name, *place = sys.argv[1:]
    if name in SINGLES:
        SINGLES[name](*place)
    else:
        LOOPS[name](Loop(*place))
