"""A plain consumer: messages of any topic with one record each, as JSON lines. It uses nothing of sbiscope's code.

python consume.py BOOTSTRAP TOPIC [REGISTRY]: reads to the present end of the topic. A real one would join a group
(`subscribe`), keep what it has of the highest `version` of each key, and commit.
"""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import fastavro
from confluent_kafka import Consumer, Message, TopicPartition

SCHEMAS = "sbi.schemas"


def messages(bootstrap: str, topic: str) -> Iterator[Message]:
    """Yield what the topic holds now."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "example", "enable.auto.commit": False}
    consumer = Consumer(settings)
    for partition in consumer.list_topics(topic, 10).topics[topic].partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        consumer.assign([TopicPartition(topic, partition, first)])
        while first < end:
            message = consumer.poll(10)
            if message is None or message.error():
                raise SystemExit(f"{topic}: {message.error() if message else 'nothing came'}")
            first = message.offset() + 1
            if message.value():  # an empty one only tells that time passed
                yield message
    consumer.close()


def plain(schema: Any) -> Any:
    """Return a schema without logical types: times stay the whole microseconds that they are."""
    if isinstance(schema, dict):
        return {name: plain(value) for name, value in schema.items() if name != "logicalType"}
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


class Schemas:
    """Finds the schema that wrote a message: by its fingerprint in sbi.schemas, or by its id in a registry."""

    def __init__(self, bootstrap: str, registry: str) -> None:
        self._registry = registry
        texts = {message.key(): message.value() for message in messages(bootstrap, SCHEMAS)}
        self._known = {b"\xc3\x01" + key: self._parsed(text) for key, text in texts.items()}

    def record(self, value: bytes) -> Any:
        """Return the record that a message holds."""
        size = 10 if value.startswith(b"\xc3\x01") else 5
        mark, body = value[:size], value[size:]
        if mark not in self._known:
            number = int.from_bytes(mark[1:5], "big")
            with urlopen(f"{self._registry}/schemas/ids/{number}", timeout=10) as answer:  # noqa: S310
                self._known[mark] = self._parsed(json.load(answer)["schema"])
        return fastavro.schemaless_reader(io.BytesIO(body), self._known[mark], None)

    @staticmethod
    def _parsed(text: bytes | str) -> Any:
        return fastavro.parse_schema(plain(json.loads(text)))


def main(bootstrap: str, topic: str, registry: str = "") -> None:
    """Write the topic's records to standard output."""
    schemas = Schemas(bootstrap, registry)
    for message in messages(bootstrap, topic):
        print(json.dumps(schemas.record(message.value())))


if __name__ == "__main__":
    main(*sys.argv[1:])
