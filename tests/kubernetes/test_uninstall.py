"""The end of the story: the agent had the rights that are documented, no NF was touched, nothing is left behind."""

import re
from pathlib import Path

import pytest

from tests.bench.bpf_statistics import loaded
from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.nfs import Running
from tests.kubernetes.release import NAMESPACE, Release

pytestmark = prerequisites.MARKS
BPF = Path(__file__).parent.parent.parent / "bpf"


def test_the_agent_has_the_rights_that_are_documented(kube: Cluster, release: Release) -> None:
    pod, *_ = release.pods("agent")
    (container,) = pod["spec"]["containers"]
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]}
    assert (security["privileged"], security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (
        False, False, True,
    )  # fmt: skip
    assert not [one for one in pod["spec"]["volumes"] if "hostPath" in one]


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ("", "ok      rights: root with CAP_BPF and CAP_PERFMON"),
        ("BPF", "missing rights: no CAP_BPF"),
        ("PERFMON", "missing rights: no CAP_PERFMON"),
        ("SYS_PTRACE", "missing sight of processes: no CAP_SYS_PTRACE"),
        ("DAC_READ_SEARCH", "missing sight of processes: no CAP_DAC_READ_SEARCH"),
    ],
)
def test_doctor_names_the_capability_that_is_missing(kube: Cluster, release: Release, taken: str, said: str) -> None:
    pod, *_ = release.pods("agent")
    (container,) = pod["spec"]["containers"]
    name = f"doctor-{taken.lower().replace('_', '-') or 'complete'}"
    capabilities = container["securityContext"]["capabilities"]
    left = [one for one in capabilities["add"] if one != taken]
    security = container["securityContext"] | {"capabilities": {"drop": ["ALL"], "add": left}}
    kept = {key: container[key] for key in ("image", "imagePullPolicy")}
    scratch = {"name": "scratch", "emptyDir": {}}
    looking = {
        **kept, "name": "doctor", "args": ["doctor"], "securityContext": security,
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    }  # fmt: skip
    spec = {"restartPolicy": "Never", "hostPID": True, "containers": [looking], "volumes": [scratch]}
    about = {"name": name, "namespace": NAMESPACE}
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
    until(
        lambda: release.kubectl("get", "pod", name, "-o=jsonpath={.status.phase}") in {"Succeeded", "Failed"}, 300, name
    )
    lines = release.kubectl("logs", name).splitlines()
    release.kubectl("delete", "pod", name, "--wait=false")
    assert [line for line in lines if line.startswith(said)], lines


def test_no_nf_was_ever_restarted(kube: Cluster, nfs: dict[str, Running]) -> None:
    pods = [pod for namespace in ("core-a", "core-b") for pod in kube.get("pods", "-n", namespace)["items"]]
    restarts = {
        pod["metadata"]["labels"]["app"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
        for pod in pods
    }
    assert restarts.keys() > nfs.keys()
    assert set(restarts.values()) == {0}


def test_nothing_is_left_after_uninstall(kube: Cluster, release: Release) -> None:
    assert programs() >= {"set_state", "tls_enter", "tls_leave"}
    release.helm("uninstall", "sbiscope", "--wait", "--timeout=3m")
    until(lambda: not release.pods("agent"), 60, "the agent's end")
    kinds = "pods,daemonsets,deployments,jobs,cronjobs,configmaps,secrets,serviceaccounts,networkpolicies"
    everywhere = f"{kinds},poddisruptionbudgets,clusterroles,clusterrolebindings"
    label = "app.kubernetes.io/instance=sbiscope"
    left = kube.kubectl("get", everywhere, "-A", "-l", label, "-o=name").splitlines()
    assert left in ([], ["secret/sbiscope-pseudonym-k1"])  # the key is kept on purpose: rows are linked by it
    until(lambda: programs() == set(), 30, "the end of the BPF programs")
    assert files_of_node() == set()


def programs() -> set[str]:
    """Return the names of our BPF programs that are loaded on this machine."""
    ours = {
        name for source in BPF.glob("*.c") for name in re.findall(r"^int (\w+)\(", source.read_text(), re.MULTILINE)
    }
    return {one.name for one in loaded().values()} & {name[:15] for name in ours}


def files_of_node() -> set[str]:
    """Return what stands on the host where programs like ours leave something: pinned objects, locks, state."""
    places = [Path(place) for place in ("/sys/fs/bpf", "/run", "/var/run", "/var/lib", "/etc")]
    return {str(one) for place in places if place.exists() for one in place.glob("*sbiscope*")}
