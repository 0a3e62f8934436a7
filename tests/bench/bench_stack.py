"""The way through a real Kafka: collector to topic, pairing worker beside a plain loop.

python -m tests.bench.bench_stack
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from collector.batch import Batch
from collector.pcap_source import PcapSource
from deploy.capture import load_capture, meaning_of, run_capture
from deploy.topics import bring_topics, publish_schemas
from schemas.config import Kafka, Streams, load
from schemas.framing import frame, unframe
from schemas.kafka import client_settings
from streams.fold import Facts, batch_body
from streams.pairing import TRANSACTIONS, Pairing
from tests.bench.bench_pairing import EVENTS, messages
from tests.bench.line import show
from tests.broker import Broker, broker
from tests.stages import longs

SUITE = Path(__file__).parent.parent / "captures" / "open5gs-suite-scp.pcapng"
EXCHANGES, ROUNDS, RATE = 60_000, 3, 1_000
DELTAS = "sbi.kpi-deltas"
OUT = {TRANSACTIONS: 1, DELTAS: 1}
MADE = {TRANSACTIONS: "sbi_transaction_batch", DELTAS: "kpi_delta_batch"}


def collector_to_kafka(kafka: Broker) -> None:
    """Load the suite under ROUNDS names; beside it the same without Kafka."""
    config = load(None)
    published, alone = [], []
    events = 0

    def count(made: Batch) -> None:
        nonlocal events
        events += len(made.events)

    for number in range(ROUNDS):
        prefix = f"c{number}."
        topics(kafka, prefix)
        named = replace(config, kafka=Kafka(bootstrap=kafka.bootstrap, partitions=1, topic_prefix=prefix))
        published.append(seconds(lambda named=named: load_capture(named, PcapSource(SUITE))))  # type: ignore[misc]
        events = 0
        alone.append(seconds(lambda: run_capture(PcapSource(SUITE), config, meaning_of(config.collector), count)))
    rates = (events / statistics.median(times) for times in (published, alone))
    delivered, made = rates
    show("capture to Kafka, delivered", delivered, "events/s", "to events, without Kafka", made)


def pairing_worker(kafka: Broker) -> None:
    """Let the real worker and a plain loop around the same fold work through the same topic, in turn."""
    bodies = messages(EXCHANGES)
    feed(kafka, "sbi.events", bodies)
    ours, theirs = [], []
    for number in range(ROUNDS):
        ours.append(by_worker(kafka, number))
        theirs.append(by_loop(kafka, number))
    show(
        "pairing worker (Faust), one partition", statistics.median(ours), "events/s",
        "confluent-kafka loop around the same fold", statistics.median(theirs),
    )  # fmt: skip


def feed(kafka: Broker, topic: str, bodies: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"})
    for body in bodies:
        producer.produce(topic, frame("sbi_event_batch", body), partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0


def topics(kafka: Broker, prefix: str) -> None:
    """Make all topics, of one partition, under a prefix."""
    config = Kafka(bootstrap=kafka.bootstrap, partitions=1, topic_prefix=prefix)
    settings = client_settings(config, kafka.bootstrap)
    list(bring_topics(settings, config))
    list(publish_schemas(settings, config))


def by_worker(kafka: Broker, number: int) -> float:
    """Return the events a second of a worker that begins with the topic's first message."""
    prefix = f"w{number}."
    topics(kafka, prefix)
    feed(kafka, prefix + "sbi.events", messages(EXCHANGES))
    environment = {
        "SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SBISCOPE_KAFKA_PARTITIONS": "1",
        "SBISCOPE_KAFKA_TOPIC_PREFIX": prefix,
    }
    command = [sys.executable, "-m", "deploy.cli", "streams", "--stage", "pairing", "--instance", "bench"]
    return measured(kafka, prefix, command, os.environ | environment)


def by_loop(kafka: Broker, number: int) -> float:
    """Return the events a second of the plain loop, in a process of its own."""
    prefix = f"l{number}."
    topics(kafka, prefix)
    command = [sys.executable, "-m", "tests.bench.bench_stack", "loop", kafka.bootstrap, prefix]
    return measured(kafka, prefix, command, dict(os.environ))


def measured(kafka: Broker, prefix: str, command: list[str], environment: dict[str, str]) -> float:
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            return rate(kafka, prefix + TRANSACTIONS)
        finally:
            process.terminate()
            process.wait(30)


def loop(bootstrap: str, prefix: str) -> None:
    """Consume, fold, produce: no numbering kept, no checkpoint, no commit."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "loop", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("sbi.events", 0, 0)])
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 5})
    fold = Pairing(Facts(0, OUT), Streams())
    while True:
        for message in consumer.consume(500, 0.1):
            body = unframe(message.value())[1]
            for rows in fold.apply(message.timestamp()[1], EVENTS, body):
                made = batch_body(0, rows.first_number, rows.records)
                producer.produce(prefix + rows.topic, frame(MADE[rows.topic], made), partition=0)
        producer.poll(0)


def rate(kafka: Broker, topic: str) -> float:
    """Wait for all transactions; return the events a second between the topic's first and last message."""
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "rate", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(topic, 0, 0)])
    first = last = counted = begun = 0
    end = time.monotonic() + 120
    while counted < EXCHANGES and time.monotonic() < end:
        for message in reader.consume(500, 1.0):
            if message.error() is None and message.value():
                last = message.timestamp()[1]
                counted += rows_in(unframe(message.value())[1])
                if not first:
                    first, begun = last, counted
    reader.close()
    assert counted >= EXCHANGES, f"{counted} of {EXCHANGES}"
    return 2 * (counted - begun) / (last - first) * 1_000


def rows_in(body: bytes) -> int:
    """Return how many rows a batch holds: its third number."""
    return longs(body[:30])[2]


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    """Measure all."""
    if sys.argv[1:2] == ["loop"]:
        loop(*sys.argv[2:4])
    with broker() as kafka:
        topics(kafka, "")
        pairing_worker(kafka)
        collector_to_kafka(kafka)


if __name__ == "__main__":
    main()
