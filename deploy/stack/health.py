"""How a stack is right now: its parts, how far the workers are behind, how many rows there are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.accounts import reader
from deploy.sinks import client as kafka_client
from deploy.stack.state import PartState, StackState
from schemas.config import Config
from schemas.kafka_bounds import bounds
from schemas.refusal import Refusal
from streams.clickhouse import FAILURES, connect, rows, said

CONTACT_S = 5.0
FRESH = "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() AND total_rows IS NOT NULL"


@dataclass(slots=True)
class Lag:
    """How many messages of a topic a stage has yet to take."""

    stage: str
    topic: str
    messages: int


@dataclass(slots=True)
class Health:
    """All that `status` shows."""

    parts: list[PartState]
    lags: list[Lag] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether everything that should run does."""
        return all(part.state == "up" for part in self.parts)


def health(config: Config, state: StackState) -> Health:
    """Look at everything; a server that cannot be asked is a part that is down."""
    found = Health(list(state.parts))
    try:
        found.lags = list(_lags(config))
    except (Refusal, KafkaException) as error:
        _down(found, "kafka", str(error))
    else:
        _external(found, "kafka", config.kafka.bootstrap)
    try:
        found.rows = _rows(config)
    except (Refusal, *FAILURES) as error:
        _down(found, "clickhouse", str(error) if isinstance(error, Refusal) else said(error))
    else:
        _external(found, "clickhouse", config.clickhouse.url)
    return found


def _down(found: Health, name: str, why: str) -> None:
    for part in found.parts:
        if part.name == name:
            if part.state == "up":
                part.state, part.told = "not answering", why
            return
    found.parts.insert(0, PartState(name, "not answering", told=why))


def _external(found: Health, name: str, address: str) -> None:
    if address:
        found.parts.insert(0, PartState(name, "up", told=address))


def _lags(config: Config) -> Iterator[Lag]:
    from streams.stages import inputs, names

    settings = kafka_client(config)
    prefix = config.kafka.topic_prefix
    admin = AdminClient(settings)
    topics = admin.list_topics(timeout=CONTACT_S).topics
    consumer = Consumer({**settings, "group.id": "sbiscope-status", "enable.auto.commit": False})
    try:
        for stage, topic in inputs(names(config)):
            count = len(topics[prefix + topic].partitions) if prefix + topic in topics else 0
            partitions = [TopicPartition(prefix + topic, one) for one in range(count)]
            yield Lag(stage, topic, sum(_behind(admin, consumer, f"{prefix}sbiscope-{stage}", partitions)))
    finally:
        consumer.close()


def _behind(admin: AdminClient, consumer: Consumer, group: str, partitions: list[TopicPartition]) -> Iterator[int]:
    if not partitions:
        return
    (asked,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, partitions)]).values()
    for one in asked.result(CONTACT_S).topic_partitions:
        begin, end = bounds(consumer, TopicPartition(one.topic, one.partition), CONTACT_S)
        yield end - max(begin, one.offset)


def _rows(config: Config) -> dict[str, int]:
    client = connect(reader(config))
    try:
        names = [name for name, _ in rows(client, FRESH) if not name.endswith(("_arriving", "migrations", "migrating"))]
        return {
            name: rows(client, "SELECT count() FROM {name:Identifier} FINAL", {"name": name})[0][0]
            for name in sorted(names)
        }
    finally:
        client.close()
