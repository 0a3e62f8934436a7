"""Loading a capture into Kafka: once; killed in the middle, repeating it finishes it, batch for batch the same."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.kafka_bounds import bounds

TOPIC = "sbi.events"
FULL = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"


@pytest.fixture
def brokers() -> Iterator[list[str]]:
    """Return the addresses of two brokers (the client library's own) that have the topic."""
    owners = [Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0}) for _ in "12"]
    found = [broker for owner in owners for broker in owner.list_topics(TOPIC, 10).brokers.values()]
    yield [f"{broker.host}:{broker.port}" for broker in found]
    owners.clear()


def start(bootstrap: str, *words: str) -> subprocess.Popen[bytes]:
    """Start loading the registration capture."""
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "collect", "--source", str(FULL), "--node", "n1", *words],
        env={**os.environ, "SBISCOPE_KAFKA_BOOTSTRAP": bootstrap},
        cwd=Path(__file__).parent.parent,
        stderr=subprocess.PIPE,
    )


def load(bootstrap: str, node: str = "n1") -> tuple[int, bytes]:
    """Load the registration capture; return the exit code and what was told."""
    process = start(bootstrap, "--node", node)
    _, told = process.communicate()
    return process.returncode, told


def values(bootstrap: str) -> list[bytes]:
    """Return all that the topic holds, partition after partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 0})
    found: list[bytes] = []
    for partition in range(4):
        begin, end = bounds(consumer, TopicPartition(TOPIC, partition))
        consumer.assign([TopicPartition(TOPIC, partition, begin)])
        for _ in range(begin, end):
            message = consumer.poll(10)
            assert message is not None
            found.append(message.value())
    consumer.close()
    return found


def test_a_load_killed_in_the_middle_is_finished_by_repeating_it(brokers: list[str]) -> None:
    disturbed, calm = brokers
    first = start(disturbed, "--speed", "12")
    while first.poll() is None and len(values(disturbed)) < 23:
        time.sleep(0.1)
    first.kill()
    first.communicate()
    begun = values(disturbed)
    assert load(disturbed)[0] == 0
    assert load(calm)[0] == 0
    assert values(disturbed) == values(calm)
    assert 23 <= len(begun) < len(values(calm))


def test_a_capture_is_loaded_once(brokers: list[str]) -> None:
    code, told = load(brokers[0])
    assert (code, b"2744 events" in told, told.count(b"\n")) == (0, True, 1), told
    before = values(brokers[0])
    code, told = load(brokers[0])
    assert (code, b"loaded already" in told, told.count(b"\n")) == (1, True, 1), told
    for node in ("n2", "n3", "n4", "n5"):  # other partitions among them
        code, told = load(brokers[0], node)
        assert (code, told.count(b"\n")) == (1, 1), told
        assert b"loaded already: under site lab, node n1" in told
    assert values(brokers[0]) == before


def test_a_load_begun_under_one_node_is_not_finished_under_another(brokers: list[str]) -> None:
    first = start(brokers[0], "--speed", "12")
    while first.poll() is None and len(values(brokers[0])) < 7:
        time.sleep(0.1)
    first.kill()
    first.communicate()
    code, told = load(brokers[0], "n2")
    assert (code, b"finish it: --site lab --node n1" in told) == (1, True), told
