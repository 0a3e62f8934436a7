"""How clients reach the configured Kafka: librdkafka's settings, and what other clients need for the same."""

from typing import TYPE_CHECKING

from schemas.config import Kafka
from schemas.refusal import Refusal

if TYPE_CHECKING:
    import ssl

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
    if has_tls(kafka):
        tls_context(kafka)  # librdkafka's own complaint would be an exception with less in it
        settings |= {name: place for name, place in _files(kafka).items() if place}
    return settings


def _files(kafka: Kafka) -> dict[str, str]:
    """Return the files of TLS as librdkafka names them."""
    return {
        "ssl.ca.location": kafka.ssl_ca_location,
        "ssl.certificate.location": kafka.ssl_certificate_location,
        "ssl.key.location": kafka.ssl_key_location,
    }


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
    if bool(kafka.ssl_certificate_location) != bool(kafka.ssl_key_location):
        seen = kafka.ssl_certificate_location or kafka.ssl_key_location
        advice = "set kafka.ssl_certificate_location and kafka.ssl_key_location"
        raise Refusal("a certificate without its key, or the other way round", seen, advice)
    if kafka.ssl_certificate_location and not has_tls(kafka):
        seen = f"security_protocol = {kafka.security_protocol}"
        raise Refusal("the certificate would not be shown", seen, "write SSL or SASL_SSL")


def has_sasl(kafka: Kafka) -> bool:
    """Tell whether we give a name and a password."""
    return kafka.security_protocol.startswith("SASL_")


def has_tls(kafka: Kafka) -> bool:
    """Tell whether the connection is encrypted."""
    return kafka.security_protocol.endswith("SSL")


def tls_context(kafka: Kafka) -> "ssl.SSLContext | None":
    """Return the context of clients on Python's TLS; None without TLS. Raises Refusal for a file that is of no use."""
    if not has_tls(kafka):
        return None
    import ssl  # 4 MB, which a client without TLS does without

    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_location or None)
    except OSError as error:
        seen = f"{kafka.ssl_ca_location}: {error.strerror or error}"
        raise Refusal("cannot use kafka.ssl_ca_location", seen, "name a file of PEM certificates") from error
    if kafka.ssl_certificate_location:
        _show(context, kafka.ssl_certificate_location, kafka.ssl_key_location)
    return context


def _show(context: "ssl.SSLContext", certificate: str, key: str) -> None:
    """Let `context` show a certificate of ours. Raises Refusal."""
    try:
        context.load_cert_chain(certificate, key, password="")  # else a key with one would ask the terminal
    except OSError as error:
        seen = f"{certificate}, {key}: {error.strerror or error}"
        advice = "name a PEM certificate and its key, without a password"
        raise Refusal("cannot use kafka.ssl_certificate_location with kafka.ssl_key_location", seen, advice) from error
