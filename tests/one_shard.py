"""A pytest plugin (`-p tests.one_shard`): the tests on ClickHouse in the form of a cluster, on an engine of one shard.

There is no Keeper here: `ON CLUSTER` and replication are left out of each statement, distribution is run by the engine.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

os.environ["SBISCOPE_TEST_CLUSTER"] = "core"  # before tests.engine reads it

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from streams import clickhouse
from tests import engine

CONFIGURATION = """\
<clickhouse><tcp_port>9000</tcp_port><remote_servers><core><shard><replica>
<host>127.0.0.1</host><port>9000</port></replica></shard></core></remote_servers></clickhouse>
"""
PLACE = Path(tempfile.mkdtemp(prefix="sbiscope-shard-"))


def opened(**settings: Any) -> Client:
    """Return a client of the engine as streams.clickhouse opens it, its statements those of one replica."""
    if settings.get("interface") != "chdb":
        return get_client(**settings)
    client = get_client(**settings | {"path": f"{PLACE}/data?config-file={PLACE}/config.xml"})
    command = client.command

    def plain(cmd: str, *words: Any, **named: Any) -> Any:
        return command(cmd.replace("ON CLUSTER core", "").replace("ENGINE = Replicated", "ENGINE = "), *words, **named)

    client.command = plain
    return client


atexit.register(shutil.rmtree, PLACE, ignore_errors=True)
(PLACE / "config.xml").write_text(CONFIGURATION)
clickhouse.get_client = opened
engine.url = lambda: f"chdb://{PLACE}/data"
