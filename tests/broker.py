"""A real Kafka broker for tests: the local stack's, on free ports, in a fresh directory; killed and started at will."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.stack import kafka
from deploy.stack.layout import Layout
from deploy.topics import bring_topics, publish_schemas
from schemas.config import Kafka, Stack
from schemas.kafka import client_settings


def prepared(bootstrap: str, partitions: int) -> dict[str, str]:
    """Create topics and publish schemas; return the environment of the programs that are to use them."""
    config = Kafka(partitions=partitions)
    settings = client_settings(config, bootstrap)
    list(bring_topics(settings, config))
    list(publish_schemas(settings, config))
    return os.environ | {"SBISCOPE_KAFKA_BOOTSTRAP": bootstrap, "SBISCOPE_KAFKA_PARTITIONS": str(partitions)}


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listened on a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """One broker; its data outlives `kill`, `stop` and `start`."""

    def __init__(self, directory: Path) -> None:
        port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        self._stack = Stack(kafka_port=port, kafka_controller_port=controller)
        self._place = Layout(directory)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process; it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self, within_s: float = 60) -> None:
        command = self.command()
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + within_s
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return
        raise AssertionError((self._place.logs / "kafka.log").read_text()[-2000:])

    def command(self) -> list[str]:
        return kafka.command(self._stack, self._place, kafka.prepare(print))

    def _answers(self) -> bool:
        try:
            self.admin.list_topics(timeout=1)
        except KafkaException:
            time.sleep(0.1)
            return False
        return True

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)


@contextmanager
def broker() -> Iterator[Broker]:
    """Give a running broker; afterwards nothing of it is left."""
    directory = tempfile.mkdtemp(prefix=f"sbiscope-broker-{os.getpid()}-")
    one = Broker(Path(directory))
    try:
        one.start()
        yield one
    finally:
        one.kill()
        shutil.rmtree(directory, ignore_errors=True)
