"""deploy/resolving.py: places wait for a Kafka that is away, but not beyond the resolver's own end."""

import pytest
from confluent_kafka import Producer

from deploy.resolving import TOPIC, PlaceWriter
from schemas.refusal import Refusal
from schemas.topics import JSON_SUFFIX
from streams.places import Place
from tests.mock_broker import mock_broker


def test_who_is_to_end_waits_for_kafka_no_more() -> None:
    places = [Place(f"10.0.0.{number}", 1, "pod", f"uid-{number}", "udm-0") for number in range(97)]
    with mock_broker() as bootstrap:
        asking = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        for topic in (TOPIC, TOPIC + JSON_SUFFIX):
            asking.list_topics(topic, 10)
        settings = {"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 20}
        turns = iter([False, False, True])
        writer = PlaceWriter(settings, "", ["lab"], b"\0" * 10, lambda: next(turns))
    with pytest.raises(Refusal, match=r"places were not delivered.*20 messages left"):
        writer.write(places)
