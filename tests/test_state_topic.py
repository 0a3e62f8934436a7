"""States are kept however old they are; one that is gone all the same is named in one line, with what to do."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from deploy.topics import bring_topics
from schemas.config import Kafka
from schemas.topics import STATE_BYTES, declared, state_topic
from streams.runtime.link import Broken
from streams.runtime.reader import Reader
from tests.broker import Broker, broker
from tests.local_stack import until

pytestmark = pytest.mark.stack
TOPIC = state_topic("pairing")
STATES = [name for name in declared() if name.startswith("sbi.state.")]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as one:
        lines = list(bring_topics({"bootstrap.servers": one.bootstrap}, Kafka(bootstrap=one.bootstrap)))
        assert len([line for line in lines if "created sbi.state." in line]) == len(STATES)
        yield one


def test_states_go_by_size_and_never_by_time(kafka: Broker) -> None:
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in STATES]
    for found in (done.result() for done in kafka.admin.describe_configs(asked).values()):
        assert (found["retention.ms"].value, found["retention.bytes"].value) == ("-1", str(STATE_BYTES))


def test_a_state_topic_that_forgets_is_told(kafka: Broker) -> None:
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    one = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
    for done in kafka.admin.incremental_alter_configs([one]).values():
        done.result()
    why = "a stage that stood still longer could not go on"

    def told() -> bool:  # a broker knows of the change a moment later
        lines = bring_topics({"bootstrap.servers": kafka.bootstrap}, Kafka(bootstrap=kafka.bootstrap))
        return f"kafka: {TOPIC} keeps states for 86400000 ms only, {why}: set retention.ms to -1" in lines

    until(told)


def test_a_state_that_is_gone_is_named_and_not_waited_for(kafka: Broker) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(7):
        producer.produce(TOPIC, b"S%d" % number, partition=0)
    producer.flush(30)
    reader = Reader({"bootstrap.servers": kafka.bootstrap}, "")
    assert asyncio.run(reader.at(TOPIC, 0, 2)) == b"S2"
    for done in kafka.admin.delete_records([TopicPartition(TOPIC, 0, 5)]).values():
        done.result()
    for offset, partition, held in ((2, 0, "0 holds 5 to 6"), (7, 0, "0 holds 5 to 6"), (0, 1, "1 is empty")):
        with pytest.raises(Broken, match=f"the state at {offset} is gone: {TOPIC} {held}; see 'A state is gone'"):
            asyncio.run(reader.at(TOPIC, partition, offset))
