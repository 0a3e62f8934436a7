"""What the tests of the Helm chart have in common: sets of values, and how to read what is rendered."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helm import program

Document = dict[str, Any]

TLS_SASL = {
    "kafka.tls.enabled": True,
    "kafka.tls.caSecret": "kafka-ca",
    "kafka.sasl.mechanism": "SCRAM-SHA-512",
    "kafka.sasl.secret": "kafka-worker",
    "kafka.sasl.agentSecret": "kafka-agent",
    "kafka.sasl.schemaSecret": "kafka-schema",
    "kafka.sasl.resolverSecret": "kafka-resolver",
    "clickhouse.url": "https://clickhouse:8443",
    "clickhouse.tls.caSecret": "clickhouse-ca",
    "clickhouse.readerSecret": "clickhouse-reader",
}
MUTUAL_TLS = {
    "kafka.tls.enabled": True,
    "kafka.tls.certSecret": "kafka-worker",
    "kafka.tls.agentCertSecret": "kafka-agent",
    "kafka.tls.schemaCertSecret": "kafka-schema",
    "kafka.tls.resolverCertSecret": "kafka-resolver",
    "kafka.tls.certKey": "user.crt",
    "kafka.tls.privateKey": "user.key",
}
SCALED = {"streams.autoscaling.enabled": True}
SETS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "TLS and SASL": TLS_SASL,
    "own key": {"pseudonym.secret": "mine", "pseudonym.keyId": "k2"},
    "scaled by the pods' metric": SCALED,
    "scaled by KEDA": SCALED | TLS_SASL | {"streams.autoscaling.by": "keda", "kafka.topicPrefix": "lab."},
    "one stage scaled": {"streams.stages.pairing.autoscaling.enabled": True},
    "mutual TLS": MUTUAL_TLS,
    "mutual TLS, scaled by KEDA": MUTUAL_TLS | SCALED | {"streams.autoscaling.by": "keda"},
    "alerts to an Alertmanager": {
        "streams.stages.webhook.enabled": True,
        "alerts.webhookSecret": "alertmanager",
        "alerts.webhookCaSecret": "alertmanager-ca",
    },
    "a place to trace in": {
        "trace.enabled": True,
        "clickhouse.readerSecret": "reader",
        "pseudonym.keyId": "k3",
        "pseudonym.pastKeyIds": ["k1", "k2"],
    },
    "a place to trace in, own keys": {
        "trace.enabled": True,
        "clickhouse.readerSecret": "reader",
        "pseudonym.secret": "mine",
        "pseudonym.pastKeyIds": ["k0"],
        "clickhouse.url": "https://clickhouse:8443",
        "clickhouse.tls.caSecret": "clickhouse-ca",
    },
    "zones": {"agent.zones.zone-a": "munich-a", "agent.zones.zone-b": "munich-b"},
    "workers only": {"agent.enabled": False, "resolver.enabled": False},
    "laboratory": {"agent.plainIdentifiers": True, "agent.kubernetes": False, "agent.seccomp": "Unconfined"},
    "reports as files": {"report.format": "pdf", "report.claim": "reports"},
    "a ClickHouse cluster": {"clickhouse.cluster": "core"},
    "a registry": {"kafka.registryUrl": "https://registry:8081"},
    "digests": {"images.agent.digest": f"sha256:{7:064x}", "images.pullSecrets": ["registry"]},
    "a Prometheus operator": {"podMonitor.enabled": True, "podMonitor.labels.release": "prometheus"},
    "as little as may be": {
        "report.enabled": False,
        "schema.enabled": False,
        "networkPolicy.enabled": False,
        "podDisruptionBudget.enabled": False,
        "test.transactionMinutes": 0,
    },
}
each_set = pytest.mark.parametrize("values", SETS.values(), ids=SETS)
needs_helm = pytest.mark.skipif(program() is None, reason="no helm: make test-chart builds it, with Go")


def pods(documents: Iterator[Document] | tuple[Document, ...] | list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the kind and specification of everything that becomes a pod."""
    for one in documents:
        if one["kind"] == "Pod":
            yield one["kind"], one["spec"]
        elif one["kind"] == "CronJob":
            yield one["kind"], one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in one.get("spec", {}):
            yield one["kind"], one["spec"]["template"]["spec"]


def environment(pod: Document) -> dict[str, Document]:
    return {one["name"]: one for one in pod["containers"][0]["env"]}
