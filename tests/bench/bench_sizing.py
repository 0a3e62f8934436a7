"""What a million transactions take of Kafka and ClickHouse: a whole core's suite, loaded again and again.

    python -m tests.bench.bench_sizing [LOADS]

The recording is one of all procedures through an SCP; LOADS nodes tell of it. Octets are those on disk, one replica.
Repeated content packs better in ClickHouse than a core's would; ids and times, the greater part, are never repeated.
"""

import re
import struct
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from streams.clickhouse import connect, rows
from tests.bench.line import show
from tests.broker import Broker, broker, free_ports
from tests.front import Front, front
from tests.local_stack import until
from tests.operated import EXCHANGES, STORED_S, SUITE, Installation, done, sbiscope, settled, surroundings

LOADS, IDLE_S = 2, 5.0
MILLION = 1_000_000


def on_disk(kafka: Broker) -> dict[str, int]:
    """Return the octets of each topic's messages."""
    sizes: dict[str, int] = {}
    for log in kafka._place.kafka.rglob("*.log"):
        topic = log.parent.name.rpartition("-")[0]
        if topic.startswith("sbi."):
            sizes[topic] = sizes.get(topic, 0) + log.stat().st_size
    return sizes


def stored(engine: Front) -> dict[str, tuple[int, int]]:
    """Return rows and octets of each table, its parts merged."""
    client = connect(engine.account("sbiscope"))
    try:
        for table in ("transactions", "kpis", "procedures"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        where = "active AND database = currentDatabase()"
        sql = f"SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE {where} GROUP BY table"
        return {str(table): (int(many), int(size)) for table, many, size in rows(client, sql)}
    finally:
        client.close()


def another(directory: Path, number: int) -> Path:
    """Return the recording as another file, of other ids: with a block more, of a kind that readers pass over."""
    copy = directory / f"{number}.pcapng"
    copy.write_bytes(SUITE.read_bytes() + struct.pack("<IIII", 0x0BAD_CAFE, 16, number, 16))
    return copy


def run(loads: int) -> None:
    """Load, wait until all is stored, tell."""
    with ExitStack() as ending:
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        kafka, engine = ending.enter_context(broker()), ending.enter_context(front(directory))
        (port,) = free_ports(1)
        environment = surroundings(kafka, engine, port)
        log = directory / "commands.log"
        done(environment, log, "schema")
        worker = sbiscope(environment, log, "streams")
        ending.callback(worker.wait, 40)
        ending.callback(worker.terminate)
        one = Installation(kafka.bootstrap, engine, port, environment, worker)
        load(one, directory, range(1))  # what is made once is made by then
        began, busy = time.monotonic(), cpu_s(one)
        time.sleep(IDLE_S)
        idle = (cpu_s(one) - busy) / (time.monotonic() - began)
        began, busy = time.monotonic(), cpu_s(one)
        load(one, directory, range(1, loads))
        used = cpu_s(one) - busy - idle * (time.monotonic() - began)
        show(
            "workers, all stages", used / (loads - 1) / EXCHANGES * MILLION, "s of CPU a million transactions",
            idle_share=round(idle, 3),
        )  # fmt: skip
        tell(loads * EXCHANGES, on_disk(kafka), stored(engine), one.http("/metrics")[2])


def load(one: Installation, directory: Path, numbers: range) -> None:
    """Load copies of the recording and wait until all is stored."""
    for number in numbers:
        words = ("collect", "--source", str(another(directory, number)), "--node", f"n{number}")
        done(one.environment, directory / "commands.log", *words)
    until(lambda: one.count("transactions") == numbers.stop * EXCHANGES, STORED_S)
    settled(one)


def cpu_s(one: Installation) -> float:
    """Return the CPU time that the worker has used."""
    return float(re.findall(r"^process_cpu_seconds_total (\S+)$", one.http("/metrics")[2], re.MULTILINE)[0])


def tell(transactions: int, topics: dict[str, int], tables: dict[str, tuple[int, int]], metrics: str) -> None:
    def per_million(octets: float) -> float:
        return octets / transactions * MILLION / 1e6

    for topic, octets in sorted(topics.items()):
        if octets and not topic.startswith(("sbi.state", "sbi.schemas")):  # these do not grow with the traffic
            show(f"Kafka, {topic}", per_million(octets), "MB a million transactions", transactions=transactions)
    for table, (many, octets) in sorted(tables.items()):
        if table in {"transactions", "kpis", "procedures", "alerts"}:
            show(f"ClickHouse, {table}", per_million(octets), "MB a million transactions", rows=many)
    found = re.search(r"^process_resident_memory_bytes (\S+)$", metrics, re.MULTILINE)
    assert found
    show("all stages in one process, resident", float(found[1]) / 1e6, "MB")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else LOADS)
