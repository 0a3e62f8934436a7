"""The product on a whole Kubernetes, as a story: pods of two namespaces talk, and everything is told once, with names.

The tests follow each other on one cluster, and so do the files of this directory, by name; counts are primes.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes import prerequisites
from tests.kubernetes.beside import Beside
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.conftest import AMF, NRF, PYTHON_IMAGE, SMF, UDM
from tests.kubernetes.nfs import GO, Nf, Running, gone, started, talk
from tests.kubernetes.release import Release

pytestmark = prerequisites.MARKS

Told = list[tuple[Any, ...]]


def both_ends(
    client: Nf, server: Running, container: str, count: int, clients: str, is_tls: bool = False, tier: bool = False
) -> Told:
    """Return what `Release.ends` must say; `tier`: this label was asked for too."""

    def labels(nf: Nf) -> dict[str, str]:
        return {"app": nf.name, "tier": f"{nf.name}-tier"} if tier else {"app": nf.name}

    peer = server.nf
    return [
        ("client", client.namespace, client.name, "plain", clients, labels(client), is_tls, count, count),
        ("server", peer.namespace, peer.name, container, server.uid, labels(peer), is_tls, count, count),
    ]


@pytest.mark.parametrize(
    ("run", "client", "server", "is_tls", "count"),
    [
        pytest.param(0x11, SMF, UDM, False, 211, id="Go asks Python, h2c"),
        pytest.param(0x12, AMF, NRF, False, 223, id="Python asks Go, h2c"),
        pytest.param(0x13, AMF, NRF, True, 227, id="Python asks Go, TLS: OpenSSL and crypto/tls"),
    ],
)
def test_pods_older_than_the_agent(
    kube: Cluster, nfs: dict[str, Running], release: Release, run: int, client: Nf, server: Nf, is_tls: bool, count: int
) -> None:
    with talk(kube, client, nfs[server.name], is_tls) as link:
        link.ask(run, count)
        release.settled(run, count)
    container = "secure" if is_tls else "plain"
    assert release.ends(run) == both_ends(client, nfs[server.name], container, count, nfs[client.name].uid, is_tls)


def test_kafka_has_each_half_once(nfs: dict[str, Running], operator: Beside, release: Release) -> None:
    events = operator.told("sbi.events", "sbi_event_batch")
    asked = [one for one in events if (one["path"] or "").startswith("/nnrf-nfm/v1/nf-instances/00000011-")]
    exchanges = {(one["connection_id"], one["stream_id"]) for one in asked}
    halves = [one for one in events if (one["connection_id"], one["stream_id"]) in exchanges]
    by_end = {end: [one for one in halves if one["vantage"] == end] for end in ("client", "server")}
    for end, pod in (("client", "smf"), ("server", "udm")):
        assert {(one["pod"], one["namespace"], one["pod_uid"]) for one in by_end[end]} == {
            (pod, nfs[pod].nf.namespace, nfs[pod].uid)
        }
        for half in ("request", "response"):
            assert len({one["event_id"] for one in by_end[end] if one["half"] == half}) == 211
    assert len(halves) == len({one["event_id"] for one in halves}) == 4 * 211


def test_a_pod_younger_than_the_agent(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    pcf = started(kube, Nf("core-a", "pcf", GO), PYTHON_IMAGE)
    with talk(kube, pcf.nf, nfs["nrf"]) as link:
        link.ask(0x21, 103)
        release.settled(0x21, 103)
    assert release.ends(0x21) == both_ends(pcf.nf, nfs["nrf"], "plain", 103, pcf.uid)


def test_a_pod_that_comes_again_under_its_name(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    before = nfs["udm"]
    gone(kube, UDM)
    nfs["udm"] = started(kube, UDM, PYTHON_IMAGE)
    assert nfs["udm"].uid != before.uid
    with talk(kube, SMF, nfs["udm"]) as link:
        link.ask(0x31, 107)
        release.settled(0x31, 107)
    assert release.ends(0x31) == both_ends(SMF, nfs["udm"], "plain", 107, nfs["smf"].uid)


def test_an_agent_killed_under_load(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    (pod,) = release.pods("agent")
    with talk(kube, SMF, nfs["udm"]) as link:
        link.begin(0x41, 2_003, pause_ms=10)
        time.sleep(3)
        release.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
        until(
            lambda: [one["metadata"]["name"] for one in release.pods("agent")] != [pod["metadata"]["name"]],
            60,
            "a new one",
        )
        release.rolled_out()
        assert link.end() == 2_003
        link.ask(0x42, 109)  # on a connection older than this agent
        release.settled(0x42, 109)
    assert release.ends(0x42) == both_ends(SMF, nfs["udm"], "plain", 109, nfs["smf"].uid)
    seen = release.ends(0x41)
    assert len(seen) == 2
    for row in seen:
        assert 0 < row[-2] == row[-1] <= 2_003  # what went by without an agent is missing, nothing is told twice


def test_an_upgrade_with_a_changed_value(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    chart = Path(__file__).parent.parent.parent / "deploy/helm/sbiscope"
    release.helm(
        "upgrade", "sbiscope", chart, "--reuse-values", "--set=agent.podLabels={app,tier}", "--wait", "--timeout=6m"
    )
    release.rolled_out()
    with talk(kube, SMF, nfs["udm"]) as link:
        link.ask(0x51, 113)
        release.settled(0x51, 113)
    assert release.ends(0x51) == both_ends(SMF, nfs["udm"], "plain", 113, nfs["smf"].uid, tier=True)


def test_workers_from_one_to_three_and_back(
    kube: Cluster, nfs: dict[str, Running], operator: Beside, release: Release
) -> None:
    with talk(kube, SMF, nfs["udm"]) as link:
        link.begin(0x61, 4_001, pause_ms=5)
        for replicas in (3, 1):
            for stage in ("pairing", "kpis", "procedures", "sink"):
                release.kubectl("scale", f"deployment/sbiscope-{stage}", f"--replicas={replicas}")
            release.rolled_out()
        assert link.end() == 4_001
        release.settled(0x61, 4_001)
    time.sleep(3)
    assert release.ends(0x61) == both_ends(SMF, nfs["udm"], "plain", 4_001, nfs["smf"].uid, tier=True)
    topic = [
        (one["transaction_id"], one["version"])
        for one in operator.told("sbi.transactions", "sbi_transaction_batch")
        if (one["path"] or "").startswith("/nnrf-nfm/v1/nf-instances/00000061-")
    ]
    assert len({transaction for transaction, _ in topic}) == 2 * 4_001
    assert len(topic) == len(set(topic))  # each version under one number alone, whoever published it
    until(lambda: release.counted(0x61)[0] > 0, 60, "the KPIs of the last window")
    counted, happened = release.counted(0x61)
    assert counted == happened >= 4_001


def test_a_rollback(kube: Cluster, nfs: dict[str, Running], release: Release) -> None:
    release.helm("rollback", "sbiscope", "1", "--wait", "--timeout=6m")
    release.rolled_out()
    with talk(kube, AMF, nfs["nrf"]) as link:
        link.ask(0x71, 127)
        release.settled(0x71, 127)
    assert release.ends(0x71) == both_ends(AMF, nfs["nrf"], "plain", 127, nfs["amf"].uid)


def test_the_release_says_that_data_flows(release: Release) -> None:
    assert "Phase:          Succeeded" in release.helm("test", "sbiscope", "--timeout=3m")
