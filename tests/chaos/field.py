"""Everything that runs during chaos: broker, ClickHouse front, workers, collectors; each killed and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.commands.schema import clickhouse
from deploy.topics import bring_topics, publish_schemas
from schemas.config import ClickHouse, Kafka
from schemas.kafka import client_settings
from tests.broker import Broker, broker
from tests.front import Front, front

ROOT = Path(__file__).parent.parent.parent
PARTITIONS = 4
STAGES = ("pairing", "kpis", "procedures", "alerts", "sink")
BROKER_STARTS = 3
DIED = {1, 3}  # what a supervisor restarts: brokers away at the start, or going on would have been wrong
DATABASE = "sbiscope"
PATIENCE_S = 900.0  # with one process of a machine under load; right sooner on one that has nothing else to do


@dataclass(slots=True)
class Field:
    """The processes and where they write; workers by name, the stage before the number."""

    kafka: Broker
    front: Front
    directory: Path
    rate: float
    requests: int  # of a collector in a round, at most
    environment: dict[str, str]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    collectors: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    incarnations: int = 0
    restarts: int = 0
    number: int = 0

    def work(self, stage: str, name: str = "") -> None:
        """Start a worker of a stage, under a new name unless told one."""
        self.number += not name
        name = name or f"{stage}-{self.number}"
        words = [sys.executable, "-m", "deploy.cli", "streams", "--instance", name, "--stage", stage]
        self.workers[name] = self._start(words, name)

    def collect(self, node: int) -> None:
        """Start the next incarnation of a node's collector."""
        self.incarnations += 1
        words = [sys.executable, "-m", "tests.chaos.collector", self.kafka.bootstrap, f"n{node}"]
        words += [
            f"i{self.incarnations:04}",
            str(self.journal),
            str(node % PARTITIONS),
            str(self.rate),
            str(self.allowed),
        ]
        self.collectors[node] = self._start(words, f"collector-{node}")

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    @property
    def allowed(self) -> Path:
        return self.directory / "round"

    def begin_round(self, number: int) -> None:
        """Allow each collector its requests of another round."""
        told = self.directory / "round.new"
        told.write_text(f"{number} {self.requests}")
        told.rename(self.allowed)

    def _start(self, words: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(words, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def supervise(self) -> None:
        """Start again what ended by itself, as a supervisor does; an end that is no such one is a failure."""
        for name, worker in list(self.workers.items()):
            code = worker.poll()
            if code is not None:
                assert code in DIED, f"{name} ended with {code}: {self.log(name)}"
                self.restarts += 1
                self.work(name.partition("-")[0], name)
        for node, collector in self.collectors.items():
            assert collector.poll() is None, self.log(f"collector-{node}")

    def wait(self, seconds: float) -> None:
        """Let time pass, supervising."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.supervise()
            time.sleep(0.1)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()[-2_000:]

    def bring_broker_back(self) -> None:
        """Start the broker; one that ends or hangs on a machine under load is started again."""
        for _ in range(BROKER_STARTS - 1):
            try:
                self.kafka.start(PATIENCE_S)
            except AssertionError:
                self.kafka.kill()
            else:
                return
        self.kafka.start(PATIENCE_S)

    def stop_collectors(self) -> None:
        """Let all collectors end in order."""
        for collector in self.collectors.values():
            collector.terminate()
        for node, collector in self.collectors.items():
            assert collector.wait(PATIENCE_S) == 0, self.log(f"collector-{node}")
        self.collectors.clear()

    def stop_workers(self) -> dict[str, int]:
        """End all workers in order; return their exit codes."""
        for worker in self.workers.values():
            worker.terminate()
        codes = {name: worker.wait(PATIENCE_S) for name, worker in self.workers.items()}
        self.workers.clear()
        return codes

    def kill_all(self) -> None:
        for process in (*self.workers.values(), *self.collectors.values()):
            process.send_signal(signal.SIGKILL)
            process.wait(30)


@contextmanager
def running(directory: Path, rate: float, requests: int, nodes: int = 5) -> Iterator[Field]:
    """Give a field with two workers a stage and a collector a node; afterwards nothing of it is left."""
    place = directory / "front"
    place.mkdir()
    with broker() as kafka, front(place) as engine:
        config = Kafka(partitions=PARTITIONS)
        settings = client_settings(config, kafka.bootstrap)
        list(bring_topics(settings, config))
        list(publish_schemas(settings, config))
        account = engine.account(DATABASE)
        list(clickhouse(account, ClickHouse()))
        environment = os.environ | {
            "SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "SBISCOPE_KAFKA_PARTITIONS": str(PARTITIONS),
            "SBISCOPE_CLICKHOUSE_URL": account.url,
            "SBISCOPE_CLICKHOUSE_USER": account.user,
            "SBISCOPE_CLICKHOUSE_PASSWORD": account.password,
            "SBISCOPE_CLICKHOUSE_DATABASE": DATABASE,
        }
        one = Field(kafka, engine, directory, rate, requests, environment)
        one.begin_round(0)
        try:
            for stage in STAGES * 2:
                one.work(stage)
            for node in range(nodes):
                one.collect(node)
            yield one
        finally:
            one.kill_all()
