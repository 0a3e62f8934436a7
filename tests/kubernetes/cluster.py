"""A whole Kubernetes of one node for tests: control plane, kubelet and containerd in a network namespace of its own.

Needs root, Debian's containerd, runc, etcd-server, containernetworking-plugins, and the programs that build.sh makes.
All state lies below one directory; pod traffic never leaves the namespace.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.kubernetes.settings import API, NODE, NODE_ADDRESS, write

NETNS = "sbiscope-kube"
CLONE_NEWNET = 0x4000_0000
SYSTEM = ("kubelet", "scheduler", "controllers", "apiserver", "containerd", "etcd")  # in the order of their end


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

    def up(self) -> None:
        """Start everything; returns when the node is ready."""
        self._network()
        write(self.root)
        self._start_system()
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120, "the API server")
        until(self._is_ready, 90, "the node")
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
        """Give the node an image."""
        self.run("ctr", "-a", self.root / "containerd.sock", "-n", "k8s.io", "images", "import", archive)

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
        for name in SYSTEM:
            self._end(name)
        self._end_shims()
        self._unmount()
        self._remove_cgroups()
        _enter(self._before)
        self._before.close()
        subprocess.run(["ip", "netns", "del", NETNS], capture_output=True, check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.root), "KUBECONFIG": str(self.kubeconfig)}

    def _is_ready(self) -> bool:
        conditions = self.get("node", NODE)["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _network(self) -> None:
        subprocess.run(["ip", "netns", "add", NETNS], check=True)
        with Path(
            f"/run/netns/{NETNS}"
        ).open() as there:  # `ip netns exec` would remount /sys: kubelet finds no cgroups
            _enter(there)
        for words in (
            "ip link set lo up",
            "ip link add d0 type veth peer name d1",  # a kernel may lack the dummy device
            f"ip addr add {NODE_ADDRESS}/24 dev d0",
            "ip link set d0 up",
            "ip link set d1 up",
            "ip route add default dev d0",
            f"ip addr add {API}/32 dev lo",  # the API's cluster address, without kube-proxy
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
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
        self._start("containerd", "containerd", "-c", root / "containerd.toml")
        self._start("apiserver", self.bin / "kube-apiserver", *api_server(root, etcd))
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120, "the API server")
        self._start(
            "controllers", self.bin / "kube-controller-manager", client, key, f"--root-ca-file={root}/ca.crt",
            "--leader-elect=false",
        )  # fmt: skip
        self._start("scheduler", self.bin / "kube-scheduler", client, "--leader-elect=false")
        self._start(
            "kubelet", self.bin / "kubelet", f"--config={root}/kubelet.yaml", client, f"--root-dir={root}/kubelet",
            f"--hostname-override={NODE}", f"--node-ip={NODE_ADDRESS}",
        )  # fmt: skip

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

    def _end_shims(self) -> None:
        """End what outlives containerd: its shims are known by its socket in their command line."""
        mark = str(self.root / "containerd.sock").encode()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)

    def _unmount(self) -> None:
        lines = Path("/proc/self/mounts").read_text().splitlines()
        for place in sorted((line.split()[1] for line in lines), key=len, reverse=True):
            if place.startswith(f"{self.root}/"):
                subprocess.run(["umount", "-l", place], check=False, capture_output=True)

    def _remove_cgroups(self) -> None:
        """Remove the pods' control groups, the innermost first."""
        for hierarchy in {*Path("/sys/fs/cgroup").glob("*/kubepods"), *Path("/sys/fs/cgroup").glob("kubepods")}:
            for place, _, _ in os.walk(hierarchy, topdown=False):
                with suppress(OSError):
                    Path(place).rmdir()


def api_server(root: Path, etcd: str) -> list[str]:
    """Return the API server's options."""
    return [
        f"--etcd-servers={etcd}", "--secure-port=443", "--bind-address=0.0.0.0", f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={root}/api.crt", f"--tls-private-key-file={root}/api.key",
        f"--token-auth-file={root}/tokens.csv", "--authorization-mode=RBAC", "--allow-privileged=true",
        f"--service-account-key-file={root}/sa.key", f"--service-account-signing-key-file={root}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
        "--kubelet-preferred-address-types=InternalIP", "--endpoint-reconciler-type=none",
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
