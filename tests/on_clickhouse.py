"""Which tests touch ClickHouse, and do they hold on a server one has: `python -m tests.on_clickhouse URL [FILE …]`.

The account (CLICKHOUSE_USER, CLICKHOUSE_PASSWORD, CLICKHOUSE_CA) must be allowed to create databases. All is made in
databases named sbiscope_test_…, which are dropped afterwards; nothing else on the server is touched. The tests run in
the form of one server, and again in that of a cluster, where the server has one with a Keeper (CLUSTER names it, where
it has several).
"""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clickhouse_connect.driver.client import Client

from schemas.refusal import Refusal
from streams.clickhouse import FAILURES, connect, rows

ROOT = Path(__file__).parent.parent
TOUCHES = re.compile(r"\bengine\.(?:migrated|emptied|empty)\(")
OWN = "test_on_clickhouse.py"  # runs this
ONE_SERVER = {"test_cluster_form.py"}  # has a cluster of its own, and asks what one server says to the other form
CLUSTERS = "SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster"
KEEPER = "SELECT count() FROM system.tables WHERE database = 'system' AND name = 'zookeeper'"
LEFT = "SELECT name FROM system.databases WHERE startsWith(name, {prefix:String}) ORDER BY name"


def files() -> list[Path]:
    """Return the files of tests that ask for an engine."""
    found = sorted((ROOT / "tests").glob("test_*.py"))
    return [path for path in found if path.name != OWN and TOUCHES.search(path.read_text())]


def chosen(clusters: Sequence[str], keeper: bool, wanted: str) -> tuple[str, str]:
    """Return the cluster to run on, or empty and why on none; raises Refusal where `wanted` cannot be had."""
    if wanted and (wanted not in clusters or not keeper):
        seen = f"{wanted}; clusters: {', '.join(clusters) or 'none'}; Keeper: {'yes' if keeper else 'no'}"
        raise Refusal("the server has no such cluster", seen, "name one of system.clusters, on a server with a Keeper")
    if wanted or (len(clusters) == 1 and keeper):
        return wanted or clusters[0], ""
    if not clusters or not keeper:
        return "", f"the server has no {'Keeper' if clusters else 'cluster'}"
    return "", f"the server has several clusters, name one by CLUSTER=: {', '.join(clusters)}"


def main(words: Sequence[str]) -> int:
    """Run both forms; 0 = all held and nothing was left behind."""
    url, *names = words
    run = secrets.token_hex(4)
    os.environ |= {"SBISCOPE_TEST_CLICKHOUSE": url, "SBISCOPE_TEST_RUN": run}
    from tests import engine  # reads what was just said

    client = connect(engine.named("default"))
    ((version,),) = rows(client, "SELECT version()")
    cluster, why = chosen([name for (name,) in rows(client, CLUSTERS)], keeper(client), os.environ.get("CLUSTER", ""))
    todo = [Path(name).resolve() for name in names] or files()
    print(f"ClickHouse {version}: the form of one server", flush=True)
    codes = [tested(todo, "")]
    print(f"the form of the cluster {cluster}" if cluster else f"not in the form of a cluster: {why}", flush=True)
    if cluster:
        codes.append(tested([path for path in todo if path.name not in ONE_SERVER], cluster))
    return max(*codes, swept(client, f"sbiscope_test_{run}_", cluster))


def keeper(client: Client) -> bool:
    """Tell whether the server can do what is said ON CLUSTER; system.zookeeper is there only with a Keeper."""
    return bool(rows(client, KEEPER)[0][0])


def tested(paths: Sequence[Path], cluster: str) -> int:
    """Run the tests of `paths` and return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, paths)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"SBISCOPE_TEST_CLUSTER": cluster}, check=False
    ).returncode


def swept(client: Client, prefix: str, cluster: str) -> int:
    """Drop what tests that were killed left, say it, and return how many databases would not go."""
    for (name,) in rows(client, LEFT, {"prefix": prefix}):
        print(f"dropping {name}, which a killed test left")
        client.command(f"DROP DATABASE IF EXISTS {name} {f'ON CLUSTER {cluster}' if cluster else ''} SYNC")
    return len(rows(client, LEFT, {"prefix": prefix}))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Refusal, *FAILURES) as error:
        sys.exit(f"test-clickhouse: {error}")
