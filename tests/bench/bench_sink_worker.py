"""Rows a second from Kafka into ClickHouse by the real worker, Faust included, and its CPU a row; JSON lines.

    python -m tests.bench.bench_sink_worker [ROWS]

Broker, engine and worker share the machine. The worker has all its sinks, as in production. Rows are counted where the
engine has them; the CPU is each process's alone, from the first row to the last. Part of the worker's is spent with
nothing to do too (seven groups' heartbeats and polls): the less a row, the faster rows come, so it is told apart. What
the three take together says what rate this machine's cores would carry if they did nothing else and never waited.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from schemas.framing import frame
from streams.clickhouse import connect, rows
from streams.migrate import Form, migrate
from tests.bench.bench_sink import MESSAGE, batches
from tests.bench.bench_workers import feed, topics
from tests.bench.line import show
from tests.broker import Broker, broker
from tests.front import Front, front

ROWS, ROUNDS, LOOK_S, WITHIN_S, IDLE_S = 400_000, 3, 0.1, 120, 5
RATE_BAR, CPU_BAR_US = 100_000, 2.0
TOPIC = "sbi.transactions"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Seen:
    """How many rows there were when worker, engine and broker had taken so much CPU."""

    at: float
    rows: int
    cpu_s: float
    engine_s: float
    broker_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Rows a second, and microseconds of CPU a row: the worker's, what of it is not spent idle too, the others'."""

    rate: float
    cpu_us: float
    moved_us: float
    engine_us: float
    broker_us: float


def looks(
    process: "subprocess.Popen[bytes]", engine: Front, kafka: Broker, client: Client, wanted: int
) -> Iterator[Seen]:
    """Look until all rows are there."""
    end, count = time.monotonic() + WITHIN_S, 0
    assert engine.process is not None
    pids = process.pid, engine.process.pid, kafka.pid
    while count < wanted:
        assert time.monotonic() < end and process.poll() is None, f"{count} of {wanted} rows"
        ((count,),) = rows(client, "SELECT count() FROM transactions")
        yield Seen(time.monotonic(), count, *map(cpu_s, pids))
        time.sleep(LOOK_S)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its threads (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(kafka: Broker, engine: Front, client: Client, prefix: str, bodies: list[bytes]) -> Cost:
    """Return what rows cost from the first block on."""
    topics(kafka, prefix)
    feed(kafka, prefix + TOPIC, bodies)
    client.command("TRUNCATE TABLE transactions")
    account = engine.account()
    environment = os.environ | {
        "SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SBISCOPE_KAFKA_PARTITIONS": "1",
        "SBISCOPE_KAFKA_TOPIC_PREFIX": prefix,
        "SBISCOPE_CLICKHOUSE_URL": account.url,
        "SBISCOPE_CLICKHOUSE_USER": account.user,
        "SBISCOPE_CLICKHOUSE_PASSWORD": account.password,
    }
    command = [sys.executable, "-m", "deploy.cli", "streams", "--stage", "sink", "--instance", "bench"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            seen = [one for one in looks(process, engine, kafka, client, len(bodies) * MESSAGE) if one.rows]
            idle_s = cpu_s(process.pid)
            time.sleep(IDLE_S)
            idle_s = (cpu_s(process.pid) - idle_s) / IDLE_S
        finally:
            process.kill()
    first, last = seen[0], seen[-1]
    many, for_s, taken_s = last.rows - first.rows, last.at - first.at, last.cpu_s - first.cpu_s
    others_s = last.engine_s - first.engine_s, last.broker_s - first.broker_s
    by_row = (taken_s, taken_s - idle_s * for_s, *others_s)
    return Cost(many / for_s, *(one / many * 1e6 for one in by_row))


def main(count: int = ROWS) -> None:
    """Measure some rounds."""
    bodies = [frame("sbi_transaction_batch", body) for body in batches(count)]
    with broker() as kafka, tempfile.TemporaryDirectory() as folder, front(Path(folder)) as engine:
        migrator = connect(engine.account())
        form = Form("sbiscope")
        migrate(migrator, form, "bench")
        client = connect(engine.account(form.database))
        found = [measured(kafka, engine, client, f"sink{turn}.", bodies) for turn in range(ROUNDS)]
    rate, cpu_us, moved_us, engine_us, broker_us = (
        statistics.median(one) for one in zip(*map(astuple, found), strict=True)
    )
    cores, all_us = os.cpu_count() or 1, cpu_us + engine_us + broker_us
    show("Kafka to ClickHouse (Faust), one partition", rate, "rows/s", "bar", RATE_BAR, rows_a_message=MESSAGE)
    show("sink worker's CPU a row (Faust, Kafka's client)", cpu_us, "us", "bar", CPU_BAR_US, rows_a_message=MESSAGE)
    show("sink worker's CPU a row beyond what it takes idle", moved_us, "us", "bar", CPU_BAR_US, rows_a_message=MESSAGE)
    show("the engine's CPU a row, looks and merges among it", engine_us, "us", "the sink's", cpu_us)
    show("the broker's CPU a row", broker_us, "us", "the sink's", cpu_us)
    show("what a core of sink would carry", 1e6 / cpu_us, "rows/s", "measured", rate)
    show(
        "what all cores would carry, by their CPU a row", cores * 1e6 / all_us, "rows/s", "measured", rate, cores=cores
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
