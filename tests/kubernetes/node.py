"""A node of the test's cluster: containerd and kubelet in namespaces of its own (network, mounts, process ids).

All nodes share this machine's kernel, as those of kind do. What a node starts ends with its first process.
"""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.kubernetes.settings import NETNS, Place, write_node

# The first process: makes what containerd and kubelet keep beside their roots the node's own, then takes in orphans.
FIRST = """
set -e
for place in /var/lib/kubelet /var/log/containers /run; do mkdir -p $place; mount -t tmpfs none $place; done
echo ready
while :; do sleep 3600 & wait; done
"""
CGROUPS = Path("/sys/fs/cgroup")


class Node:
    """One running node; its network is there before it."""

    def __init__(self, place: Place, root: Path, binaries: Path, kubeconfig: Path) -> None:
        self.place = place
        self.root = root / place.name
        self.socket = self.root / "containerd.sock"
        self._bin = binaries
        self._kubeconfig = kubeconfig
        self._processes: list[subprocess.Popen[bytes]] = []
        self._first: subprocess.Popen[bytes] | None = None

    def up(self, environment: dict[str, str]) -> None:
        """Start containerd."""
        self.root.mkdir()
        write_node(self.root, self.place)
        self._make_cgroups()
        words = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", FIRST)
        self._first = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.place.netns}", *words], stdout=subprocess.PIPE, env=environment
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == b"ready\n"
        self.start("containerd", environment, "containerd", "-c", self.root / "containerd.toml")

    def join(self, environment: dict[str, str]) -> None:
        """Start the kubelet: the cluster has one node more."""
        self.start(
            "kubelet", environment, self._bin / "kubelet", f"--config={self.root}/kubelet.yaml",
            f"--kubeconfig={self._kubeconfig}", f"--root-dir={self.root}/kubelet",
            f"--hostname-override={self.place.name}", f"--node-ip={self.place.address}",
            f"--node-labels=topology.kubernetes.io/zone={self.place.zone}",
        )  # fmt: skip

    def start(self, name: str, environment: dict[str, str], *words: str | Path) -> None:
        """Start a program of the node."""
        assert self._first is not None
        first = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()[0]
        command = ["nsenter", f"--target={first}", "--mount", "--pid", "--net", "--", *map(str, words)]
        with (self.root / f"{name}.log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def down(self) -> None:
        """End everything and leave nothing behind; the pods are best gone by then."""
        if self._first is not None:
            self._first.kill()
            for process in (self._first, *self._processes):
                process.wait(30)
            if self._first.stdout is not None:
                self._first.stdout.close()
        _remove(f"sbiscope-{self.place.name}")
        shutil.rmtree(self.root, ignore_errors=True)

    def _make_cgroups(self) -> None:
        """Make the control group that holds the node's pods: two kubelets must not find each other's."""
        for hierarchy in hierarchies():
            group = hierarchy / f"sbiscope-{self.place.name}"
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):  # of version 1; empty ones hold no process
                with suppress(OSError):
                    (group / name).write_text((hierarchy / name).read_text())
            for name, share in (("cpu.shares", "8192"), ("cpu.weight", "800")):  # real nodes run nothing beside
                with suppress(OSError):
                    (group / name).write_text(share)


def hierarchies() -> list[Path]:
    """Return where control groups are made: each controller's hierarchy (version 1), or the only one (version 2)."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [one for one in CGROUPS.iterdir() if not one.is_symlink() and (one / "cgroup.procs").exists()]


def _remove(name: str) -> None:
    """Remove a node's control groups, the innermost first; its processes take a moment to be gone."""
    end = time.monotonic() + 10
    groups = [hierarchy / name for hierarchy in hierarchies()]
    while any(group.exists() for group in groups) and time.monotonic() < end:
        for group in groups:
            for place, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(place).rmdir()
        time.sleep(0.1)


def network(place: Place) -> list[str]:
    """Return the commands that make a further node's network, run in the first node's."""
    there, near, far = place.netns, f"e{place.number}", f"f{place.number}"
    inside = f"nsenter --net=/run/netns/{there} "
    return [
        f"ip netns add {there}",
        f"ip link add {near} type veth peer name {far} netns {there}",
        f"ip addr add {place.gateway}/24 dev {near}",
        f"ip link set {near} up",
        inside + "ip link set lo up",
        inside + f"ip addr add {place.address}/24 dev {far}",
        inside + f"ip link set {far} up",
        inside + f"ip route add default via {place.gateway}",
        inside + "sysctl -qw net.ipv4.ip_forward=1",
        f"ip route add {place.pods} via {place.address}",
    ]


def first_network(place: Place, api: str) -> list[str]:
    """Return the commands that make the first node's network, run in it; the control plane is there too."""
    assert place.netns == NETNS
    return [
        "ip link set lo up",
        "ip link add d0 type veth peer name d1",  # a kernel may lack the dummy device
        f"ip addr add {place.address}/24 dev d0",
        "ip link set d0 up",
        "ip link set d1 up",
        "ip route add default dev d0",
        f"ip addr add {api}/32 dev lo",  # the API's cluster address, until kube-proxy is there
        "sysctl -qw net.ipv4.ip_forward=1",
        "sysctl -qw net.bridge.bridge-nf-call-iptables=1",  # else answers within the bridge pass kube-proxy's work by
    ]
