"""What an operator has beside the cluster: our Kafka and our ClickHouse engine, reachable from its pods."""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.following import following
from deploy.stack import kafka, passwords
from deploy.stack.layout import Layout
from deploy.stack.parts import ROOT, environment, pings
from schemas.config import Config, Kafka, Stack
from streams.clickhouse import Account, connect
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.forward import LOOPBACK
from tests.kubernetes.settings import NODE_ADDRESS

PATIENCE = 20  # idle moments, a fifth of a second each
LONGEST_S = 15.0


class Quiet(Exception):  # noqa: N818 (of a topic)
    """Nothing comes any more."""


class Beside:
    """Addresses as pods use them."""

    def __init__(self, root: Path) -> None:
        self.place = Layout(root)
        self.stack = Stack(directory=str(root))
        self.bootstrap = f"{NODE_ADDRESS}:{self.stack.kafka_port}"
        self.url = f"http://{NODE_ADDRESS}:{self.stack.clickhouse_port}"
        for folder in (root, self.place.logs, self.place.clickhouse):
            folder.mkdir(parents=True)
        self.password = passwords.made(self.place)[passwords.WRITER]

    def client(self) -> Client:
        """Return a client of the migrated database."""
        return connect(Account(self.url, "sbiscope", passwords.WRITER, self.password))

    def told(self, topic: str, schema: str) -> list[dict[str, Any]]:
        """Return the records of a topic of batches, until nothing comes for a while or too much."""
        records: list[dict[str, Any]] = []
        waited, end = itertools.count(1), time.monotonic() + LONGEST_S

        def idle() -> None:
            if next(waited) > PATIENCE:
                raise Quiet

        config = Config(kafka=Kafka(bootstrap=self.bootstrap))
        with following(config, topic, schema, True) as one, asyncio.Runner() as runner, suppress(Quiet):
            for record in one.rows(runner, idle):
                records.append(record)
                if time.monotonic() > end:  # others on this machine may talk SBI without an end
                    break
        assert one.unreadable == 0
        return records

    def start(self, cluster: Cluster) -> list[subprocess.Popen[bytes]]:
        """Start both, and what lets pods in; return their processes."""
        command = kafka.command(self.stack, self.place, kafka.prepare(print))
        settings = self.place.kafka / "server.properties"
        settings.write_text(settings.read_text().replace(f"PLAINTEXT://{LOOPBACK}", f"PLAINTEXT://{NODE_ADDRESS}"))
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        broker = cluster.begin(*command, **quiet)
        port = self.stack.clickhouse_port
        words = [sys.executable, "-m", "deploy.stack.front", str(port), str(self.place.clickhouse)]
        with (self.place.logs / "front.log").open("wb") as log:
            front = subprocess.Popen(
                words, cwd=ROOT, env=environment(self.place), stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        assert front.stdin is not None
        with front.stdin:
            front.stdin.write(json.dumps(passwords.digests(self.place)).encode())
        door = subprocess.Popen([sys.executable, "-m", "tests.kubernetes.forward", str(port)], cwd=ROOT)
        until(self._answers, 90, "Kafka")
        until(lambda: pings(port), 60, "the ClickHouse front")
        return [door, front, broker]

    def _answers(self) -> bool:
        try:
            AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=2)
        except KafkaException:
            return False
        return True


@contextmanager
def beside(cluster: Cluster, root: Path) -> Iterator[Beside]:
    """Give both, running."""
    one = Beside(root)
    processes = one.start(cluster)
    try:
        yield one
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
