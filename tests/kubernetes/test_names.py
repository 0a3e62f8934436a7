"""Both ends of an exchange by name, whichever of them an agent saw: the resolver on a real cluster.

With kube-proxy, so that a Service has an address that leads to its pods.
"""

import pytest

from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.conftest import AMF, PYTHON_IMAGE, SMF, UDM
from tests.kubernetes.nfs import GO, Nf, Running, deployment, gone, served, service, started, talk
from tests.kubernetes.release import End, Release

pytestmark = prerequisites.MARKS
BSF = Nf("core-b", "bsf", GO)


def pod(nf: Nf) -> End:
    """Return a pod without an owner as it must be named."""
    number = nf.node.removeprefix("node")
    return End("pod", nf.namespace, nf.name, node=nf.node, zone=f"zone-{number}")


@pytest.fixture(scope="module")
def bsf(kube: Cluster) -> str:
    """A Deployment of one pod with a Service before it; the pod's name."""
    kube.apply(deployment(BSF, PYTHON_IMAGE), service(BSF))
    kube.kubectl("rollout", "status", "-n=core-b", "deployment/bsf", "--timeout=120s")
    (one,) = kube.get("pods", "-n=core-b", "-l=app=bsf")["items"]
    return str(one["metadata"]["name"])


def test_pods_are_named_at_both_ends(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    with talk(kube, SMF, nfs["udm"]) as link:
        link.ask(0x81, 131)
        release.settled(0x81, 131)
    wanted = {(pod(SMF), pod(UDM)): 131}
    until(lambda: release.named(0x81) == wanted, 60, f"{wanted}")


def test_behind_a_service_stands_its_pod(kube: Cluster, bsf: str, release: Release) -> None:
    front = served(kube, BSF)
    with talk(kube, AMF, front) as link:
        link.ask(0x82, 137)
        release.settled(0x82, 137)
    behind = End("pod", "core-b", bsf, workload="Deployment/bsf")
    until(lambda: release.named(0x82) == {(pod(AMF), behind): 137}, 60, f"{behind}")
    asked = "SELECT DISTINCT vantage, server_address FROM transactions WHERE path LIKE '%/00000082-%'"
    assert dict(release.rows(asked))["client"] == front.address
    told = release.rows(f"SELECT kind, name, pods FROM places_standing WHERE address = '{front.address}'")
    assert told == [("service", "bsf", [bsf])]
    until(lambda: release.counted(0x82)[0] > 0, 90, "the KPIs of the last window")
    counted, happened = release.counted(0x82)  # its two ends name different addresses of the server
    assert counted == happened >= 137


def test_a_pod_that_comes_again_is_another_place(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    before = nfs["udm"]
    with talk(kube, AMF, before) as link:
        link.ask(0x83, 139)
        release.settled(0x83, 139)
    gone(kube, UDM)
    nfs["udm"] = started(kube, UDM, PYTHON_IMAGE)
    with talk(kube, AMF, nfs["udm"]) as link:
        link.ask(0x84, 149)
        release.settled(0x84, 149)
    for run, count in ((0x83, 139), (0x84, 149)):
        until(lambda: release.named(run) == {(pod(AMF), pod(UDM)): count}, 60, f"run {run:x}")  # noqa: B023
    places = "SELECT toString(uid), address, until_us IS NULL FROM places FINAL WHERE name = 'udm' AND kind = 'pod'"
    wanted = {(before.uid, before.address): 0, (nfs["udm"].uid, nfs["udm"].address): 1}

    def told() -> dict[tuple[str, str], int]:
        return {(uid, address): stands for uid, address, stands in release.rows(places)}

    until(lambda: wanted.items() <= told().items(), 30, f"{wanted}")  # the agents' names came first


def test_a_node_is_named_with_its_zone(kube: Cluster, release: Release) -> None:
    (one,) = [each for each in kube.get("nodes")["items"] if each["metadata"]["name"] == "node1"]
    address = next(each["address"] for each in one["status"]["addresses"] if each["type"] == "InternalIP")
    told = release.rows(f"SELECT kind, name, zone FROM places_standing WHERE address = '{address}'")
    assert told == [("node", "node1", "zone-1")]
