"""The chart with unusual but legal values: IPv6, large numbers, stages and zones on and off, any release's name."""

import json
import re
from typing import Any

import pytest
import yaml

from schemas.config import load
from tests.chart import SCALED, Document, environment, needs_helm
from tests.helm import CHART, NEEDED, helm, rendered, told
from tests.prometheus import FOLDER

pytestmark = needs_helm
PODS = {"DaemonSet", "Deployment"}


def of_kind(kind: str, values: dict[str, Any]) -> dict[str, Document]:
    return {one["metadata"]["name"]: one for one in rendered(values) if one["kind"] == kind}


def egress(part: str, values: dict[str, Any]) -> set[int]:
    """Return the TCP ports that a part may reach, DNS left out."""
    (rule,) = of_kind("NetworkPolicy", values)[f"sbiscope-{part}"]["spec"]["egress"]
    return {one["port"] for one in rule["ports"] if one["port"] != 53}


@pytest.mark.parametrize(
    ("values", "kafka"),
    [
        ({"kafka.bootstrap": "a:9092,b:9093,c:9094"}, {9092, 9093, 9094}),
        ({"kafka.bootstrap": "[2001:db8:0:1::5]:9092"}, {9092}),
        ({"kafka.registryUrl": "https://registry.example"}, {9092, 443}),
        ({"kafka.registryUrl": "http://registry.example/v1:2"}, {9092, 80}),
        ({"kafka.registryUrl": "http://[fd00::11]:8081/apis"}, {9092, 8081}),
    ],
)
def test_the_ports_of_kafka_are_open_and_no_others(values: dict[str, Any], kafka: set[int]) -> None:
    assert egress("agent", values | {"agent.kubernetes": False}) == kafka


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://[fd00::10]:8123", 8123),
        ("http://[fd00::10]", 8123),
        ("https://ch", 8443),
        ("https://ch:9440", 9440),
    ],
)
def test_the_port_of_clickhouse_is_open(url: str, port: int) -> None:
    assert egress("workers", {"clickhouse.url": url}) == {9092, port}


def test_numbers_stay_numbers_however_large() -> None:
    values = {"agent.memoryMb": 1_048_576, "agent.cpuPercent": 10_000, "agent.ringBytes": 1_073_741_824,
              "streams.maxOpenExchanges": 100_000_000, "clickhouse.retentionDays.kpis": 36_500,
              "clickhouse.retentionDays.flows": 0}  # fmt: skip
    scaled = SCALED | {"streams.autoscaling.by": "keda", "streams.autoscaling.lagMessages": 1_000_000}
    for one in rendered(values | scaled):
        pod = one["spec"]["template"]["spec"] if one["kind"] in {*PODS, "Job"} else None
        if pod is not None and "env" in pod["containers"][0]:
            given = {name: said["value"] for name, said in environment(pod).items() if "value" in said}
            load(None, given)  # refuses what is no whole number
    for one in of_kind("ScaledObject", values | scaled).values():
        assert {trigger["metadata"]["lagThreshold"] for trigger in one["spec"]["triggers"]} == {"1000000"}


def test_a_stage_may_stay_out_of_the_scaling_of_all() -> None:
    own = {"streams.stages.sink.autoscaling.enabled": False, "streams.stages.kpis.autoscaling.maxReplicas": 2}
    scaled = of_kind("HorizontalPodAutoscaler", SCALED | own)
    assert "sbiscope-sink" not in scaled
    assert (scaled["sbiscope-kpis"]["spec"]["maxReplicas"], scaled["sbiscope-pairing"]["spec"]["maxReplicas"]) == (2, 4)
    assert of_kind("Deployment", SCALED | own)["sbiscope-sink"]["spec"]["replicas"] == 1


def test_zones_can_be_turned_on_by_an_upgrade() -> None:
    """A selector is immutable; one zone may be called as it likes."""
    before = of_kind("DaemonSet", {})["sbiscope-agent"]
    after = of_kind("DaemonSet", {"agent.zones.others": "munich-a", "agent.zones.b": "munich-b"})
    assert after["sbiscope-agent"]["spec"]["selector"] == before["spec"]["selector"]
    assert len({json.dumps(one["spec"]["selector"]) for one in after.values()}) == 3
    for one in after.values():
        chosen = one["spec"]["selector"]["matchLabels"]
        assert chosen.items() <= one["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("values", [{}, {"fullnameOverride": "watch"}])
@pytest.mark.parametrize("release", ["sbiscope", "sbiscope-prod", "a-release-with-quite-a-long-name-of-its-own"])
def test_the_alert_rules_find_the_jobs_of_any_release(release: str, values: dict[str, Any]) -> None:
    given = [f"--set-json={name}={json.dumps(value)}" for name, value in (NEEDED | values).items()]
    done = helm("template", release, str(CHART), "--kube-version=1.34.0", "--set=podMonitor.enabled=true", *given)
    documents = [one for one in yaml.safe_load_all(done.stdout) if one]
    jobs = set(re.findall(r'up\{job=~"([^"]+)"\}', (FOLDER / "rules.yaml").read_text()))
    assert len(jobs) == 3
    found = set()
    for monitor in (one for one in documents if one["kind"] == "PodMonitor"):
        chosen = monitor["spec"]["selector"]["matchLabels"].items()
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in documents if one["kind"] in PODS]
        found |= {labels[monitor["spec"]["jobLabel"]] for labels in pods if chosen <= labels.items()}
    assert found == {"sbiscope-agent", "sbiscope-worker", "sbiscope-resolver"}
    assert all(any(re.fullmatch(job, name) for job in jobs) for name in found)


def test_own_labels_of_a_pod_monitor_do_not_replace_the_charts() -> None:
    own = {"app.kubernetes.io/name": "x", "release": "prometheus"}
    for one in of_kind("PodMonitor", {"podMonitor.enabled": True, "podMonitor.labels": own}).values():
        labels = one["metadata"]["labels"]
        assert (labels["app.kubernetes.io/name"], labels["release"]) == ("sbiscope", "prometheus")


@pytest.mark.parametrize(("address", "written"), [(None, "[::]"), ("0.0.0.0", "0.0.0.0"), ("fd00::7", "[fd00::7]")])
def test_metrics_are_served_in_clusters_of_either_protocol(address: str | None, written: str) -> None:
    values = {} if address is None else {"metricsAddress": address}
    of_workers = of_kind("Deployment", values)
    resolver = of_workers["sbiscope-resolver"]["spec"]["template"]["spec"]["containers"][0]
    assert resolver["args"] == ["resolve", "--metrics", f"{written}:9472"]
    agent = environment(of_kind("DaemonSet", values)["sbiscope-agent"]["spec"]["template"]["spec"])
    assert agent["SBISCOPE_COLLECTOR_METRICS_ADDRESS"]["value"] == (address or "::")
    worker = environment(of_workers["sbiscope-pairing"]["spec"]["template"]["spec"])
    assert worker["SBISCOPE_STREAMS_METRICS_ADDRESS"]["value"] == (address or "::")


def test_policies_open_the_ports_of_brokers_and_servers_named_by_addresses_of_ipv6() -> None:
    values = {"kafka.bootstrap": "[fd00::5]:9094,[fd00::6]:9095", "clickhouse.url": "https://[fd00::9]"}
    policies = of_kind("NetworkPolicy", values)
    opened = {port["port"] for port in policies["sbiscope-workers"]["spec"]["egress"][0]["ports"]}
    assert opened == {53, 9094, 9095, 8443}


def test_quantities_of_any_size_are_taken() -> None:
    assert told({"streams.resources": {"limits": {"memory": "1Ti"}}}).returncode == 0
