"""The cookbook on a day of Oracle's public mix: time of each query, of rolling up, and bytes a row; JSON lines.

    python -m tests.bench.bench_cookbook [DIRECTORY]        ROWS=100000000 for the day of the issue (default 200,000)

DIRECTORY: an engine's directory to fill, or to go on with where filling or rolling broke off; default: a new one,
removed. 100 million rows take some 16 GB (twice that while they are merged), 3 GB of memory, 15 minutes of one core to
fill and most of an hour to roll up. ROLLED_HOURS=2 rolls only the first hours and gives the others their like
(tests/bench/mix_rolled.py). No table `kpis`: no query of the cookbook reads it.

Bars: 200 ms for what reads KPIs from rollups, 1 s for the others; medians of five runs. `cold_ms` is the first, with
the engine's files and caches dropped from memory; `cpu_ms` is what the engine's threads took: on a busy machine the
wall time says less.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from clickhouse_connect.driver.client import Client

from streams.clickhouse import Account, connect, rows
from streams.cookbook import PERIOD, Recipe, recipes
from streams.migrate import Form, migrate
from tests.bench import mix, mix_beside, mix_rolled
from tests.bench.line import show

ROWS, ROUNDS = 200_000, 5
KPI_MS, OTHER_MS = 200, 1_000
NO_KPIS = frozenset({
    "subscriber_day", "heartbeats_missed", "busiest_connections", "unusual_pairs", "access_refused", "nf_inventory",
})  # fmt: skip
CACHES = ("MARK CACHE", "UNCOMPRESSED CACHE", "QUERY CONDITION CACHE")
STORED = """
SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts
WHERE active AND database = currentDatabase() AND rows > 0 GROUP BY table ORDER BY table
"""


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU milliseconds of `run`; the engine's threads are this process's."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def opened(directory: str) -> Client:
    """Return a client of the engine in `directory`, migrated."""
    account = Account(f"chdb://{directory}", "bench")
    client = connect(account, "default")
    migrate(client, Form(account.database), "bench")
    client.close()
    return connect(account)


def forget(client: Client, directory: str) -> None:
    """Drop what the engine and the system hold of the engine's files."""
    for cache in CACHES:
        client.command(f"SYSTEM DROP {cache}")
    for folder, _, files in os.walk(directory):
        for name in files:
            with suppress(FileNotFoundError), Path(folder, name).open("rb") as file:  # one that was merged is gone
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask(client: Client, recipe: Recipe, supi: str, directory: str) -> None:
    """Time one query and print its medians against its bar."""
    places = PERIOD | {"supi": supi}
    forget(client, directory)
    cold, _ = timed(lambda: client.query(recipe.sql, parameters=places))
    found = len(client.query(recipe.sql, parameters=places).result_rows)
    told = [timed(lambda: client.query(recipe.sql, parameters=places)) for _ in range(ROUNDS)]
    bar = OTHER_MS if recipe.name in NO_KPIS else KPI_MS
    wall, cpu = (statistics.median(one[place] for one in told) for place in (0, 1))
    best = round(min(one[0] for one in told), 1)
    more = {"least_ms": best, "cpu_ms": round(cpu, 1), "cold_ms": round(cold), "rows": found}
    show(f"cookbook {recipe.name}", wall, "ms", "bar", bar, **more)


def main(directory: str = "") -> None:
    """Fill, roll up and ask."""
    total, place = int(os.environ.get("ROWS", ROWS)), directory or tempfile.mkdtemp()
    client = opened(place)
    try:
        made: list[int] = []
        wall, _ = timed(lambda: made.append(mix.fill(client, total)))
        if made[0]:
            show("fill", made[0] / wall * 1e3, "rows/s", rows=made[0])
        mix_beside.fill(client, total, mix.subscribers(total))
        ((count,),) = rows(client, "SELECT count() FROM transactions")
        measure(client, count, place)
    finally:
        client.close()
        if not directory:
            shutil.rmtree(Path(place), ignore_errors=True)


def measure(client: Client, count: int, directory: str) -> None:
    """Roll up what is due, then ask each query."""
    _roll(client, int(os.environ.get("ROLLED_HOURS", 0)))
    for table, size, many in rows(client, STORED):
        show(f"stored {table}", size / many, "B a row", rows=many, bytes_a_transaction=round(size / count, 2))
    ((supi,),) = rows(client, "SELECT supi FROM transactions WHERE supi IS NOT NULL LIMIT 1")
    for recipe in recipes().values():
        ask(client, recipe, supi, directory)


def _roll(client: Client, hours: int) -> None:
    """Roll the day, or its first `hours` and give the others their like; what is copied is not counted as rolled."""
    before = _rolled(client)
    wall, cpu = timed(lambda: mix_rolled.roll_first(client, hours))
    rolled = _rolled(client) - before
    if rolled:
        show("roll up", cpu * 1e3 / rolled, "us CPU a row", rows=rolled, seconds=round(wall / 1e3, 1))
    made: list[int] = []
    if hours:
        wall, _ = timed(lambda: made.append(mix_rolled.derive_others(client, hours)))
        show("copy rollups", wall / 1e3, "s", derived_hours=made[0], rows=_rolled(client) - before - rolled)
    mix_rolled.check_whole(client)
    wall, cpu = timed(lambda: made.append(mix_rolled.add_up_hours(client)))
    show("add up hours", wall / 1e3, "s", hours=made[-1], cpu_s=round(cpu / 1e3, 1))


def _rolled(client: Client) -> int:
    """Return how many sightings are rolled up."""
    sql = "SELECT sum(sightings) FROM sightings_between(start = '1970-01-02', stop = '2200-01-01')"
    return int(rows(client, sql)[0][0])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
