"""Which Kafka and which ClickHouse does a command talk to: the configured servers, else the local stack's."""

from dataclasses import dataclass, replace

from deploy.stack.layout import layout
from deploy.stack.passwords import READER, WRITER, passwords
from deploy.stack.state import StackState, running
from schemas.config import ClickHouse, Config
from schemas.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses in force; each is looked up when asked for, so one configured server needs no stack."""

    config: Config

    @property
    def bootstrap(self) -> str:
        """host:port of Kafka. Raises Refusal where none is configured and no stack is up."""
        if self.config.kafka.bootstrap:
            return self.config.kafka.bootstrap
        found = _stack(self.config, "Kafka").bootstrap
        if not found:
            raise Refusal("no Kafka", "the stack that is up runs none", "name it: [kafka] bootstrap")
        return found

    @property
    def clickhouse(self) -> ClickHouse:
        """The ClickHouse server with its accounts. Raises Refusal where none is configured and no stack is up."""
        if self.config.clickhouse.url:
            return self.config.clickhouse
        place = layout(self.config.stack)
        url = _stack(self.config, "ClickHouse").clickhouse_url
        if not url:
            raise Refusal("no ClickHouse", "the stack that is up runs none", "name it: [clickhouse] url")
        secrets = passwords(place)
        return replace(
            self.config.clickhouse,
            url=url,
            ca_location=self.config.clickhouse.ca_location or self.config.stack.clickhouse_certificate,
            user=WRITER,
            password=secrets[WRITER],
            reader_user=READER,
            reader_password=secrets[READER],
        )


def endpoints(config: Config) -> Endpoints:
    """Return the endpoints that `config` leads to."""
    return Endpoints(config)


def _stack(config: Config, wanted: str) -> StackState:
    state = running(layout(config.stack))
    if state is None:
        advice = "start it with: sbiscope up"
        raise Refusal(f"no {wanted} is configured and no stack is up", config.stack.directory, advice)
    return state
