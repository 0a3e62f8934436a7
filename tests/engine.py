"""The ClickHouse engine for tests: in this process, or a server's (`make test-clickhouse`), fresh databases.

On a server all is made in databases named sbiscope_test_<run>_<number>, which are dropped when the tests end.
"""

import atexit
import itertools
import os
import secrets
import shutil
import tempfile
from functools import cache

import pytest
from clickhouse_connect.driver.client import Client

from streams.clickhouse import Account, connect
from streams.cluster_form import LOCAL
from streams.migrate import DISTRIBUTED, Form, migrate

SERVER = os.environ.get("SBISCOPE_TEST_CLICKHOUSE", "")
CLUSTER = os.environ.get("SBISCOPE_TEST_CLUSTER", "")  # whether tables are made in the form of a cluster
RUN = os.environ.get("SBISCOPE_TEST_RUN", "") or secrets.token_hex(4)

_numbers = itertools.count(1)


@cache
def url() -> str:
    if SERVER:
        return SERVER
    directory = tempfile.mkdtemp(prefix="sbiscope-engine-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return f"chdb://{directory}"


def named(database: str) -> Account:
    """Return an account of that database."""
    if not SERVER:
        return Account(url(), database)
    user, password = os.environ.get("CLICKHOUSE_USER", "default"), os.environ.get("CLICKHOUSE_PASSWORD", "")
    return Account(url(), database, user, password, os.environ.get("CLICKHOUSE_CA", ""))


def empty() -> Account:
    """Return an account whose database does not exist yet."""
    account = named(f"sbiscope_{next(_numbers)}" if not SERVER else f"sbiscope_test_{RUN}_{next(_numbers)}")
    if SERVER:
        atexit.register(drop, account)
    return account


def drop(account: Account) -> None:
    client = connect(account, "default")
    client.command(f"DROP DATABASE IF EXISTS {account.database} {_on_cluster()} SYNC")
    client.close()


def form(account: Account) -> Form:
    """Return how the tables of `account` are to be written."""
    return Form(account.database, CLUSTER)


def migrated() -> tuple[Account, Client]:
    """Return an account with all migrations applied, and a client of it."""
    account = empty()
    client = connect(account, "default")
    migrate(client, form(account), "tests")
    client.close()
    client = connect(account)
    for name, value in (DISTRIBUTED if CLUSTER else {}).items():
        client.set_client_setting(name, value)
    return account, client


@cache
def _shared() -> tuple[Account, Client]:
    return migrated()


def emptied(*others: str) -> tuple[Account, Client]:
    """Return one migrated database, its transactions, procedures and `others` gone: quicker than a fresh one.

    For tests that keep no client.
    """
    account, client = _shared()
    for table in ("transactions", "nf_messages", "procedures", "broken_procedures", *others):
        truncate(client, table)
    return account, client


def stored(table: str) -> str:
    """Return the table that holds the rows of `table`."""
    return f"{table}{LOCAL}" if CLUSTER else table


def truncate(client: Client, table: str) -> None:
    client.command(f"TRUNCATE TABLE {stored(table)} {_on_cluster()}")


def merge(client: Client, table: str) -> None:
    """Merge all of a table, as happens sooner or later."""
    client.command(f"OPTIMIZE TABLE {stored(table)} {_on_cluster()} FINAL")


def told(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    """Let commands use the engine."""
    account = named(database)
    said = {"URL": account.url, "DATABASE": database}
    if SERVER:
        said |= {"USER": account.user, "PASSWORD": account.password, "CA_LOCATION": account.ca_location}
        said |= {"CLUSTER": CLUSTER}
    for name, value in said.items():
        monkeypatch.setenv(f"SBISCOPE_CLICKHOUSE_{name}", value)


def _on_cluster() -> str:
    return f"ON CLUSTER {CLUSTER}" if CLUSTER else ""
