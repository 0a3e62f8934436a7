"""Records of a topic of batches as they come, each once, from all its partitions, whatever release wrote them."""

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaException, TopicPartition

from deploy.registry import registered
from deploy.sinks import client
from schemas.config import Config
from schemas.fields import document
from schemas.kafka_bounds import bounds
from schemas.plain import without_logical_types
from schemas.refusal import Refusal
from streams.runtime.reader import Reader
from streams.runtime.writers import Schema, Writers

CONTACT_S = 10.0
POLL_S = 0.2

Row = dict[str, Any]


class Following:
    """What is told in one topic of batches from now on, or from its beginning."""

    def __init__(self, config: Config, topic: str, schema: str, from_beginning: bool) -> None:
        """Make contact. `schema`: of the batches, whose last field holds the rows. Raises Refusal: no topic to read."""
        ours = without_logical_types(document(schema))
        self._records = ours["fields"][-1]["name"]
        self._ours = fastavro.parse_schema(ours)
        self.unreadable = 0
        self._told: dict[tuple[int, int], int] = {}  # the last number, by partition and its writer's
        settings = client(config)
        self._writers = Writers(Reader(settings, config.kafka.topic_prefix), registered(config.kafka))
        self._parsed: dict[int, Any] = {}
        name = config.kafka.topic_prefix + topic
        self._consumer = Consumer(
            {"group.id": "sbiscope-tail", "enable.auto.commit": False, "log_level": 0, **settings}
        )
        try:
            self._consumer.assign(self._places(name, from_beginning))
        except KafkaException as error:
            seen = f"{settings['bootstrap.servers']}: {error.args[0].str()}"
            raise Refusal("cannot reach Kafka", seen, "check that it runs: sbiscope status") from error

    def _places(self, name: str, from_beginning: bool) -> list[TopicPartition]:
        """Return where each partition begins, or ends now."""
        topic = self._consumer.list_topics(name, CONTACT_S).topics[name]
        if topic.error or not topic.partitions:
            raise Refusal("cannot read the topic", name, "create it with: sbiscope schema")
        places = [TopicPartition(name, partition) for partition in topic.partitions]
        for place in places:
            begin, end = bounds(self._consumer, place)
            place.offset = begin if from_beginning else end
        return places

    def rows(self, runner: "asyncio.Runner", idle: Callable[[], None]) -> Iterator[Row]:
        """Yield the rows as they come, for ever; `idle` is called where none came for a moment.

        What cannot be read is counted in `unreadable`. What a writer that was killed sends again (the same numbers)
        is left out. A broker that is away is waited for.
        """
        while True:
            message = self._consumer.poll(POLL_S)
            if message is None or message.error() is not None:
                idle()
                continue
            opened = runner.run(self._writers.open(message.value() or b""))
            if opened.schema is not None:
                yield from self._read(message.partition() or 0, opened.schema, opened.body)
            elif opened.bad:
                self.unreadable += 1

    def _read(self, partition: int, schema: Schema, body: bytes) -> list[Row]:
        parsed = self._parsed.get(id(schema))
        if parsed is None:
            parsed = self._parsed[id(schema)] = fastavro.parse_schema(without_logical_types(dict(schema)))
        try:
            batch: Any = fastavro.schemaless_reader(io.BytesIO(body), parsed, self._ours)
        except Exception:  # noqa: BLE001 (fastavro raises whatever the octets make it raise)
            self.unreadable += 1
            return []
        rows: list[Row] = batch[self._records]
        if "first_number" not in batch:  # the collectors' own, whose repeats the pairing stage tells by event_id
            return rows
        return self._fresh((partition, batch["input_partition"]), batch["first_number"], rows)

    def _fresh(self, place: tuple[int, int], first_number: int, rows: list[Row]) -> list[Row]:
        told = self._told.get(place, 0)
        self._told[place] = max(told, first_number + len(rows) - 1)
        return rows[max(told - first_number + 1, 0) :]

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()


@contextmanager
def following(config: Config, topic: str, schema: str, from_beginning: bool) -> Iterator[Following]:
    """Give what follows a topic; it has left Kafka afterwards."""
    one = Following(config, topic, schema, from_beginning)
    try:
        yield one
    finally:
        one.close()
