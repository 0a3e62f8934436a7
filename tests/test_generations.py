"""Topics grow by a further generation: both run side by side, nothing is lost or doubled, and the first is left."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from deploy.generations import following
from deploy.stack.health import health
from deploy.stack.state import StackState
from schemas.config import Kafka, load
from schemas.framing import frame
from schemas.refusal import Refusal
from streams.clickhouse import connect, rows
from tests.broker import broker, free_ports
from tests.events import batch, request, response
from tests.front import Front, front
from tests.local_stack import until
from tests.operated import ROOT, done, sbiscope, surroundings

T0 = 1_795_302_000_000_000  # a full hour
OPERATION = "Nudm_SDM_Get"


@pytest.mark.parametrize(
    ("prefix", "after"),
    [("", "g2."), ("g2.", "g3."), ("site.", "site.g2."), ("site.g9.", "site.g10."), ("log.", "log.g2.")],
)
def test_generations_are_numbered(prefix: str, after: str) -> None:
    grown = following(Kafka(topic_prefix=prefix, partitions=4), 7)
    assert (grown.topic_prefix, grown.partitions) == (after, 7)


def test_a_generation_that_does_not_grow_is_refused() -> None:
    with pytest.raises(
        Refusal, match="a generation must have more partitions than the one before: 4, today there are 4"
    ):
        following(Kafka(partitions=4), 4)


@dataclass(slots=True)
class Field:
    """One broker, one engine, and the environments of two generations."""

    bootstrap: str
    engine: Front
    log: Path
    before: dict[str, str]
    after: dict[str, str]

    def told(self, prefix: str, partition: int, sequence: int, streams: range, final: bool, incarnation: str) -> None:
        """Publish a batch of one collector: an exchange a stream, all in the hour's first ten seconds."""
        events = []
        for stream in streams:
            asked = {"operation": OPERATION, "consumer_nf": "AMF", "producer_nf": "UDM"}
            events.append(request(2 * stream + 1, T0 + stream * 100_000, **asked))
            events.append(response(2 * stream + 1, T0 + stream * 100_000 + 700))
        upto_us = T0 + (4_000_000_000 if final else 9_000_000)
        body = batch(sequence, events, upto_us, incarnation=incarnation, final=final)
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(prefix + "sbi.events", frame("sbi_event_batch", body), partition=partition)
        assert producer.flush(30) == 0

    def drained(self, environment: dict[str, str]) -> tuple[int, list[str]]:
        words = [sys.executable, "-m", "deploy.cli", "schema", "drained"]
        asked = subprocess.run(
            words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert not asked.stderr
        return asked.returncode, asked.stdout.splitlines()

    def one(self, sql: str) -> int:
        client = connect(self.engine.account("sbiscope"))
        try:
            return int(rows(client, sql)[0][0])
        finally:
            client.close()


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with ExitStack() as ending:
        kafka, engine = ending.enter_context(broker()), ending.enter_context(front(tmp_path))
        one, two = free_ports(2)
        before = surroundings(kafka, engine, one) | {"SBISCOPE_STREAMS_CORRECTION_MS": "1000"}
        after = before | {
            "SBISCOPE_KAFKA_TOPIC_PREFIX": "g2.",
            "SBISCOPE_KAFKA_PARTITIONS": "3",
            "SBISCOPE_STREAMS_METRICS_PORT": str(two),
        }
        log = tmp_path / "log"
        done(before, log, "schema")
        worker = sbiscope(before, log, "streams")
        ending.callback(lambda: worker.wait(40))
        ending.callback(worker.terminate)
        yield Field(kafka.bootstrap, engine, log, before, after)


@pytest.mark.stack
def test_both_generations_are_told_whole_and_the_first_is_left(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    field.told("", 1, 1, range(7), False, "i1")
    until(lambda: field.one("SELECT count() FROM transactions FINAL") == 7)
    until(lambda: any("pairing 1: 1 collectors" in line for line in field.drained(field.before)[1]))
    assert field.drained(field.before)[0] == 1
    done(field.before, field.log, "schema", "grow", "--partitions", "3")
    topics = AdminClient({"bootstrap.servers": field.bootstrap}).list_topics(timeout=10).topics
    assert [len(topics[name].partitions) for name in ("sbi.events", "g2.sbi.events", "g2.sbi.state.kpis")] == [2, 3, 3]
    done(field.after, field.log, "schema")  # it fits what the next generation says
    worker = sbiscope(field.after, field.log, "streams")
    try:
        field.told("g2.", 2, 1, range(11, 24), True, "i2")  # the agent has begun anew there
        field.told("", 1, 2, range(7, 10), True, "i1")
        until(lambda: field.one("SELECT count() FROM transactions FINAL") == 23)
        until(
            lambda: (
                field.drained(field.before) == (0, ["drained: the workers of this generation have nothing left to do"])
            )
        )
        until(lambda: field.drained(field.after)[0] == 0)
        for name, value in field.after.items():
            monkeypatch.setenv(name, value)
        lags = health(load(None), StackState(field.bootstrap, "")).lags  # `status` asks this generation's groups
        assert {lag.stage for lag in lags} >= {"pairing", "kpis", "sink-kpis"}
        assert max(lag.messages for lag in lags) < 11  # ticks
    finally:
        worker.terminate()
        worker.wait(40)
    for width_s in (10, 3_600):
        asked = f"SELECT sum(requests) FROM kpi_windows WHERE operation = '{OPERATION}' AND window_s = {width_s}"
        assert field.one(asked) == 23  # each generation counted its part, neither replaced the other
    assert field.one("SELECT count() FROM transactions FINAL") == field.one("SELECT count() FROM exchanges") == 23
