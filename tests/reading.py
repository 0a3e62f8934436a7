"""Reads all that a topic holds, framing taken off."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition

MARK_BYTES = 10  # Avro single-object encoding: C3 01 and the fingerprint


def bodies(bootstrap: str, topic: str, partitions: int) -> Iterator[bytes]:
    """Yield the body of each message."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reading", "log_level": 0})
    for partition in range(partitions):
        end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        reader.assign([TopicPartition(topic, partition, 0)])
        at = 0
        while at < end:
            message: Any = reader.poll(10)
            assert message is not None
            assert not message.error()
            at = message.offset() + 1
            if message.value():
                yield message.value()[MARK_BYTES:]
    reader.close()
