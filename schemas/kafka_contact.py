"""The first contact with a Kafka cluster: its topics, or why it refuses us, as soon as that is told."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from schemas.refused_contact import Heard, kafka_refusal

if TYPE_CHECKING:  # as light as an agent's start is to be
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient

CONTACT_S = 10.0
STEP_S = 1.0


def topics_of(
    client: "AdminClient | Producer | Consumer", settings: Mapping[str, object], heard: Heard, topic: str | None = None
) -> Mapping[str, Any]:
    """Return the metadata of all topics, or of one, by name; `heard`: the client's `error_cb`. Raises Refusal."""
    end = time.monotonic() + CONTACT_S
    while True:
        try:
            found = client.list_topics(topic, STEP_S) if topic else client.list_topics(timeout=STEP_S)
        except KafkaException as error:
            client.poll(0)  # now `heard` is told
            if heard.said or time.monotonic() >= end:
                raise kafka_refusal(settings, error.args[0].str(), heard.said) from error
        else:
            topics: Mapping[str, Any] = found.topics
            return topics
