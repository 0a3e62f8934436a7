"""A whole Kubernetes for tests: a control plane in a network namespace of its own, and one node or more.

Needs root, Debian's containerd, runc, etcd-server, containernetworking-plugins, and the programs that build.sh makes.
All state lies below one directory; pod traffic never leaves the namespaces.
"""

import ctypes
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.kubernetes.node import Node, first_network, network
from tests.kubernetes.settings import API, CLUSTER_PODS, FIRST, NETNS, NODE_ADDRESS, SECOND, Place, write

CLONE_NEWNET = 0x4000_0000
SYSTEM = ("scheduler", "controllers", "apiserver", "etcd")  # in the order of their end


class Failed(AssertionError):  # noqa: N818 (what a command did)
    """A command of the cluster failed: its words and what it said."""


class Cluster:
    """One running cluster: `bin` holds its programs, `root` its state; who brings it up is in its network."""

    def __init__(self, binaries: Path, root: Path) -> None:
        self.bin = binaries
        self.root = root
        self.kubeconfig = root / "kubeconfig"
        self._before = Path("/proc/thread-self/ns/net").open()  # noqa: SIM115 (until `down`)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._images: list[Path] = []
        self.nodes: dict[Place, Node] = {}

    def up(self) -> None:
        """Start everything; returns when the node is ready."""
        self._network()
        write(self.root)
        self._start_system()
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120, "the API server")
        self._begin(FIRST)
        self.nodes[FIRST].start("kube-proxy", self._environment, self.bin / "kube-proxy", *proxy(self.kubeconfig))
        until(lambda: "default" in self.kubectl("get", "serviceaccounts", "-o=name"), 60, "the service account")

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl; return what it says. Raises Failed."""
        return self.run(self.bin / "kubectl", "--kubeconfig", self.kubeconfig, *words, given=given).strip()

    def helm(self, *words: str) -> str:
        """Run helm; return what it says. Raises Failed."""
        return self.run(self.bin / "helm", "--kubeconfig", self.kubeconfig, *words)

    def get(self, *words: str) -> Any:
        """Return objects as the API has them."""
        return json.loads(self.kubectl("get", *words, "-o=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create objects, or bring them to what is given."""
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def load(self, archive: Path) -> None:
        """Give all nodes an image, those to come too."""
        self._images.append(archive)
        for node in self.nodes.values():
            self._load(node, archive)

    def join(self, place: Place) -> None:
        """Let a further node come; returns when it is ready."""
        for words in network(place):
            self.run(*words.split())
        self._begin(place)

    def _load(self, node: Node, archive: Path) -> None:
        self.run("ctr", "-a", node.socket, "-n", "k8s.io", "images", "import", archive)

    def run(self, *words: str | Path, given: str | None = None, within_s: float = 300) -> str:
        """Run a program; return what it says. Raises Failed."""
        command = [*map(str, words)]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=within_s, env=self._environment
        )
        if done.returncode:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def begin(self, *words: str | Path, **how: Any) -> subprocess.Popen[Any]:
        """Start a program."""
        return subprocess.Popen([*map(str, words)], env=self._environment, **how)

    def down(self) -> None:
        """End everything and leave nothing behind."""
        with suppress(Failed, subprocess.TimeoutExpired):
            self.kubectl("delete", "daemonsets,deployments,jobs", "--all", "-A", "--wait=false")
            self.kubectl("delete", "pods", "--all", "-A", "--grace-period=1", "--timeout=60s")
        with suppress(AssertionError, subprocess.TimeoutExpired):
            until(lambda: not self.get("pods", "-A")["items"], 60, "the end of all pods")
        _enter(self._before)
        for node in self.nodes.values():
            node.down()
        for name in SYSTEM:
            self._end(name)
        for place in (FIRST, SECOND):
            subprocess.run(["ip", "netns", "del", place.netns], capture_output=True, check=False)
        self._before.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.root), "KUBECONFIG": str(self.kubeconfig)}

    def _begin(self, place: Place) -> None:
        self.nodes[place] = node = Node(place, self.root, self.bin, self.kubeconfig)
        node.up(self._environment)
        until(lambda: self.run("ctr", "-a", node.socket, "version"), 30, f"containerd of {place.name}")
        for archive in self._images:  # before the first pod wants them
            self._load(node, archive)
        node.join(self._environment)
        until(lambda: self._is_ready(place), 90, place.name)

    def _is_ready(self, place: Place) -> bool:
        conditions = self.get("node", place.name)["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _network(self) -> None:
        subprocess.run(["ip", "netns", "add", NETNS], check=True)
        with Path(f"/run/netns/{NETNS}").open() as there:
            _enter(there)  # `ip netns exec` would remount /sys: kubelet finds no cgroups
        for words in first_network(FIRST, API):
            self.run(*words.split())

    def _start(self, name: str, *words: str | Path) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            how: dict[str, Any] = {"stdout": log, "stderr": log, "cwd": self.root, "start_new_session": True}
            self._processes[name] = self.begin(*words, **how)

    def _start_system(self) -> None:
        root, key = self.root, f"--service-account-private-key-file={self.root}/sa.key"
        etcd, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        client = f"--kubeconfig={self.kubeconfig}"
        self._start(
            "etcd", "etcd", f"--data-dir={root}/etcd", f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peers}", "--unsafe-no-fsync",
        )  # fmt: skip
        self._start("apiserver", self.bin / "kube-apiserver", *api_server(root, etcd))
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120, "the API server")
        self._start(
            "controllers", self.bin / "kube-controller-manager", client, key, f"--root-ca-file={root}/ca.crt",
            "--leader-elect=false",
        )  # fmt: skip
        self._start("scheduler", self.bin / "kube-scheduler", client, "--leader-elect=false")

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def api_server(root: Path, etcd: str) -> list[str]:
    """Return the API server's options."""
    return [
        f"--etcd-servers={etcd}", "--secure-port=443", "--bind-address=0.0.0.0", f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={root}/api.crt", f"--tls-private-key-file={root}/api.key",
        f"--token-auth-file={root}/tokens.csv", "--authorization-mode=RBAC", "--allow-privileged=true",
        f"--service-account-key-file={root}/sa.key", f"--service-account-signing-key-file={root}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
        "--kubelet-preferred-address-types=InternalIP",
    ]  # fmt: skip


def proxy(kubeconfig: Path) -> list[str]:
    """Return kube-proxy's options: nothing of conntrack is set, which is the machine's."""
    return [
        f"--kubeconfig={kubeconfig}", f"--hostname-override={FIRST.name}", "--proxy-mode=iptables",
        f"--cluster-cidr={CLUSTER_PODS}", "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]  # fmt: skip


def _enter(network: IO[str]) -> None:
    """Let this thread, and what it starts from here on, have a network namespace."""
    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def until(is_so: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until something is so; a failing command is not so yet."""
    end, last = time.monotonic() + within_s, ""
    while True:
        try:
            if is_so():
                return
        except Failed as failed:
            last = str(failed)
        assert time.monotonic() < end, f"{what}: not within {within_s:.0f} s; {last}"
        time.sleep(0.5)


@contextmanager
def cluster(binaries: Path, root: Path) -> Iterator[Cluster]:
    """Give a running cluster; afterwards nothing of it is left."""
    root.mkdir(parents=True)
    one = Cluster(binaries, root)
    try:
        one.up()
        yield one
    finally:
        one.down()
