"""A further generation of topics, with more partitions, beside today's; and when today's can be left.

Rows are placed by the number of partitions, so topics never grow in place. A generation is a `kafka.topic_prefix` of
its own: its workers are other consumer groups with states of their own, and both run until the earlier is drained.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from confluent_kafka.admin import AdminClient

from deploy.topics import bring_topics, publish_schemas
from schemas.config import Config, Kafka
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import Heard
from schemas.topics import state_topic
from streams.fold import Facts, Fold, Holding
from streams.kpi_windows import KpiWindows
from streams.pairing import Pairing
from streams.procedures import Procedures
from streams.runtime.keeper import newest
from streams.runtime.reader import Reader
from streams.stages import inputs, names

Settings = Mapping[str, str | int]
NUMBERED = re.compile(r"(?P<before>.*?)(?:g(?P<number>\d+)\.)?")
OPEN = {  # by stage: what it holds that has not been told yet
    "pairing": ("collectors", "open_requests", "responses_without_request"),
    "kpis": ("windows",),
    "procedures": ("subscribers",),
}


def following(kafka: Kafka, partitions: int) -> Kafka:
    """Return the configuration of the generation after this one. Raises Refusal where it would not be larger."""
    if partitions <= kafka.partitions:
        seen = f"{partitions}, today there are {kafka.partitions}"
        raise Refusal("a generation must have more partitions than the one before", seen, "give --partitions")
    found = NUMBERED.fullmatch(kafka.topic_prefix)
    assert found is not None  # any text is some prefix
    number = int(found["number"] or 1) + 1
    return replace(kafka, topic_prefix=f"{found['before']}g{number}.", partitions=partitions)


def grow(settings: Settings, kafka: Kafka, partitions: int) -> Iterator[str]:
    """Make the topics of the next generation, publish the schemas there; yield what was done and what is next."""
    after = following(kafka, partitions)
    yield from bring_topics(settings, after)
    yield from publish_schemas(settings, after)
    yield f'the next generation is there: kafka.topic_prefix = "{after.topic_prefix}", kafka.partitions = {partitions}'
    yield "  1. start workers with these two settings, beside those of today"
    yield "  2. give them to agents, resolver and whoever loads captures, node by node"
    yield "  3. ask with today's settings: sbiscope schema drained; then stop today's workers, delete today's topics"


def undrained(settings: Settings, config: Config) -> Iterator[str]:
    """Yield what keeps the workers of this generation busy, a line each; nothing when it can be left."""
    prefix, heard = config.kafka.topic_prefix, Heard()
    topics = topics_of(AdminClient({**settings, "error_cb": heard}), settings, heard)
    reader = Reader(settings, prefix)
    with asyncio.Runner() as runner:
        for stage, topic in inputs(names(config)):
            if prefix + topic not in topics:
                raise Refusal("topics are missing", prefix + topic, "there is no such generation")
            for partition in range(len(topics[prefix + topic].partitions)):
                if why := ", ".join(runner.run(_left(reader, config, stage, topic, partition))):
                    yield f"{stage} {partition}: {why}"


async def _left(reader: Reader, config: Config, stage: str, topic: str, partition: int) -> list[str]:
    """Return what a partition of a stage has still to do, as its newest state says."""
    kept = await newest(reader, state_topic(stage), partition)
    taken = 0 if kept is None else kept.offset
    behind = sum(1 for offset, value in await reader.newest(topic, partition) if value and offset >= taken)
    left = [f"{behind} messages behind"] if behind else []
    fold = _fold(stage, partition, config)
    if kept is not None and isinstance(fold, Holding):
        fold.load(kept.state)
        held = fold.held().items
        left += [f"{held[name]} {name}" for name in OPEN[stage] if held[name]]
    return left


def _fold(stage: str, partition: int, config: Config) -> Fold | None:
    facts = Facts(partition, {})
    if stage == "pairing":
        return Pairing(facts, config.streams)
    if stage == "kpis":
        return KpiWindows(facts, config.streams)
    return Procedures(facts) if stage == "procedures" else None
