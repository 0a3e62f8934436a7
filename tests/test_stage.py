"""streams/runtime on a real broker: two stages in a chain, killed in the middle, lose and double nothing."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.topics import bring_topics, publish_schemas
from schemas.config import Kafka
from schemas.framing import frame, unframe
from schemas.kafka import client_settings
from tests.broker import Broker, broker
from tests.stages import EVENTS, KPIS, TRANSACTIONS, longs

pytestmark = [pytest.mark.stack, pytest.mark.slow]
PARTITIONS = 4


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as one:
        yield one


class Run:
    """One prefix of topics on the broker, and the workers on it."""

    def __init__(self, kafka: Broker, prefix: str, directory: Path) -> None:
        self.kafka = kafka
        self.config = Kafka(topic_prefix=prefix, partitions=PARTITIONS)
        self.settings = client_settings(self.config, kafka.bootstrap)
        self.directory = directory
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        list(bring_topics(self.settings, self.config))
        list(publish_schemas(self.settings, self.config))
        self.producer = Producer({**self.settings, "enable.idempotence": True, "linger.ms": 5})
        self.sent = 0

    def start(self, name: str, *stages: str) -> None:
        words = [sys.executable, "-m", "tests.stages", self.config.topic_prefix, self.kafka.bootstrap]
        log = (self.directory / f"{name}.log").open("ab")
        environment = {**os.environ, "INSTANCE": name}
        command = [*words, str(self.figures(name)), *stages]
        self.workers[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        log.close()

    def figures(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        worker = self.workers.pop(name)
        worker.send_signal(number)
        return worker.wait(40)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def put(self, partition: int, value: bytes) -> None:
        self.producer.produce(self.config.topic_prefix + EVENTS, value, partition=partition)
        self.producer.poll(0)

    def numbers(self, messages: int, each: int = 23) -> None:
        """Send the next numbers, `each` in a message, over all partitions."""
        for _ in range(messages):
            line = " ".join(map(str, range(self.sent, self.sent + each)))
            self.put(self.sent // each % PARTITIONS, frame("sbi_event_batch", line.encode()))
            self.sent += each
        assert self.producer.flush(30) == 0

    def read(self, topic: str) -> list[tuple[int, int, bytes | None, bytes]]:
        """Return (partition, offset, key, value) of all messages, ticks left out."""
        consumer = Consumer({**self.settings, "group.id": "reader", "enable.auto.commit": False})
        found = []
        name = self.config.topic_prefix + topic
        for partition in consumer.list_topics(name).topics[name].partitions:
            begin, end = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
            if begin < end:
                consumer.assign([TopicPartition(name, partition, begin)])
                at = -1
                while at < end - 1:
                    message = consumer.poll(10)
                    assert message is not None and message.error() is None
                    at = message.offset()
                    if message.value():
                        found.append((partition, at, message.key(), message.value()))
        consumer.close()
        return found

    def rows(self) -> list[int]:
        """Return the numbers that stand in sbi.transactions, repeats dropped; asserts that none is missing between."""
        last: dict[tuple[int, int], int] = defaultdict(int)
        numbers = []
        for partition, _, _, value in self.read(TRANSACTIONS):
            writer, first, count, *records = longs(unframe(value)[1])
            assert first <= last[writer, partition] + 1, "a hole"
            assert all(number % PARTITIONS == partition for number in records[:count])
            fresh = last[writer, partition] + 1 - first
            numbers += records[fresh:count]
            last[writer, partition] = max(last[writer, partition], first + count - 1)
        return numbers

    def sums(self) -> dict[int, tuple[int, int]]:
        """Return the last of each writer's sums by key, added up."""
        last: dict[tuple[bytes, int], tuple[int, int, int]] = {}
        for partition, _, key, value in self.read(KPIS):
            number, count, total, *_ = longs(unframe(value)[1])
            writer = longs(unframe(value)[1])[3]
            last[key or b"", writer] = max((number, count, total), last.get((key or b"", writer), (0, 0, 0)))
            assert partition == number % PARTITIONS
        sums: dict[int, tuple[int, int]] = {}
        for number, count, total in last.values():
            before = sums.get(number, (0, 0))
            sums[number] = before[0] + count, before[1] + total
        return sums

    def wanted_sums(self) -> dict[int, tuple[int, int]]:
        by_key: dict[int, list[int]] = defaultdict(list)
        for number in range(self.sent):
            by_key[number % 10].append(number)
        return {key: (len(numbers), sum(numbers)) for key, numbers in by_key.items()}


@pytest.fixture
def run(kafka: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    one = Run(kafka, f"{request.node.originalname}.", tmp_path)
    yield one
    for name in list(one.workers):
        one.end(name, signal.SIGKILL)


def until(true: Callable[[], bool], within_s: float = 40) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_two_stages_killed_in_the_middle_give_every_row_once(run: Run) -> None:
    for name, stage in (("p1", "pairing"), ("p2", "pairing"), ("k1", "kpis")):
        run.start(name, stage)
    for victim, stage in (("p1", "pairing"), ("k1", "kpis"), ("p2", "pairing")):
        for _ in range(10):
            run.numbers(41)
            time.sleep(0.15)
        assert run.end(victim, signal.SIGKILL) == -signal.SIGKILL
        run.start(victim, stage)
    until(lambda: run.sums() == run.wanted_sums())
    assert sorted(run.rows()) == list(range(run.sent))
    assert [run.end(name) for name in ("p1", "p2", "k1")] == [0, 0, 0]
    assert "ended in order" in run.log("p1")
