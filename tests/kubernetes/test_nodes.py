"""A second node joins: its agent comes unasked, exchanges across nodes are told once and named at both ends."""

import pytest

from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.conftest import NRF, PYTHON_IMAGE, SMF
from tests.kubernetes.nfs import GO, PYTHON, Nf, Running, served, service, started, talk
from tests.kubernetes.release import UNOBSERVED, End, Release
from tests.kubernetes.settings import SECOND
from tests.kubernetes.test_names import pod

pytestmark = prerequisites.MARKS
CHF = Nf("core-b", "chf", GO, SECOND.name)
PCF = Nf("core-a", "pcf-2", PYTHON, SECOND.name)


def observed(release: Release) -> set[str]:
    """Return the nodes whose agent is ready."""
    return {
        one["spec"]["nodeName"]
        for one in release.pods("agent")
        if {"type": "Ready", "status": "True"}.items()
        <= next((each for each in one["status"].get("conditions", ()) if each["type"] == "Ready"), {}).items()
    }


@pytest.fixture(scope="module")
def others(kube: Cluster, release: Release) -> dict[str, Running]:
    """NFs on the second node, older than nothing: it joins here."""
    assert observed(release) == {"node1"}
    kube.join(SECOND)
    until(lambda: observed(release) == {"node1", "node2"}, 240, "an agent on the second node")
    return {nf.name: started(kube, nf, PYTHON_IMAGE) for nf in (CHF, PCF)}


@pytest.mark.parametrize(
    ("run", "client", "server", "count"),
    [
        pytest.param(0x91, SMF, CHF, 151, id="from the first node to the second"),
        pytest.param(0x92, PCF, NRF, 157, id="from the second node to the first"),
        pytest.param(0x93, PCF, CHF, 163, id="within the second"),
    ],
)
def test_across_nodes_each_end_is_told_by_its_own(
    kube: Cluster, nfs: dict[str, Running], others: dict[str, Running], release: Release,
    run: int, client: Nf, server: Nf, count: int,
) -> None:  # fmt: skip
    pods = nfs | others
    with talk(kube, client, pods[server.name]) as link:
        link.ask(run, count)
        release.settled(run, count)
    assert release.ends(run, ("node",)) == [
        (end, nf.namespace, nf.name, "plain", pods[nf.name].uid, {"app": nf.name}, False, nf.node, count, count)
        for end, nf in (("client", client), ("server", server))
    ]
    until(lambda: release.named(run) == {(pod(client), pod(server)): count}, 60, "names")


def test_an_end_on_a_node_without_an_agent_is_named_too(
    kube: Cluster, others: dict[str, Running], release: Release
) -> None:
    kube.apply(service(CHF))
    front = served(kube, CHF)
    kube.kubectl("label", "node", SECOND.name, f"{UNOBSERVED}=yes")
    until(lambda: {one["spec"]["nodeName"] for one in release.pods("agent")} == {"node1"}, 90, "the agent's leave")
    for run, server, count in ((0x94, others["chf"], 167), (0x95, front, 173)):
        with talk(kube, SMF, server) as link:
            link.ask(run, count)
            until(lambda: release.count(run) >= count, 90, f"{count} exchanges")  # noqa: B023
        assert [row[0] for row in release.ends(run)] == ["client"]
    until(lambda: release.named(0x94) == {(pod(SMF), pod(CHF)): 167}, 60, "the pod's name")
    behind = End("service", "core-b", "chf", service="chf", node=None, zone=None)
    until(lambda: release.named(0x95) == {(pod(SMF), behind): 173}, 60, "the service's name")
    kube.kubectl("label", "node", SECOND.name, f"{UNOBSERVED}-")
    until(lambda: observed(release) == {"node1", "node2"}, 120, "the agent's return")
