"""Brings topics and published schemas to what this release uses: creates what is missing, checks what is there."""

import time
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas.config import Kafka
from schemas.framing import published, schema_text, single_object_mark
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import RUNNING, Heard, rights_advice
from schemas.topics import SCHEMAS, Topic, declared, partitions

WAIT_S = 30.0
# What else the folds rest on: append time is their clock, and a topic cleaned otherwise loses what it must keep.
BINDING = ("message.timestamp.type", "cleanup.policy")
DENIED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
Settings = Mapping[str, str | int]


def bring_topics(settings: Settings, kafka: Kafka) -> Iterator[str]:
    """Create the missing topics and check the others; yield what was done, a line each. May run many times at once.

    Raises Refusal: Kafka is away or refuses, or a topic is there that does not fit.
    """
    heard = Heard()
    admin = AdminClient({**settings, "error_cb": heard})
    there = _partitions(admin, settings, heard)
    wanted = {kafka.topic_prefix + topic.name: topic for topic in declared().values()}
    missing = [_new(name, topic, kafka) for name, topic in wanted.items() if name not in there]
    for name in _create(admin, missing, settings):
        yield f"kafka: created {name}"
    if not missing:
        yield f"kafka: {len(wanted)} topics are there"
    there = _known(admin, settings, {one.topic for one in missing})
    for name, topic in wanted.items():
        if name in there:
            _fits(name, there[name], partitions(topic, kafka))
    yield from _bind(admin, wanted)


def publish_schemas(settings: Settings, kafka: Kafka) -> Iterator[str]:
    """Publish each schema of this release to the compacted topic; published again it changes nothing.

    Raises Refusal where Kafka does not take them.
    """
    failed: list[KafkaError] = []
    producer = Producer({"enable.idempotence": True, "message.timeout.ms": int(WAIT_S * 1_000), **settings})
    names = published()
    for name in names:
        producer.produce(
            kafka.topic_prefix + SCHEMAS,
            schema_text(name),
            single_object_mark(name)[2:],
            headers=[("name", name.encode())],
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    if producer.flush(WAIT_S + 5) or failed:
        seen = failed[0].str() if failed else "no answer"
        advice = rights_advice(settings) if failed and failed[0].code() in DENIED else RUNNING
        raise Refusal("Kafka did not take the schemas", seen, advice)
    yield f"kafka: published {len(names)} schemas"


def _partitions(admin: AdminClient, settings: Settings, heard: Heard) -> dict[str, int]:
    """Return how many partitions each topic of the cluster has."""
    found = topics_of(admin, settings, heard)
    return {name: len(topic.partitions) for name, topic in found.items() if topic.partitions}


def _known(admin: AdminClient, settings: Settings, created: set[str]) -> dict[str, int]:
    """Return the partitions of all topics once the brokers know those just created, which takes them a moment."""
    began = time.monotonic()
    while not created <= (there := _partitions(admin, settings, Heard())).keys() and time.monotonic() - began < WAIT_S:
        time.sleep(0.05)
    return there


def _new(name: str, topic: Topic, kafka: Kafka) -> NewTopic:
    return NewTopic(name, partitions(topic, kafka), kafka.replication, config=topic.settings)


def _create(admin: AdminClient, missing: Sequence[NewTopic], settings: Settings) -> Iterator[str]:
    if not missing:
        return
    for name, done in admin.create_topics(list(missing), operation_timeout=WAIT_S).items():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another starter was quicker
                seen, code = error.args[0].str(), error.args[0].code()
                advice = rights_advice(settings) if code in DENIED else "see [kafka]"
                raise Refusal("cannot create the topic", f"{name}: {seen}", advice) from error
        else:
            yield name


def _fits(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        advice = f"set kafka.partitions = {found}, or give another kafka.topic_prefix: rows are placed by this number"
        raise Refusal("a topic has another number of partitions", f"{name} has {found}, wanted {wanted}", advice)


def _bind(admin: AdminClient, wanted: Mapping[str, Topic]) -> Iterator[str]:
    """Check the settings that the folds rest on. Retention is the operator's."""
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
    for resource, done in admin.describe_configs(asked, request_timeout=WAIT_S).items():
        try:
            found = done.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:  # then we cannot know
                yield f"kafka: may not read the settings of {resource.name}"
                continue
            raise Refusal("cannot read a topic's settings", f"{resource.name}: {error.args[0].str()}") from error
        topic = wanted[resource.name]
        if topic.keeps_states and (kept := found["retention.ms"].value) != "-1":
            why = "a stage that stood still longer could not go on"
            yield f"kafka: {resource.name} keeps states for {kept} ms only, {why}: set retention.ms to -1"
        for key in BINDING:
            if found[key].value != topic.settings[key]:
                seen = f"{resource.name} has {key}={found[key].value}"
                raise Refusal("a topic has another setting", seen, f"set it to {topic.settings[key]}")
