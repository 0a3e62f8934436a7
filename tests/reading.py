"""Reads all that a topic holds: its log with append times, or the bodies alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from schemas.kafka_bounds import bounds

MARK_BYTES = 10  # Avro single-object encoding: C3 01 and the fingerprint


@dataclass(frozen=True, slots=True)
class Logged:
    """One message; an empty value is a tick."""

    partition: int
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes


def log(bootstrap: str, topic: str, partitions: int) -> Iterator[Logged]:
    """Yield all that a topic holds now, partition by partition."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reading", "log_level": 0})
    for partition in range(partitions):
        end = bounds(reader, TopicPartition(topic, partition))[1]
        reader.assign([TopicPartition(topic, partition, 0)])
        at = 0
        while at < end:
            message: Any = reader.poll(60)  # a broker of a machine under load answers late
            assert message is not None
            assert not message.error()
            at = message.offset() + 1
            yield Logged(partition, message.offset(), message.timestamp()[1], message.key(), message.value() or b"")
    reader.close()


def bodies(bootstrap: str, topic: str, partitions: int) -> Iterator[bytes]:
    """Yield the body of each message, framing taken off."""
    return (one.value[MARK_BYTES:] for one in log(bootstrap, topic, partitions) if one.value)
