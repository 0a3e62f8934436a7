"""The client library's own broker as a process's Kafka, and what was published to it, decoded."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.fields import document
from schemas.framing import unframe


@contextmanager
def mock_broker() -> Iterator[str]:
    """Give the address of a broker that lives as long as the block; every topic asked for is there."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del owner


def _read(value: bytes, parsed: Any) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(unframe(value)[1]), parsed, None)


def published(bootstrap: str, topic: str, schema: str, wait_s: float = 3.0) -> list[dict[str, Any]]:
    """Return the records of a topic, read until nothing comes for a second, at most `wait_s`; `schema` "": JSON."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest", "log_level": 0}
    consumer = Consumer(settings)
    found = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in found])
    parsed = fastavro.parse_schema(dict(document(schema))) if schema else None
    records, until = [], time.monotonic() + wait_s
    while time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            value = message.value()
            record = _read(value, parsed) if parsed else json.loads(value)
            records.append(record)
            until = max(until, time.monotonic() + 1.0)
    consumer.close()
    return records
