"""NF-like pods: what they are made of, and conversations between them on a test's word."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.settings import PAUSE as GO_IMAGE

PLAIN, SECURE = 8_000, 8_443
PYTHON = ("/usr/bin/python3", "/programs/nf.py")
GO = ("/nf",)


@dataclass(frozen=True, slots=True)
class Nf:
    """A pod that stands for a network function; `language` decides which program it runs."""

    namespace: str
    name: str
    language: tuple[str, ...]
    node: str = "node1"

    def manifest(self, python_image: str) -> dict[str, Any]:
        """Return the pod: in Go two containers, one of them behind TLS; in Python one."""
        containers = [self._container("plain", python_image, "serve", str(PLAIN))]
        if self.language == GO:
            containers.append(self._container("secure", python_image, "serve", str(SECURE), "tls"))
        labels = {"app": self.name, "tier": f"{self.name}-tier"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            "spec": {
                "containers": containers,
                "nodeSelector": {"kubernetes.io/hostname": self.node},
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "volumes": [{"name": "programs", "configMap": {"name": "programs"}}],
            },
        }

    def _container(self, name: str, python_image: str, *words: str) -> dict[str, Any]:
        return {
            "name": name,
            "image": GO_IMAGE if self.language == GO else python_image,
            "imagePullPolicy": "Never",
            "command": [*self.language, *words],
            "volumeMounts": [{"name": "programs", "mountPath": "/programs"}],
        }


def deployment(nf: Nf, python_image: str) -> dict[str, Any]:
    """Return a Deployment of one such pod."""
    pod = nf.manifest(python_image)
    template = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": nf.name, "namespace": nf.namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": nf.name}}, "template": template},
    }


def service(nf: Nf) -> dict[str, Any]:
    """Return a Service before such pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": nf.name, "namespace": nf.namespace},
        "spec": {"selector": {"app": nf.name}, "ports": [{"port": PLAIN}]},
    }


def namespace(name: str) -> list[dict[str, Any]]:
    """Return a namespace, with the program that Python pods run."""
    program = (Path(__file__).parent / "nf.py").read_text()
    about = {"name": "programs", "namespace": name}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"nf.py": program}},
    ]


@dataclass(frozen=True, slots=True)
class Running:
    """A pod as the API has it."""

    nf: Nf
    uid: str
    address: str
    restarts: int


def started(cluster: Cluster, nf: Nf, python_image: str) -> Running:
    """Start a pod and wait for it."""
    until(lambda: not cluster.apply(nf.manifest(python_image)), 30, f"{nf.name}, taken by the API")
    cluster.kubectl("wait", "-n", nf.namespace, "--for=condition=Ready", f"pod/{nf.name}", "--timeout=120s")
    return running(cluster, nf)


def running(cluster: Cluster, nf: Nf) -> Running:
    """Return a pod as it is now."""
    pod = cluster.get("pod", "-n", nf.namespace, nf.name)
    restarts = sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
    return Running(nf, pod["metadata"]["uid"], pod["status"]["podIP"], restarts)


class Talk:
    """One connection from a pod to another; each `ask` goes over it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, run: int, count: int, pause_ms: int = 0) -> None:
        """Let `count` exchanges of `run` begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{run} {count} {pause_ms}\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """Wait until all are done; return how many were answered as they should be."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def ask(self, run: int, count: int, pause_ms: int = 0) -> None:
        """Have `count` exchanges of `run`."""
        self.begin(run, count, pause_ms)
        assert self.end() == count


@contextmanager
def talk(cluster: Cluster, client: Nf, server: Running, secure: bool = False) -> Iterator[Talk]:
    """Connect; the client is a further process of a container of its pod, and lives as long as the block.

    An NF lives for days; what a process belongs to can be read only while it does, and an agent gets to it in its time.
    """
    address = f"{server.address}:{SECURE if secure else PLAIN}"
    words = [*client.language, "call", address, *(["tls"] if secure else [])]
    told: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    kubectl = (cluster.bin / "kubectl", "--kubeconfig", cluster.kubeconfig)
    command = (*kubectl, "exec", "-i", "-n", client.namespace, client.name, "-c", "plain", "--", *words)
    with cluster.begin(*command, **told) as process:
        try:
            yield Talk(process)
        finally:
            process.stdin.close()
            process.wait(30)


def gone(cluster: Cluster, nf: Nf) -> None:
    """Delete a pod and wait until it is."""
    cluster.kubectl("delete", "pod", "-n", nf.namespace, nf.name, "--wait=true", "--timeout=60s")
    until(lambda: nf.name not in cluster.kubectl("get", "pods", "-n", nf.namespace, "-o=name"), 60, "the pod's end")


def served(cluster: Cluster, nf: Nf) -> Running:
    """Return a Service like a pod, once it leads somewhere."""
    about = cluster.get("service", "-n", nf.namespace, nf.name)
    address = about["spec"]["clusterIP"]
    until(lambda: _answers(address), 60, f"a pod behind {address}")
    return Running(nf, about["metadata"]["uid"], address, 0)


def _answers(address: str) -> bool:
    with suppress(OSError), socket.create_connection((address, PLAIN), 1):
        return True
    return False
