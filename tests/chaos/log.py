"""The log of a topic as a fold takes it, with its append times."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition


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
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "truth", "log_level": 0})
    for partition in range(partitions):
        end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        reader.assign([TopicPartition(topic, partition, 0)])
        at = 0
        while at < end:
            message: Any = reader.poll(10)
            assert message is not None and not message.error()
            at = message.offset() + 1
            yield Logged(partition, message.offset(), message.timestamp()[1], message.key(), message.value() or b"")
    reader.close()
