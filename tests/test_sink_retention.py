"""A sink that comes back after retention passed what it committed: the rest is stored, the loss is counted."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from collector.flows import flow_of
from collector.record import Moved, Role
from collector.workload import Workload
from schemas.framing import frame
from schemas.kafka_bounds import bounds
from tests.broker import Broker, broker, free_ports
from tests.front import front
from tests.local_stack import until
from tests.operated import Installation, done, sbiscope, surroundings
from tests.test_flows import SEER, head

pytestmark = pytest.mark.stack
FIRST, GONE, LEFT = 10, 7, 3
PLACE = TopicPartition("sbi.flows", 0)
LOST = 'sbiscope_stage_lost_messages_total{stage="sink-flows"} '


def flows(kafka: Broker, first: int, count: int) -> None:
    """Publish flows of connections of their own, a message each."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(first, first + count):
        seen = head(key=(number + 1) << 58 | number + 5, role=Role.CLIENT)
        one = flow_of(SEER, seen, Moved(1_002, 501, 0, 7, 4, 3, 0), Workload("/usr/bin/amf"))
        producer.produce(PLACE.topic, frame("flow", one.body), partition=PLACE.partition)
    assert producer.flush(30) == 0


def test_what_retention_took_is_counted_and_the_rest_is_stored(tmp_path: Path) -> None:
    with broker() as kafka, front(tmp_path) as engine:
        (port,) = free_ports(1)
        environment, log = surroundings(kafka, engine, port), tmp_path / "log"
        done(environment, log, "schema")
        flows(kafka, 0, FIRST)
        words = "streams", "--stage", "sink"
        one = Installation(kafka.bootstrap, engine, port, environment, sbiscope(environment, log, *words))
        try:
            until(lambda: one.count("flows") == FIRST)
            one.worker.terminate()
            assert one.worker.wait(40) == 0
            flows(kafka, FIRST, GONE + LEFT)
            reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "bounds"})
            end = bounds(reader, PLACE)[1]
            reader.close()
            for deleted in kafka.admin.delete_records(
                [TopicPartition(PLACE.topic, PLACE.partition, end - LEFT)]
            ).values():
                deleted.result(10)
            one.worker = sbiscope(environment, log, *words)
            until(lambda: one.count("flows") == FIRST + LEFT)
            until(lambda: f"{LOST}{GONE}" in one.http("/metrics")[2])
        finally:
            one.worker.terminate()
            one.worker.wait(40)
