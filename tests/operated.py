"""A whole installation on real servers as an operator has it: Kafka and ClickHouse by URL, one worker, all stages."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

from confluent_kafka import Producer

from collector.agent_status import delivery_of
from collector.flows import flow_of
from collector.record import Moved, Role
from collector.workload import Workload
from deploy.stack.passwords import READER, WRITER, passwords
from schemas.framing import frame
from streams.clickhouse import connect, rows
from tests import under_unit
from tests.broker import Broker, broker, free_ports
from tests.front import Front, front
from tests.local_stack import until
from tests.test_agent_status import STATUS
from tests.test_flows import SEER, head
from tests.tshark import CAPTURES

ROOT = Path(__file__).parent.parent
SUITE = CAPTURES / "open5gs-suite-scp.pcapng"
EXCHANGES, TELLINGS, FLOWS = 4_636, 7, 11
STORED_S = 240.0  # ten seconds on a machine that does nothing else
BEGIN_US = 1_800_000_000_000_000


@dataclass(slots=True)
class Installation:
    """What runs, and how to ask it."""

    bootstrap: str
    front: Front
    metrics_port: int
    environment: dict[str, str]
    worker: subprocess.Popen[bytes]

    def http(self, path: str) -> tuple[int, str, str]:
        """Ask the worker's HTTP server; return status, content type and text."""
        link = HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        with closing(link):
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()

    def count(self, table: str) -> int:
        client = connect(self.front.account("sbiscope"))
        try:
            return int(rows(client, "SELECT count() FROM {table:Identifier} FINAL", {"table": table})[0][0])
        finally:
            client.close()


def sbiscope(
    environment: dict[str, str], log: Path, *words: str, under: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    command = [*under, sys.executable, "-m", "deploy.cli", *words]
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)


def confinement() -> tuple[str, ...]:
    """Return how a worker is started with the rights that its systemd unit gives it, as far as this machine can."""
    if os.geteuid() != 0 or not shutil.which("setpriv") or not under_unit.is_possible():
        return ()
    rights = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    return (*rights, sys.executable, "-m", "tests.under_unit", "sbiscope-worker@.service")


def done(environment: dict[str, str], log: Path, *words: str) -> None:
    assert sbiscope(environment, log, *words).wait(120) == 0, log.read_text()


def surroundings(kafka: Broker, engine: Front, metrics_port: int) -> dict[str, str]:
    """Return the environment of commands that use this broker and this engine."""
    secrets = passwords(engine.place)
    return os.environ | {
        "SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SBISCOPE_KAFKA_PARTITIONS": "2",
        "SBISCOPE_CLICKHOUSE_URL": f"http://127.0.0.1:{engine.port}",
        "SBISCOPE_CLICKHOUSE_USER": WRITER,
        "SBISCOPE_CLICKHOUSE_PASSWORD": secrets[WRITER],
        "SBISCOPE_CLICKHOUSE_READER_USER": READER,
        "SBISCOPE_CLICKHOUSE_READER_PASSWORD": secrets[READER],
        "SBISCOPE_STREAMS_METRICS_PORT": str(metrics_port),
    }


@contextmanager
def installation(directory: Path) -> Iterator[Installation]:
    """Have the suite of a whole core stored, seven tellings of two agents and eleven flows; nothing is left of it."""
    log = directory / "commands.log"
    with ExitStack() as ending:
        kafka = ending.enter_context(broker())
        engine = ending.enter_context(front(directory))
        (port,) = free_ports(1)
        environment = surroundings(kafka, engine, port)
        done(environment, log, "schema")
        worker = sbiscope(environment, log, "streams", "--instance", "w1", under=confinement())
        ending.callback(worker.wait, 40)
        ending.callback(worker.terminate)
        done(environment, log, "collect", "--source", str(SUITE), "--node", "suite")
        tell(kafka.bootstrap)
        one = Installation(kafka.bootstrap, engine, port, environment, worker)
        wanted = {"transactions": EXCHANGES, "agents": 2 * TELLINGS, "flows": FLOWS}
        until(lambda: {name: one.count(name) for name in wanted} == wanted, STORED_S)
        settled(one)
        yield one


def settled(one: Installation) -> None:
    """Wait until no more of what is derived comes."""
    tables = ("procedures", "kpis", "alerts")
    seen, since = [0], time.monotonic()
    until(lambda: all(one.count(table) > 0 for table in tables), STORED_S)
    while time.monotonic() - since < 3:
        now = [one.count(table) for table in tables]
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.3)


def tell(bootstrap: str) -> None:
    """Publish what two agents tell of themselves every ten seconds, and what became of some connections."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(TELLINGS):
        for node in ("n1", "n2"):
            at_us = BEGIN_US + number * 10_000_000
            used = {"observer": number * 700_000, "supervisor": number * 100_000}
            status = replace(
                STATUS,
                node=node,
                told_us=at_us,
                watermark_us=at_us - 500_000,
                cpu_us=used,
                events=number * 1_009,
                loss={"gaps": number * 3},
            )
            producer.produce("sbi.agents", frame("agent", delivery_of(status).body), key=node)
    for number in range(FLOWS):
        seen = head(key=(number + 1) << 58 | number + 5, role=Role.CLIENT)
        told = flow_of(SEER, seen, Moved(1_002, 501, 0, 7, 4, 3, 0), Workload("/usr/bin/amf", pod="amf-0"))
        producer.produce("sbi.flows", frame("flow", told.body), key=told.key)
    assert producer.flush(30) == 0
