"""Ten thousand pods that are only told of (kwok), and changes of them at a steady pace; when each was done is kept."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar

from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.settings import API, TOKEN

NAMESPACE = "crowd"
NODES, PODS = 20, 10_000
WRITERS = 4
PATHS = f"/api/v1/namespaces/{NAMESPACE}/pods"
MERGE = "application/merge-patch+json"
Item = TypeVar("Item")


def node(number: int) -> dict[str, Any]:
    """Return a node that kwok keeps; without the label by which agents choose."""
    about = {"name": f"kwok-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"type": "kwok"}}
    room = {"cpu": "1000", "memory": "1Ti", "pods": str(PODS)}
    status = {"allocatable": room, "capacity": room}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "status": status}


def pod(number: int, app: str) -> dict[str, Any]:
    """Return a pod with what pods of charts have: owner's labels, variables, probes, mounts."""
    labels = {
        "app": app,
        "pod-template-hash": "5d9c7b8f6",
        "app.kubernetes.io/managed-by": "Helm",
        "nf": f"nf-{number % 13}",
    }
    container = {
        "name": "nf", "image": "registry.test/nf:2.7.7",
        "env": [{"name": f"VARIABLE_{one}", "value": f"value of variable {one}"} for one in range(12)],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 9090}},
    }  # fmt: skip
    spec = {
        "nodeName": f"kwok-{number % NODES}", "containers": [container], "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }  # fmt: skip
    about = {"name": f"nf-{number}", "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}


class Writer:
    """One connection to the API server."""

    def __init__(self, root: Path) -> None:
        self._link = HTTPSConnection(API, 443, context=ssl.create_default_context(cafile=str(root / "ca.crt")))

    def write(self, method: str, path: str, body: dict[str, Any] | None = None, kind: str = "application/json") -> None:
        status, said = self._ask(method, path, body, kind)
        assert status < 300, said[:300]

    def remove(self, path: str) -> None:
        """Delete what may be gone already: the cluster collects pods too."""
        status, said = self._ask("DELETE", path, None, "application/json")
        assert status < 300 or status == 404, said[:300]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, kind: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        self._link.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._link.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        self._link.close()


class Crowd:
    """The pods, all running as far as anybody is told."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def create(self) -> None:
        """Create nodes and pods; returns when all are told to run."""
        self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        accounts = ("get", "serviceaccounts", "-n", NAMESPACE, "-o=name")
        until(lambda: "default" in self._cluster.kubectl(*accounts), 30, "the service account")
        self._cluster.apply(*(node(number) for number in range(NODES)))
        self._share(lambda writer, number: writer.write("POST", PATHS, pod(number, "before")), range(PODS))
        until(lambda: self.running() == PODS, 600, f"{PODS} running pods")

    def disperse(self) -> None:
        """Delete nodes and pods: no kubelet would let them go."""
        left = self._cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o=name").splitlines()
        names = [one.removeprefix("pod/") for one in left]
        self._share(lambda writer, name: writer.remove(f"{PATHS}/{name}?gracePeriodSeconds=0"), names)
        self._cluster.kubectl("delete", "nodes", "--selector=type=kwok")

    def running(self) -> int:
        """Return how many pods run."""
        words = ("get", "pods", "-n", NAMESPACE, "--field-selector=status.phase=Running", "-o=name")
        return len(self._cluster.kubectl(*words).splitlines())

    def change(self, count: int, rate: float) -> dict[str, int]:
        """Change `count` pods, each once, `rate` a second: every fifth is deleted, the others get another label.

        Return when each change was done, in microseconds, by the pod's name.
        """
        done: dict[str, int] = {}
        began = time.monotonic()

        def change(writer: Writer, number: int) -> None:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            name = f"nf-{number}"
            if number % 5 == 0:
                writer.write("DELETE", f"{PATHS}/{name}?gracePeriodSeconds=0")
            else:
                writer.write("PATCH", f"{PATHS}/{name}", {"metadata": {"labels": {"app": f"after-{number}"}}}, MERGE)
            done[name] = time.time_ns() // 1_000

        self._share(change, range(count))
        return done

    def _share(self, act: Callable[[Writer, Item], None], items: Sequence[Item]) -> None:
        """Let some writers act on the items, in turn."""
        failed: list[BaseException] = []

        def work(first: int) -> None:
            writer = Writer(self._cluster.root)
            try:
                for item in items[first::WRITERS]:
                    act(writer, item)
            except BaseException as error:  # noqa: BLE001 (raised below, by who waits)
                failed.append(error)
            finally:
                writer.close()

        threads = [threading.Thread(target=work, args=(first,)) for first in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


@contextmanager
def crowd(cluster: Cluster) -> Iterator[Crowd]:
    """Run kwok, and have the pods."""
    words = ("--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--cidr=10.70.0.0/16")
    with (cluster.root / "kwok.log").open("wb") as log:
        kwok = cluster.begin(cluster.bin / "kwok", f"--kubeconfig={cluster.kubeconfig}", *words, stdout=log, stderr=log)
    one = Crowd(cluster)
    try:
        one.create()
        yield one
        one.disperse()
    finally:
        kwok.terminate()
        kwok.wait(30)
