"""schemas/kafka.py, schemas/topics.py: what clients are told, and what topics there are."""

import pytest
from confluent_kafka.admin import AdminClient

from schemas.config import Kafka
from schemas.framing import published
from schemas.kafka import client_settings, tls_context
from schemas.refusal import Refusal
from schemas.topics import declared, partitions, state_topic

SASL = Kafka(
    security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-256", sasl_username="u", sasl_password="hush"
)


@pytest.mark.parametrize("kafka", [Kafka(), SASL, Kafka(security_protocol="SSL")])
def test_librdkafka_takes_the_settings(kafka: Kafka) -> None:
    AdminClient(client_settings(kafka, "127.0.0.1:1"))


@pytest.mark.parametrize(
    ("kafka", "failed"),
    [
        (Kafka(security_protocol="TLS"), "unknown kafka.security_protocol: TLS; known: PLAINTEXT"),
        (Kafka(security_protocol="SASL_SSL"), "unknown kafka.sasl_mechanism: empty; known: PLAIN"),
        (Kafka(security_protocol="SASL_SSL", sasl_mechanism="PLAIN"), "SASL without a name or password: SASL_SSL"),
        (Kafka(sasl_password="hush"), "SASL credentials would not be used: security_protocol = PLAINTEXT"),
        (
            Kafka(security_protocol="SSL", ssl_certificate_location="/our.pem"),
            "a certificate without its key, or the other way round: /our.pem; set kafka.ssl_certificate_location",
        ),
        (
            Kafka(ssl_certificate_location="/our.pem", ssl_key_location="/our.key"),
            "the certificate would not be shown: security_protocol = PLAINTEXT; write SSL or SASL_SSL",
        ),
        (
            Kafka(security_protocol="SSL", ssl_certificate_location="/our.pem", ssl_key_location="/our.key"),
            "cannot use kafka.ssl_certificate_location with kafka.ssl_key_location: /our.pem, /our.key: No such file",
        ),
    ],
)
def test_contradictions_are_said_and_no_password_with_them(kafka: Kafka, failed: str) -> None:
    with pytest.raises(Refusal) as refused:
        client_settings(kafka, "127.0.0.1:1")
    assert str(refused.value).startswith(failed)
    assert "hush" not in str(refused.value) + repr(kafka)


def test_an_authority_file_that_is_none_is_said() -> None:
    with pytest.raises(Refusal, match=r"cannot use kafka[.]ssl_ca_location"):
        tls_context(Kafka(security_protocol="SSL", ssl_ca_location="/nowhere/ca.pem"))
    assert tls_context(Kafka()) is None


def test_each_stage_has_a_topic_for_its_states_and_each_schema_named_is_there() -> None:
    topics = declared()
    assert {state_topic(stage) for stage in ("pairing", "kpis", "sink-transactions", "sink-kpis")} <= topics.keys()
    assert "quarantined" in published()
    assert {partitions(topic, Kafka(partitions=7)) for topic in topics.values()} == {1, 7}
    assert all(topic.settings["message.timestamp.type"] == "LogAppendTime" for topic in topics.values())
