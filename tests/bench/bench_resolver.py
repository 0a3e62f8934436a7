"""What the resolver costs where 10,000 pods are and 100 of them change a second: a whole process, TLS, a real Kafka.

python -m tests.bench.bench_resolver [SECONDS]
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer

from deploy.topics import bring_topics
from schemas.config import Kafka
from schemas.kafka import client_settings
from tests.bench.line import show
from tests.broker import Broker, broker
from tests.certificates import Authority, Pair
from tests.kube_api import KubeApi, kube_api
from tests.kubernetes import crowd

PODS, RATE = 10_000, 100
SETTLES_S = 10.0
WITHIN_S = 120.0
TOPIC = "sbi.places.json"


class Resolver:
    """The running process, measured."""

    def __init__(self, process: int) -> None:
        self._place = Path(f"/proc/{process}")

    def cpu_s(self) -> float:
        """Return the CPU time of its threads."""
        tasks = (self._place / "task").glob("*/schedstat")
        return sum(int(one.read_text().split()[0]) for one in tasks) / 1e9

    def mb(self) -> float:
        """Return its memory that no file stands behind."""
        lines = dict(line.split(":", 1) for line in (self._place / "status").read_text().splitlines())
        return int(lines["RssAnon"].split()[0]) * 1_024 / 1e6

    def wakings(self) -> int:
        """Return how often its threads began to wait."""
        texts = [one.read_text() for one in (self._place / "task").glob("*/status")]
        return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in texts)


def pod(number: int, version: int) -> dict[str, Any]:
    """Return a pod as an API server has it, with what its kubelet said, some 4 kB."""
    shape = crowd.pod(number, f"nf-{version}")
    address, at = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "2026-11-27T10:00:00Z"
    shape["metadata"] |= {
        "uid": f"{number:08x}-8b1f-4a56-9a3e-5d1f0c7b6a21", "resourceVersion": str(100_000 + version),
        "creationTimestamp": at, "managedFields": [
            {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": at, "fieldsType": "FieldsV1",
             "fieldsV1": {f"f:field-{one}": {".": {}, "f:name": {}, "f:value": {}} for one in range(32)}}],
    }  # fmt: skip
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    shape["status"] = {
        "phase": "Running", "hostIP": "192.0.2.7", "podIP": address, "podIPs": [{"ip": address}], "startTime": at,
        "conditions": [
            {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": at} for kind in kinds
        ],
        "containerStatuses": [{
            "name": "nf", "image": "registry.test/nf:2.7.7", "imageID": f"registry.test/nf@sha256:{number:064x}",
            "containerID": f"containerd://{number:064x}", "ready": True, "restartCount": 0, "started": True,
            "state": {"running": {"startedAt": at}}, "lastState": {},
        }],
    }  # fmt: skip
    return shape


@contextmanager
def resolving(kafka: Broker, api: KubeApi, authority: Path, prefix: str) -> Iterator[Resolver]:
    """Have the process run; whatever happens, it is gone afterwards."""
    config = Kafka(bootstrap=kafka.bootstrap, partitions=1, topic_prefix=prefix)
    list(bring_topics(client_settings(config, kafka.bootstrap), config))
    words = [sys.executable, "-m", "deploy.cli", "resolve", "--api", api.url, "--ca-file", str(authority)]
    mine = {"SBISCOPE_KAFKA_BOOTSTRAP": kafka.bootstrap, "SBISCOPE_KAFKA_TOPIC_PREFIX": prefix}
    with subprocess.Popen(words, env=os.environ | mine) as process:
        try:
            yield Resolver(process.pid)
        finally:
            process.kill()


class Reader(threading.Thread):
    """Reads what the resolver tells, and when: `told` has the newest time by name and label of a pod."""

    def __init__(self, kafka: Broker, prefix: str) -> None:
        super().__init__(daemon=True)
        self.told: dict[tuple[str, str], float] = {}
        self.ended = threading.Event()
        settings = {"bootstrap.servers": kafka.bootstrap, "group.id": "bench", "auto.offset.reset": "earliest"}
        self._consumer = Consumer(settings)
        self._consumer.subscribe([prefix + TOPIC])

    def run(self) -> None:
        while not self.ended.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                record = msgspec.json.decode(message.value())
                self.told[record["name"], record["labels"].get("app", "")] = time.monotonic()
        self._consumer.close()

    def has(self, many: int) -> None:
        """Wait for so many places."""
        end_s = time.monotonic() + WITHIN_S
        while len(self.told) < many:
            assert time.monotonic() < end_s, f"{len(self.told)} places are told"
            time.sleep(0.1)


def idle(kafka: Broker, pair: Pair, seconds: float) -> float:
    """Measure a resolver of an empty cluster; return its memory."""
    with kube_api(pair) as api, resolving(kafka, api, pair.authority, "idle.") as resolver:
        time.sleep(SETTLES_S)
        spent_s, wakings = resolver.cpu_s(), resolver.wakings()
        time.sleep(seconds)
        used, woken = resolver.cpu_s() - spent_s, resolver.wakings() - wakings
        show("resolver, nothing to do", used / seconds * 100, "% of a core", wakings_a_second=round(woken / seconds))
        return resolver.mb()


def busy(kafka: Broker, pair: Pair, seconds: float, before_mb: float) -> None:
    """Measure a resolver to which changes are told."""
    with kube_api(pair) as api:
        api.pods = [pod(number, 0) for number in range(PODS)]
        with resolving(kafka, api, pair.authority, "busy.") as resolver:
            reader = Reader(kafka, "busy.")
            reader.start()
            reader.has(PODS)
            time.sleep(SETTLES_S)
            show("resolver, memory of 10,000 pods", resolver.mb() - before_mb, "MB", before=round(before_mb, 1))
            spent_s, wakings, began_s = resolver.cpu_s(), resolver.wakings(), time.monotonic()
            done = change(api, round(seconds * RATE))
            took_s = time.monotonic() - began_s
            used, woken = resolver.cpu_s() - spent_s, resolver.wakings() - wakings
            more = {"changes_a_second": round(len(done) / took_s), "wakings_a_second": round(woken / took_s)}
            show("resolver, CPU", used / took_s * 100, "% of a core", us_a_change=round(used / len(done) * 1e6), **more)
            reader.has(PODS + len(done))
            reader.ended.set()
            reader.join()
            late = sorted(reader.told[one] - at_s for one, at_s in done.items())
            show("resolver, a change is read in Kafka after", late[len(late) // 2], "s", longest=round(late[-1], 3))
            show("resolver, memory after the changes", resolver.mb() - before_mb, "MB")


def change(api: KubeApi, count: int) -> dict[tuple[str, str], float]:
    """Tell so many changes of pods, each of another label; return when each was told."""
    done: dict[tuple[str, str], float] = {}
    began_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began_s + number / RATE - time.monotonic()))
        one, version = number % PODS, number // PODS + 1
        done[f"nf-{one}", f"nf-{version}"] = time.monotonic()
        api.tell("MODIFIED", pod(one, version))
    return done


if __name__ == "__main__":
    length_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with broker() as running, tempfile.TemporaryDirectory() as folder:
        served = Authority(Path(folder), "cluster").signed("api")
        busy(running, served, length_s, idle(running, served, length_s / 2))
