"""The ClickHouse engine for tests: in this process, a fresh database each time."""

import atexit
import itertools
import shutil
import tempfile
from functools import cache

from clickhouse_connect.driver.client import Client

from streams.clickhouse import Account, connect
from streams.migrate import Form, migrate

_numbers = itertools.count(1)


@cache
def url() -> str:
    directory = tempfile.mkdtemp(prefix="sbiscope-engine-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return f"chdb://{directory}"


def empty() -> Account:
    """Return an account whose database does not exist yet."""
    return Account(url(), f"sbiscope_{next(_numbers)}")


def migrated() -> tuple[Account, Client]:
    """Return an account with all migrations applied, and a client of it."""
    account = empty()
    client = connect(account, "default")
    migrate(client, Form(account.database), "tests")
    client.close()
    return account, connect(account)


@cache
def _shared() -> tuple[Account, Client]:
    return migrated()


def emptied(*others: str) -> tuple[Account, Client]:
    """Return one migrated database, its transactions, procedures and `others` gone: quicker than a fresh one.

    For tests that keep no client.
    """
    account, client = _shared()
    for table in ("transactions", "procedures", *others):
        client.command(f"TRUNCATE TABLE {table}")
    return account, client
