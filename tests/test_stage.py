"""streams/runtime on a real broker: two stages in a chain, killed in the middle, lose and double nothing."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.topics import bring_topics, publish_schemas
from schemas.config import Kafka
from schemas.fields import document
from schemas.framing import frame, unframe
from schemas.kafka import client_settings
from schemas.kafka_bounds import bounds
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
            begin, end = bounds(consumer, TopicPartition(name, partition))
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


def test_what_cannot_be_read_is_set_aside_and_nothing_else(run: Run) -> None:
    planted = {
        0: [b"garbage", b"\0\0\0\0\7" + b"of no registry"],
        1: [frame("sbi_event_batch", b"not numbers"), b"\xc3\x01" + bytes(8) + b"of no schema"],
        3: [b"{}", bytes(3)],
    }
    run.start("p1", "pairing")
    for partition, values in planted.items():
        run.numbers(5)
        for value in values:
            run.put(partition, value)
    run.numbers(5)
    until(lambda: len(run.rows()) == run.sent)
    run.end("p1", signal.SIGKILL)
    run.start("p1", "pairing")
    run.numbers(5)
    until(lambda: len(run.rows()) == run.sent)
    assert run.end("p1") == 0
    schema = fastavro.parse_schema(dict(document("quarantined")))
    rows = {}
    for _, _, key, value in run.read("sbi.quarantine"):
        row = fastavro.schemaless_reader(io.BytesIO(unframe(value)[1]), schema, None)
        assert key == f"{row['topic']}/{row['partition']}".encode()
        rows[row["stage"], row["topic"], row["partition"], row["offset"]] = row
    found = defaultdict(list)
    for (_, _, partition, _), row in sorted(rows.items()):
        found[partition].append(row["value"])
    assert found == planted
    assert {row["reason"] for row in rows.values()} >= {
        "no schema mark: 7 octets begin with 67 61 72 62",
        "not numbers",
    }


def test_workers_come_and_go_in_order_and_nothing_is_taken_twice(run: Run) -> None:
    run.start("p1", "pairing")
    run.numbers(40)
    until(lambda: len(run.rows()) == run.sent)
    run.start("p2", "pairing")
    until(lambda: len(partitions(run, "p1")) == len(partitions(run, "p2")) == 2)
    run.numbers(40)
    until(lambda: len(run.rows()) == run.sent)
    assert run.end("p2") == 0
    until(lambda: len(partitions(run, "p1")) == 4)  # a named worker is missed when its session ends
    run.numbers(40)
    until(lambda: len(run.rows()) == run.sent)
    assert run.end("p1") == 0
    assert sorted(run.rows()) == list(range(run.sent))
    written = sum(longs(unframe(value)[1])[2] for _, _, _, value in run.read(TRANSACTIONS))
    assert written == run.sent


def partitions(run: Run, name: str) -> list[int]:
    path = run.figures(name)
    if not path.exists():
        return []
    return list(json.loads(path.read_text())["stages"][0]["partitions"])


def test_the_broker_may_die_and_come_back(run: Run) -> None:
    run.start("p1", "pairing")
    run.start("k1", "kpis")
    run.numbers(40)
    until(lambda: len(run.rows()) == run.sent)
    run.kafka.kill()
    time.sleep(3)
    run.kafka.start()
    run.numbers(40)
    until(lambda: run.sums() == run.wanted_sums(), 60)
    assert sorted(run.rows()) == list(range(run.sent))
    assert [run.end(name) for name in ("p1", "k1")] == [0, 0], run.log("p1") + run.log("k1")


def test_retention_that_passed_the_commit_is_counted_and_passed_over(run: Run) -> None:
    run.start("p1", "pairing")
    run.numbers(8)
    until(lambda: len(run.rows()) == run.sent)
    assert run.end("p1") == 0
    begin, before = run.sent, len(run.rows())
    run.numbers(12)
    consumer = Consumer({**run.settings, "group.id": run.config.topic_prefix + "sbiscope-pairing"})
    places = [TopicPartition(run.config.topic_prefix + EVENTS, partition) for partition in range(PARTITIONS)]
    kept = [TopicPartition(place.topic, place.partition, bounds(consumer, place)[1] - 1) for place in places]
    committed = consumer.committed(places, timeout=10)
    consumer.close()
    # A worker's last tick may stand in a partition uncommitted; it is lost with the two messages.
    lost = sum(here.offset - before.offset for here, before in zip(kept, committed, strict=True))
    assert lost in range(8, 8 + PARTITIONS + 1)
    for done in run.kafka.admin.delete_records(kept).values():
        done.result(10)
    run.start("p1", "pairing")
    run.numbers(8)
    wanted = before + (12 - 8 + 8) * 23
    until(lambda: len(run.rows()) >= wanted)
    assert run.end("p1") == 0
    figures = json.loads(run.figures("p1").read_text())["stages"][0]
    assert (len(run.rows()), figures["lost"], figures["counts"]["passed"]) == (wanted, lost, 4)
    assert set(run.rows()) >= set(range(begin))


def test_a_backlog_that_unpacks_to_much_is_read_by_a_worker_that_stays_small(run: Run) -> None:
    run.start("a", "pairing")
    run.numbers(4)
    until(lambda: len(run.rows()) == run.sent)
    before_mb = peak_mb(run, "a")
    run.producer = Producer({**run.settings, "compression.type": "lz4"})
    for number in range(800):
        run.put(0, frame("sbi_event_batch", b"%d" % (run.sent + number) + b" " * 300_000))
    run.sent += 800
    assert run.producer.flush(60) == 0
    until(lambda: len(run.rows()) == run.sent)
    assert peak_mb(run, "a") < before_mb + 60, "of 240 MB of messages, 2 MB compressed"


def peak_mb(run: Run, name: str) -> float:
    status = Path(f"/proc/{run.workers[name].pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1_000


def test_what_transactions_of_others_leave_in_the_log_is_passed_over(run: Run) -> None:
    """A control record takes an offset and is no message: a hole, of which nobody lost anything."""
    run.start("p1", "pairing")
    run.numbers(8)
    until(lambda: len(run.rows()) == run.sent)
    other = Producer({**run.settings, "transactional.id": run.config.topic_prefix})
    other.init_transactions(30)
    for finish in (other.commit_transaction, other.abort_transaction, other.commit_transaction):
        other.begin_transaction()
        for partition in range(PARTITIONS):
            other.produce(run.config.topic_prefix + EVENTS, b"of another", partition=partition)
        finish(30)
        run.numbers(8)
        until(lambda: len(run.rows()) == run.sent)
        run.end("p1", signal.SIGKILL)
        run.start("p1", "pairing")
    run.numbers(8)
    until(lambda: len(run.rows()) == run.sent)
    assert run.end("p1") == 0
    assert sorted(run.rows()) == list(range(run.sent))
    assert json.loads(run.figures("p1").read_text())["stages"][0]["lost"] == 0
    assert len({key for _, _, key, _ in run.read("sbi.quarantine")}) == PARTITIONS


def test_a_fold_that_fails_ends_the_process_with_one_line(run: Run) -> None:
    run.start("p1", "pairing")
    run.put(0, frame("sbi_event_batch", b"fail"))
    run.producer.flush(10)
    assert run.workers.pop("p1").wait(30) == 3
    line = "sbiscope streams: RuntimeError: as told; what was not committed is taken again"
    assert run.log("p1").splitlines()[-1] == line


def test_kafka_out_of_reach_and_missing_topics_are_one_line(run: Run) -> None:
    command = [sys.executable, "-m", "deploy.cli", "streams", "--stage", "pairing"]
    environment = {**os.environ, "SBISCOPE_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    for bootstrap, said in (("127.0.0.1:1", "cannot reach Kafka"), (run.kafka.bootstrap, "topics are missing")):
        environment |= {"SBISCOPE_KAFKA_BOOTSTRAP": bootstrap, "SBISCOPE_KAFKA_TOPIC_PREFIX": "none."}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=40, check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1 and said in done.stderr, done.stderr
