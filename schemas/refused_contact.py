"""Why a server does not let us in, for one line: what its certificate says, what its answer says, what to do then."""

import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from schemas.config import Kafka
from schemas.kafka import tls_context
from schemas.refusal import Refusal

if TYPE_CHECKING:
    import ssl

CONTACT_S = 3.0
ALERT_S = 0.5  # for a server of TLS 1.3 to refuse what we showed of us, after the handshake
TELLING = frozenset({"_SSL", "_AUTHENTICATION"})  # librdkafka's errors that say more than that nobody answers
ALERT = " alert "  # OpenSSL's word for what the other side refuses
RUNNING = "check that Kafka runs and that kafka.bootstrap is right"

# What is in the text (OpenSSL's, Kafka's and ClickHouse's words), and what to do.
_ADVICE = (
    (r"alert (bad |unknown )?(certificate|ca)", "name a certificate that the brokers trust as {authority}"),
    (r"certificate has expired", "renew the server's certificate"),
    (r"certificate is not yet valid", "set this machine's clock, or the certificate's begin"),
    (r"self.signed certificate|get (local )?issuer", "name the authority's file as {authority}"),
    (r"(Hostname|IP address) mismatch", "use a name that stands in the certificate"),
    (r"wrong version number|record layer failure|packet length too long", "the server speaks no TLS on this port"),
    (r"authorization|ACCESS_DENIED|Not authorized", "{rights}"),
    (r"authentication|credentials|Password required", "check {account}"),
)


class Told(Protocol):
    """A client's error, as confluent-kafka gives it."""

    def name(self) -> str:
        """Return the name of its code."""

    def str(self) -> str:
        """Return its text."""


class Heard:
    """What a Kafka client said beside its calls (`error_cb`): a call that fails says only that nobody answered."""

    def __init__(self) -> None:
        self.said = ""

    def __call__(self, error: Told) -> None:
        """Keep what tells most."""
        if error.name() in TELLING:
            self.said = error.str()


def advice_for(seen: str, authority: str, account: str, rights: str) -> str:
    """Return what to do about a server's refusal, "" where its words are not known.

    `authority` and `account`: the configuration's keys for them; `rights` says how rights are given.
    """
    for words, advice in _ADVICE:
        if re.search(words, seen, re.IGNORECASE):
            return advice.format(authority=authority, account=account, rights=rights)
    return ""


def kafka_refusal(settings: Mapping[str, object], said: str, heard: str) -> Refusal:
    """Return why the cluster of `settings` (librdkafka's) cannot be used.

    `said`: the failed call's text, `heard`: what the client told beside it. Looks at the certificates where TLS is on.
    """
    bootstrap = str(settings.get("bootstrap.servers", ""))
    user = f" as {name}" if (name := settings.get("sasl.username")) else ""
    seen = _certificate_fault(settings, bootstrap) or f"{bootstrap}{user}: {_shortened(heard or said)}"
    account = "kafka.sasl_username and its password"
    file = "kafka.ssl_certificate_location" if ALERT in seen else "kafka.ssl_ca_location"
    advice = advice_for(seen, file, account, rights_advice(settings)) or RUNNING
    return Refusal("cannot use Kafka" if heard else "cannot reach Kafka", seen, advice)


def rights_advice(settings: Mapping[str, object]) -> str:
    """Return how the user of `settings` gets its rights."""
    return f"give {settings.get('sasl.username') or 'this user'} its rights: sbiscope schema acl says which"


def _shortened(text: str) -> str:
    """Return librdkafka's text without the address (again) and its own state."""
    text = re.sub(r"^\S+://\S+: ", "", text)
    return re.sub(r" ?\(after \d+ms in state \w+.*\)$", "", text)


def _certificate_fault(settings: Mapping[str, object], bootstrap: str) -> str:
    """Return what is wrong with a certificate, a broker's or ours, "" if nothing; librdkafka does not say which."""
    if not str(settings.get("security.protocol", "")).endswith("SSL"):
        return ""
    files = (str(settings.get(f"ssl.{what}.location", "")) for what in ("ca", "certificate", "key"))
    authority, certificate, key = files
    context = tls_context(
        Kafka(
            security_protocol="SSL",
            ssl_ca_location=authority,
            ssl_certificate_location=certificate,
            ssl_key_location=key,
        )
    )
    assert context is not None
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        if port.isdigit() and (fault := certificate_fault(host.strip("[]"), int(port), context)):
            return f"{server.strip()}: {fault}"
    return ""


def certificate_fault(host: str, port: int, context: "ssl.SSLContext") -> str:
    """Return what `context` refuses of the server's certificate, or the server of ours; "" if nothing."""
    import ssl

    try:
        with (
            socket.create_connection((host, port), CONTACT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as link,
        ):
            link.settimeout(ALERT_S)
            link.recv(1)
            return ""
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except ssl.SSLError as error:
        said = (error.reason or "").replace("_", " ").lower()
        return said if ALERT in said or "wrong version" in said else ""
    except (OSError, ValueError):
        return ""
