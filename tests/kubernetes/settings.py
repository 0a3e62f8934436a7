"""The files that the cluster's parts read: certificates, tokens, and a configuration each."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NETNS = "sbiscope-kube"
CLUSTER_PODS = "10.88.0.0/16"
API = "10.96.0.1"  # first address of the services' range: what pods take the API to be
PAUSE = "docker.io/sbiscope-tests/nf:1"
TOKEN = "local-admin"  # of a cluster that nobody else reaches


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is: the first one has the control plane beside it, others hang on its network."""

    number: int

    @property
    def name(self) -> str:
        """The node's name."""
        return f"node{self.number}"

    @property
    def netns(self) -> str:
        """Its network namespace."""
        return NETNS if self.number == 1 else f"{NETNS}-{self.number}"

    @property
    def address(self) -> str:
        """Its address."""
        return "10.99.0.1" if self.number == 1 else f"10.98.{self.number}.2"

    @property
    def gateway(self) -> str:
        """The first node's address towards it."""
        return f"10.98.{self.number}.1"

    @property
    def pods(self) -> str:
        """Its pods' network."""
        return f"10.88.{self.number}.0/24"

    @property
    def zone(self) -> str:
        """Its zone."""
        return f"zone-{self.number}"


FIRST, SECOND = Place(1), Place(2)
NODE, NODE_ADDRESS = FIRST.name, FIRST.address
CONTAINERD = """\
version = 2
root = "{root}/containerd"
state = "{root}/containerd-state"
[grpc]
  address = "{root}/containerd.sock"
[ttrpc]
  address = "{root}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true  # else runc dies where CAP_SYS_RESOURCE is not held
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root}/cni"
"""
NETWORK = """\
{{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "ipam": {{
    "type": "host-local", "dataDir": "{root}/addresses", "ranges": [[{{"subnet": "{pods}"}}]],
    "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://{api}:443", certificate-authority: "{root}/ca.crt"}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""
KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
cgroupDriver: cgroupfs
cgroupRoot: "/sbiscope-{name}"
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: "unix://{root}/containerd.sock"
podLogsDir: "{root}/pods"
resolvConf: ""
evictionHard: {{}}
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
registerNode: true
"""


def write_node(root: Path, place: Place) -> None:
    """Write those of a node."""
    words = {"root": root, "pause": PAUSE, "pods": place.pods, "name": place.name}
    (root / "cni").mkdir()
    (root / "cni/10-pods.conflist").write_text(NETWORK.format(**words))
    (root / "containerd.toml").write_text(CONTAINERD.format(**words))
    (root / "kubelet.yaml").write_text(KUBELET.format(**words))


def write(root: Path) -> None:
    """Write those of the control plane."""
    (root / "kubeconfig").write_text(KUBECONFIG.format(root=root, api=API, token=TOKEN))
    (root / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')
    _certificates(root)


def _certificates(root: Path) -> None:
    names = f"subjectAltName=IP:{API},IP:{NODE_ADDRESS},IP:127.0.0.1,DNS:kubernetes.default.svc"
    (root / "names").write_text(names)
    for words in (
        "genrsa -out sa.key 2048",
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt",
        "req -newkey rsa:2048 -nodes -subj /CN=api -keyout api.key -out api.csr",
        "x509 -req -days 2 -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -out api.crt",
    ):
        subprocess.run(["openssl", *words.split()], cwd=root, check=True, capture_output=True)
