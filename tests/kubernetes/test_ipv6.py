"""A real API server in a network that has IPv6 alone: the watches of the resolver and of an agent."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

from tests.certificates import Authority
from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import until
from tests.kubernetes.conftest import CACHE, HERE

pytestmark = prerequisites.MARKS
ROOT = HERE.parent.parent
NETNS, NODE_ADDRESS, SERVICES = "sbiscope-ipv6", "fd00:99::1", "fd00:96::/112"
URL, ETCD, ETCD_PEERS = "https://[::1]:6443", "http://[::1]:2379", "http://[::1]:2380"
TOKEN = "of-the-tests"


class ApiServer:
    """A control plane of etcd and API server."""

    def __init__(self, root: Path, ending: ExitStack) -> None:
        self.root = root
        self._ending = ending
        self._made = Authority(root, "cluster").signed("api")
        (root / "token").write_text(TOKEN)
        (root / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n")
        write_key = ["openssl", "genrsa", "-out", str(root / "sa.key"), "2048"]
        subprocess.run(write_key, check=True, capture_output=True)

    @property
    def place(self) -> list[str]:
        """Address, token and authority, as who watches is told."""
        return [URL, str(self.root / "token"), str(self._made.authority)]

    def begin(self, *words: str | Path, **how: Any) -> "subprocess.Popen[str]":
        """Start a program in the network; it ends with the test."""
        log = (self.root / f"{Path(words[0]).name}.log").open("w")
        self._ending.callback(log.close)
        command = ["nsenter", f"--net=/run/netns/{NETNS}", *map(str, words)]
        process = self._ending.enter_context(subprocess.Popen(command, stderr=log, text=True, cwd=ROOT, **how))
        self._ending.callback(process.terminate)
        return process

    def up(self) -> None:
        """Start both; returns when the API answers."""
        self.begin(
            "etcd", f"--data-dir={self.root}/etcd", f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}",
            f"--listen-peer-urls={ETCD_PEERS}", f"--initial-advertise-peer-urls={ETCD_PEERS}",
            f"--initial-cluster=default={ETCD_PEERS}", "--unsafe-no-fsync", stdout=subprocess.DEVNULL,
        )  # fmt: skip
        key = self.root / "sa.key"
        self.begin(
            CACHE / "bin/kube-apiserver", f"--etcd-servers={ETCD}", "--secure-port=6443", "--bind-address=::1",
            f"--advertise-address={NODE_ADDRESS}", f"--service-cluster-ip-range={SERVICES}",
            f"--tls-cert-file={self._made.certificate}", f"--tls-private-key-file={self._made.key}",
            f"--token-auth-file={self.root}/tokens.csv", "--authorization-mode=AlwaysAllow",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc", "--disable-admission-plugins=ServiceAccount",
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120, "the API server")

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl; return what it says."""
        about = [f"--server={URL}", f"--certificate-authority={self._made.authority}", f"--token={TOKEN}"]
        command = ["nsenter", f"--net=/run/netns/{NETNS}", str(CACHE / "bin/kubectl"), *about, *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create objects."""
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def runs(self, name: str, address: str) -> None:
        """Create a pod that runs, as far as anybody is told."""
        about = {"name": name, "namespace": "default", "labels": {"app": name}}
        spec = {"nodeName": "n1", "containers": [{"name": "nf", "image": "nf:2.7"}]}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    subprocess.run([HERE / "build.sh", CACHE], check=True)
    with ExitStack() as ending:
        subprocess.run(["ip", "netns", "add", NETNS], check=True)
        ending.callback(subprocess.run, ["ip", "netns", "del", NETNS], check=True)
        for words in (
            "ip link set lo up",
            f"ip addr add {NODE_ADDRESS}/128 dev lo nodad",
            "ip addr del 127.0.0.1/8 dev lo",
        ):
            subprocess.run(["nsenter", f"--net=/run/netns/{NETNS}", *words.split()], check=True)
        one = ApiServer(tmp_path, ending)
        one.up()
        yield one


def lines_until(told: IO[str], is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return the places told until they are enough."""
    found: list[dict[str, Any]] = []
    while not is_enough(found):
        line = told.readline()
        assert line, "it has ended"
        found.append(json.loads(line))
    return found


def test_a_cluster_of_ipv6_alone_is_watched(api: ApiServer) -> None:
    api.runs("amf", "fd00:10::1")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    resolver = api.begin(sys.executable, "-m", "tests.kubernetes.telling", *api.place, **pipes)
    agent = api.begin(sys.executable, "-m", "tests.kubernetes.watching", "n1", *api.place, **pipes)
    assert resolver.stdin is not None
    assert resolver.stdout is not None
    lines_until(resolver.stdout, lambda told: any(one["name"] == "amf" for one in told))
    assert agent.stdout is not None
    assert agent.stdout.readline() == "ready\n"
    assert agent.stdin is not None
    agent.stdin.write("\n")
    agent.stdin.flush()
    api.runs("smf", "fd00:10::2")
    api.kubectl("label", "pod", "amf", "--overwrite", "app=renamed")
    service = {"name": "smf", "namespace": "default"}
    ends = [{"addresses": ["fd00:10::2"], "targetRef": {"kind": "Pod", "name": "smf", "namespace": "default"}}]
    api.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": {"ports": [{"port": 80}]}},
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6", "endpoints": ends,
            "metadata": {**service, "name": "smf-x", "labels": {"kubernetes.io/service-name": "smf"}},
        },
    )  # fmt: skip
    api.kubectl("delete", "pod", "amf", "--grace-period=0", "--force")
    last: dict[tuple[str, str], dict[str, Any]] = {}

    def is_all_told(told: list[dict[str, Any]]) -> bool:
        last.update({(one["kind"], one["name"]): one for one in told})
        names = {("pod", "amf"), ("pod", "smf"), ("service", "smf")}
        return (
            names <= last.keys() and last["pod", "amf"]["until_us"] is not None and bool(last["service", "smf"]["pods"])
        )

    lines_until(resolver.stdout, is_all_told)
    assert last["pod", "amf"]["labels"] == {"app": "renamed"}
    assert last["pod", "smf"]["address"] == "fd00:10::2"
    assert last["service", "smf"]["address"].startswith("fd00:96::")
    assert last["service", "smf"]["pods"] == ["smf"]
    resolver.stdin.close()
    assert json.loads(resolver.stdout.readlines()[-1]) == {"counts": {}, "problems": {}}
    pods, _ = agent.communicate(timeout=30)
    assert int(pods) == 1
