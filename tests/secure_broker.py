"""A real Kafka broker with TLS, SASL/SCRAM and ACLs for tests.

Two more listeners show bad certificates, one asks for the client's instead of a password.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from schemas.config import Kafka
from tests.broker import Broker, free_ports
from tests.certificates import Authority, Pair

MECHANISM = "SCRAM-SHA-512"
ADMIN = "admin"
LISTENERS = ("SECURE", "EXPIRED", "STRANGE")
MUTUAL = "MUTUAL"  # who one is stands in one's certificate


class SecureBroker(Broker):
    """Listens in the clear too, for us alone: whoever comes there may do anything."""

    def __init__(self, directory: Path, pairs: dict[str, Pair]) -> None:
        super().__init__(directory)
        self._pairs = pairs
        self.addresses = {
            name: f"127.0.0.1:{port}" for name, port in zip((*LISTENERS, MUTUAL), free_ports(4), strict=True)
        }

    def command(self) -> list[str]:
        command = super().command()
        settings = Path(command[-1])
        with settings.open("a") as file:
            file.write("\n".join(self._added(settings.read_text())) + "\n")
        return command

    def _added(self, before: str) -> Iterator[str]:
        given = dict(line.split("=", 1) for line in before.splitlines() if "=" in line and line[0] != "#")
        spoken = [f"{name}://{address}" for name, address in self.addresses.items()]
        yield ",".join([f"listeners={given['listeners']}", *spoken])
        yield ",".join([f"advertised.listeners={given['advertised.listeners']}", *spoken])
        protocols = [*(f"{name}:SASL_SSL" for name in LISTENERS), f"{MUTUAL}:SSL"]
        yield ",".join([f"listener.security.protocol.map={given['listener.security.protocol.map']}", *protocols])
        yield "inter.broker.listener.name=PLAINTEXT"
        yield f"sasl.enabled.mechanisms={MECHANISM}"
        yield "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        yield f"super.users=User:ANONYMOUS;User:{ADMIN}"
        for name in LISTENERS:
            place = f"listener.name.{name.lower()}"
            login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            yield f"{place}.{MECHANISM.lower()}.sasl.jaas.config={login}"
            yield from self._shown(place, self._pairs[name])
        place, pair = f"listener.name.{MUTUAL.lower()}", self._pairs["SECURE"]
        yield from self._shown(place, pair)
        yield f"{place}.ssl.client.auth=required"
        yield f"{place}.ssl.truststore.type=PEM"
        yield f"{place}.ssl.truststore.location={pair.authority}"
        yield f"{place}.ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/"

    def _shown(self, place: str, pair: Pair) -> Iterator[str]:
        yield f"{place}.ssl.keystore.type=PEM"
        yield f"{place}.ssl.keystore.location={pair.written_together()}"

    def add_users(self, passwords: dict[str, str]) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = [UserScramCredentialUpsertion(user, info, word.encode()) for user, word in passwords.items()]
        for done in self.admin.alter_user_scram_credentials(wanted).values():
            done.result(30)

    def client(self, user: str, password: str, listener: str = "SECURE", authority: Path | None = None) -> Kafka:
        """Return the configuration of a user."""
        trusted = authority or self._pairs["SECURE"].authority
        return Kafka(
            bootstrap=self.addresses[listener],
            security_protocol="SASL_SSL",
            sasl_mechanism=MECHANISM,
            sasl_username=user,
            sasl_password=password,
            ssl_ca_location=str(trusted),
            partitions=2,
        )

    def certified(self, pair: Pair) -> Kafka:
        """Return the configuration of who stands in a certificate."""
        return Kafka(
            bootstrap=self.addresses[MUTUAL],
            security_protocol="SSL",
            ssl_ca_location=str(self._pairs["SECURE"].authority),
            ssl_certificate_location=str(pair.certificate),
            ssl_key_location=str(pair.key),
            partitions=2,
        )


@contextmanager
def secure_broker(authority: Authority, stranger: Authority) -> Iterator[SecureBroker]:
    """Give a running broker; afterwards nothing of it is left."""
    directory = tempfile.mkdtemp(prefix=f"sbiscope-broker-{os.getpid()}-")
    pairs = {"SECURE": authority.signed("kafka"), "EXPIRED": authority.signed("late", 0)}
    one = SecureBroker(Path(directory), {**pairs, "STRANGE": stranger.signed("strange")})
    try:
        one.start(within_s=180)  # it makes and checks certificates, formats its storage
        yield one
    finally:
        one.kill()
        shutil.rmtree(directory, ignore_errors=True)
