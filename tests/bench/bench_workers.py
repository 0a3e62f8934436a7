"""Events a second of the real pairing and KPI workers on a real Kafka, beside loops and a Faust agent; JSON lines.

python -m tests.bench.bench_workers [EXCHANGES]
"""

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import fastavro
import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.topics import bring_topics, publish_schemas
from schemas.config import Kafka
from schemas.config import Streams as StreamsConfig
from schemas.framing import frame, unframe
from schemas.kafka import client_settings
from streams.fold import Facts, batch_body
from streams.kpi_windows import KPIS_JSON
from streams.pairing import TRANSACTIONS, Pairing
from tests.bench.bench_pairing import EVENTS as EVENT_BATCH
from tests.bench.bench_pairing import OUT, T0, messages
from tests.bench.line import show
from tests.bench.loops import BATCH, DELTA, DELTAS, EVENT, EVENTS, encoded
from tests.broker import Broker, broker
from tests.stages import longs

EXCHANGES, ROUNDS, SINGLES = 120_000, 3, 4_000
CELLS = 47
SINGLE_DELTAS = 710  # seven windows
WITHIN_S = 180

Measure = Callable[[Broker, str], float]


def pairing(kafka: Broker, exchanges: int) -> None:
    """Let the worker and the loops work through the same events, in turn."""
    bodies = [frame("sbi_event_batch", body) for body in messages(exchanges)]
    rate = partial(transactions_a_second, wanted=exchanges)
    commands = worker("pairing"), looping("pairing"), looping("pairing_avro")
    ours, loop, avro = in_turn(kafka, EVENTS, bodies, rate, commands)
    show("pairing worker (Faust), one partition", ours, "events/s", "confluent-kafka loop around the same fold", loop)
    show("pairing worker (Faust), one partition", ours, "events/s", "confluent-kafka and fastavro loop", avro)
    rate = partial(transactions_a_second, wanted=SINGLES)
    (alone,) = in_turn(kafka, EVENTS, single_events(), rate, (looping("single"),))
    show("pairing worker (Faust), one partition", ours, "events/s", "Faust agent, an event a message", alone)


def kpis(kafka: Broker, cells: int) -> None:
    """Let the worker and the loops work through the same cells, in turn."""
    deltas = [*many_deltas(cells // CELLS)]
    bodies = [frame("kpi_delta_batch", body) for body in deltas]
    rate = partial(cells_a_second, deltas=deltas)
    ours, loop, avro = in_turn(kafka, DELTAS, bodies, rate, (worker("kpis"), looping("kpis"), looping("kpis_avro")))
    show("KPI worker (Faust), one partition", ours, "cells/s", "confluent-kafka loop around the same fold", loop)
    show("KPI worker (Faust), one partition", ours, "cells/s", "confluent-kafka and fastavro loop", avro)
    cellwise = [*single_cells(deltas[:SINGLE_DELTAS])]
    rate = partial(cells_a_second, deltas=cellwise)
    (alone,) = in_turn(kafka, DELTAS, cellwise, rate, (looping("single_kpis"),))
    show("KPI worker (Faust), one partition", ours, "cells/s", "Faust agent, a cell a message", alone)


def many_deltas(count: int) -> Iterator[bytes]:
    """Yield batches of CELLS different cells each, as a real one has them, a tenth of a second after one another."""
    batch: Any = fastavro.schemaless_reader(io.BytesIO(last_deltas(messages(10_000))), DELTA, None)
    (delta,) = batch["deltas"][-1:]
    cell = delta["cells"][0]
    for number in range(count):
        now_us = delta["since_us"] + number * 100_000
        start_us = now_us // 10_000_000 * 10_000_000
        cells = [
            cell | {"window_start_us": start_us, "operation": f"Nudm_SDM_{key % 23}", "snssai": str(key // 23)}
            for key in range(CELLS)
        ]
        told = delta | {"watermark_us": now_us - 1_000_000, "cells": cells}
        yield encoded(DELTA, batch | {"first_number": number + 1, "deltas": [told]})


def single_cells(deltas: list[bytes]) -> Iterator[bytes]:
    """Yield the cells of some batches, each a message."""
    for body in deltas:
        batch: Any = fastavro.schemaless_reader(io.BytesIO(body), DELTA, None)
        (delta,) = batch["deltas"]
        yield from (encoded(DELTA, batch | {"deltas": [delta | {"cells": [cell]}]}) for cell in delta["cells"])


def last_deltas(bodies: list[bytes]) -> bytes:
    """Return the last batch of cells that pairing makes of these events."""
    pairing_fold, told = Pairing(Facts(0, OUT), StreamsConfig()), b""
    for number, body in enumerate(bodies):
        for rows in pairing_fold.apply(T0 // 1_000 + number * 20, EVENT_BATCH, body):
            if rows.topic == DELTAS:
                told = batch_body(0, rows.first_number, rows.records)
    return told


def single_events() -> Iterator[bytes]:
    """Yield the events of some exchanges, each a message."""
    for body in messages(SINGLES):
        batch: Any = fastavro.schemaless_reader(io.BytesIO(body), BATCH, None)
        yield from (encoded(EVENT, event) for event in batch["events"])


def in_turn(
    kafka: Broker, topic: str, bodies: Iterable[bytes], rate: Measure, commands: tuple[list[str], ...]
) -> list[float]:
    """Return what each command reaches, the median of all rounds; each begins with a topic of its own."""
    bodies = list(bodies)
    found: dict[int, list[float]] = {}
    for turn in range(ROUNDS):
        for number, command in enumerate(commands):
            prefix = f"{topic}{len(bodies)}.{turn}.{number}."
            topics(kafka, prefix)
            feed(kafka, prefix + topic, bodies)
            found.setdefault(number, []).append(run(kafka, prefix, command, rate))
    return [statistics.median(one) for one in found.values()]


def worker(stage: str) -> list[str]:
    return ["deploy.cli", "streams", "--stage", stage, "--instance", "bench"]


def looping(name: str) -> list[str]:
    return ["tests.bench.loops", name, "{bootstrap}", "{prefix}"]


def run(kafka: Broker, prefix: str, command: list[str], rate: Measure) -> float:
    """Measure one process, which is ended afterwards."""
    with started(kafka, prefix, command):
        return rate(kafka, prefix)


@contextmanager
def started(kafka: Broker, prefix: str, command: list[str], **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one process on topics of one partition, `more` in its environment, and end it."""
    words = [word.format(bootstrap=kafka.bootstrap, prefix=prefix) for word in command]
    environment = os.environ | {
        "SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SBISCOPE_KAFKA_PARTITIONS": "1",
        "SBISCOPE_KAFKA_TOPIC_PREFIX": prefix,
        **more,
    }
    with subprocess.Popen([sys.executable, "-m", *words], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def topics(kafka: Broker, prefix: str) -> None:
    """Make all topics, of one partition, under a prefix."""
    config = Kafka(bootstrap=kafka.bootstrap, partitions=1, topic_prefix=prefix)
    settings = client_settings(config, kafka.bootstrap)
    list(bring_topics(settings, config))
    list(publish_schemas(settings, config))


def feed(kafka: Broker, topic: str, bodies: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"})
    for body in bodies:
        producer.produce(topic, body, partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0


def transactions_a_second(kafka: Broker, prefix: str, wanted: int) -> float:
    """Wait for all transactions; return the events a second between the topic's first and last message."""
    first = last = counted = begun = 0
    for value, append_ms in told(kafka, prefix + TRANSACTIONS):
        counted += longs(unframe(value)[1][:30])[2]
        last = append_ms
        if not first:
            first, begun = last, counted
        if counted >= wanted:
            return 2 * (counted - begun) / (last - first) * 1_000
    raise AssertionError(f"{counted} of {wanted}")


def cells_a_second(kafka: Broker, prefix: str, deltas: list[bytes]) -> float:
    """Wait for the last whole window; return the cells a second between the first publications of two windows."""
    cells = cells_by_window(deltas)
    begin, *_, end = sorted(cells)[1:-3]
    seen: dict[int, int] = {}
    for start_us, append_ms in published(kafka, prefix):
        seen.setdefault(start_us, append_ms)
        if begin in seen and end in seen:
            taken = sum(count for start_us, count in cells.items() if begin < start_us <= end)
            return taken / (seen[end] - seen[begin]) * 1_000
    raise AssertionError(f"{len(seen)} windows of {len(cells)}")


def cells_by_window(deltas: list[bytes]) -> dict[int, int]:
    found: dict[int, int] = {}
    for body in deltas:
        batch: Any = fastavro.schemaless_reader(io.BytesIO(body), DELTA, None)
        for cell in (cell for delta in batch["deltas"] for cell in delta["cells"]):
            found[cell["window_start_us"]] = found.get(cell["window_start_us"], 0) + 1
    return found


def published(kafka: Broker, prefix: str) -> Iterator[tuple[int, int]]:
    """Yield the start of each published window of 10 s, and when that was appended."""
    for value, append_ms in told(kafka, prefix + KPIS_JSON):
        row = msgspec.json.decode(value)
        if row["window_s"] == 10:
            yield row["window_start_us"], append_ms


def told(kafka: Broker, topic: str) -> Iterator[tuple[bytes, int]]:
    """Yield value and append time of a topic's messages as they come."""
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "told", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, 0)])
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        for message in reader.consume(500, 1.0):
            if message.error() is None and message.value():
                yield message.value() or b"", message.timestamp()[1]
    reader.close()


def main() -> None:
    """Measure all."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else EXCHANGES
    with broker() as kafka:
        pairing(kafka, exchanges)
        kpis(kafka, 3 * exchanges)


if __name__ == "__main__":
    main()
