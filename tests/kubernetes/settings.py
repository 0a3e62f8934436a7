"""The files that the cluster's parts read: certificates, tokens, and a configuration each."""

import subprocess
from pathlib import Path

NODE, NODE_ADDRESS = "node1", "10.99.0.1"
API = "10.96.0.1"  # first address of the services' range: what pods take the API to be
PAUSE = "docker.io/sbiscope-tests/nf:1"
TOKEN = "local-admin"  # of a cluster that nobody else reaches

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
    "type": "host-local", "dataDir": "{root}/addresses", "ranges": [[{{"subnet": "10.88.0.0/16"}}]],
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


def write(root: Path) -> None:
    """Write all of them."""
    words = {"root": root, "pause": PAUSE, "api": API, "token": TOKEN}
    (root / "cni").mkdir()
    (root / "cni/10-pods.conflist").write_text(NETWORK.format(**words))
    (root / "containerd.toml").write_text(CONTAINERD.format(**words))
    (root / "kubeconfig").write_text(KUBECONFIG.format(**words))
    (root / "kubelet.yaml").write_text(KUBELET.format(**words))
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
