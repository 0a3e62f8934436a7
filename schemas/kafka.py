"""How clients reach the configured Kafka: librdkafka's settings, and what other clients need for the same."""

import ssl

from schemas.config import Kafka
from schemas.refusal import Refusal

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def client_settings(kafka: Kafka, bootstrap: str) -> dict[str, str | int]:
    """Return the settings of any confluent-kafka client for the brokers at `bootstrap`; they may hold a password.

    librdkafka writes nothing to standard error by itself. Raises Refusal where the keys contradict one another.
    """
    checked(kafka)
    settings: dict[str, str | int] = {"bootstrap.servers": bootstrap, "security.protocol": kafka.security_protocol}
    settings |= {"client.id": "sbiscope", "log_level": 0, "reconnect.backoff.max.ms": 1_000}
    if has_sasl(kafka):
        settings["sasl.mechanism"] = kafka.sasl_mechanism
        settings["sasl.username"] = kafka.sasl_username
        settings["sasl.password"] = kafka.sasl_password
    if has_tls(kafka) and kafka.ssl_ca_location:
        tls_context(kafka)  # librdkafka's own complaint would be an exception with less in it
        settings["ssl.ca.location"] = kafka.ssl_ca_location
    return settings


def checked(kafka: Kafka) -> None:
    """Raise Refusal where the keys of [kafka] contradict one another or name what no client of ours speaks."""
    if kafka.security_protocol not in PROTOCOLS:
        raise Refusal("unknown kafka.security_protocol", kafka.security_protocol, f"known: {', '.join(PROTOCOLS)}")
    if has_sasl(kafka):
        if kafka.sasl_mechanism not in MECHANISMS:
            seen = kafka.sasl_mechanism or "empty"
            raise Refusal("unknown kafka.sasl_mechanism", seen, f"known: {', '.join(MECHANISMS)}")
        if not kafka.sasl_username or not kafka.sasl_password:
            advice = "set kafka.sasl_username and kafka.sasl_password"
            raise Refusal("SASL without a name or password", kafka.security_protocol, advice)
    elif kafka.sasl_mechanism or kafka.sasl_username or kafka.sasl_password:
        seen = f"security_protocol = {kafka.security_protocol}"
        raise Refusal("SASL credentials would not be used", seen, "write SASL_SSL, or leave the sasl_ keys out")


def has_sasl(kafka: Kafka) -> bool:
    """Tell whether we give a name and a password."""
    return kafka.security_protocol.startswith("SASL_")


def has_tls(kafka: Kafka) -> bool:
    """Tell whether the connection is encrypted."""
    return kafka.security_protocol.endswith("SSL")


def tls_context(kafka: Kafka) -> ssl.SSLContext | None:
    """Return the context of clients on Python's TLS; None without TLS. Raises Refusal for a bad authority file."""
    if not has_tls(kafka):
        return None
    try:
        return ssl.create_default_context(cafile=kafka.ssl_ca_location or None)
    except OSError as error:
        seen = f"{kafka.ssl_ca_location}: {error.strerror or error}"
        raise Refusal("cannot use kafka.ssl_ca_location", seen, "name a file of PEM certificates") from error
