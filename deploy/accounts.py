"""Which ClickHouse a command talks to, and as whom: the configured server, else the local stack's engine."""

from schemas.config import ClickHouse, Config
from streams.clickhouse import Account


def writer(config: Config) -> Account:
    """Return the account that migrates and inserts; raises Refusal where no server is configured and no stack is up."""
    server = _server(config)
    return Account(server.url, server.database, server.user, server.password, server.ca_location)


def reader(config: Config) -> Account:
    """Return the account of query and report: the configured reader, else the writer bound to the reader's limits."""
    server = _server(config)
    if server.reader_user:
        return Account(server.url, server.database, server.reader_user, server.reader_password, server.ca_location)
    return Account(server.url, server.database, server.user, server.password, server.ca_location, limited=True)


def _server(config: Config) -> ClickHouse:
    if config.clickhouse.url:
        return config.clickhouse
    from deploy.stack.endpoints import endpoints

    return endpoints(config).clickhouse
