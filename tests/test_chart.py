"""deploy/helm/sbiscope: sound for six Kubernetes releases, least rights, no secret in clear, wrong values named.

Helm is a Go program whose build takes minutes: `make test-chart` makes it. Without it, what can be said of the rendered
manifests alone is still tested.
"""

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from kubernetes_validate.utils import schema_contents
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.config import Config, load
from streams.clickhouse import Account
from streams.stages import WEBHOOK, jobs, names
from tests.chart import SCALED, SETS, Document, each_set, environment, needs_helm, pods
from tests.helm import CHART, MANIFESTS, ROOT, helm, program, rendered, told

KUBERNETES = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34")
FOREIGN = {
    "ScaledObject",
    "TriggerAuthentication",
    "PodMonitor",
}  # others' definitions: their schemas are not Kubernetes'


@cache
def manifests() -> tuple[Document, ...]:
    return tuple(one for one in yaml.safe_load_all((MANIFESTS / "sbiscope.yaml").read_text()) if one)


def sound(document: Document) -> None:
    _sound(json.dumps(document, sort_keys=True))


@cache
def _sound(text: str) -> None:
    """Raise ValidationError where one of the releases would not take it; many sets render the same object."""
    document = json.loads(text)
    kind = "-".join((document["kind"].lower(), *re.sub(r"[.][^/]*", "", document["apiVersion"]).split("/")))
    for version in KUBERNETES:
        validator(version, kind).validate(document)


@cache
def validator(version: str, kind: str) -> Draft202012Validator:
    schema = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{kind}.json", version)
    return Draft202012Validator(schema, registry=definitions(version))


@cache
def definitions(version: str) -> Registry[Any]:
    contents = schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json", version)
    return Registry().with_resource("_definitions.json", DRAFT202012.create_resource(contents)).crawl()


@needs_helm
def test_the_manifests_are_the_chart_as_it_is() -> None:
    done = subprocess.run(
        [MANIFESTS / "render.sh"],
        env={"HELM": str(program()), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == (MANIFESTS / "sbiscope.yaml").read_text(), "run: make manifests"


def test_every_kubernetes_release_takes_the_manifests() -> None:
    for one in manifests():
        sound(one)


def test_a_wrong_manifest_would_be_found() -> None:
    wrong = json.loads(json.dumps(next(one for one in manifests() if one["kind"] == "DaemonSet")))
    wrong["spec"]["template"]["spec"]["hostPid"] = True
    with pytest.raises(ValidationError):
        sound(wrong)


@needs_helm
def test_helm_lint_is_content() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "0 chart(s) failed" in done.stdout


@needs_helm
@each_set
def test_every_kubernetes_release_takes_what_is_rendered(values: dict[str, Any]) -> None:
    documents = rendered(values)
    assert documents
    for one in documents:
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "sbiscope"
        if one["kind"] not in FOREIGN:
            sound(one)


@needs_helm
@each_set
def test_rights_are_the_least_whatever_the_values(values: dict[str, Any]) -> None:
    for kind, pod in pods(rendered(values)):
        (container,) = pod["containers"]
        security = container["securityContext"]
        assert (security["privileged"], security["allowPrivilegeEscalation"]) == (False, False)
        assert security["readOnlyRootFilesystem"] is True
        assert not [one for one in pod["volumes"] if "hostPath" in one]
        assert "hostNetwork" not in pod
        assert "hostIPC" not in pod
        if kind == "DaemonSet":
            assert security["capabilities"] == {
                "drop": ["ALL"],
                "add": ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"],
            }
            assert pod["hostPID"] is True
            assert pod["securityContext"]["seccompProfile"]["type"] == values.get("agent.seccomp", "RuntimeDefault")
        else:
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "hostPID" not in pod
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            token = pod.get("serviceAccountName", "").endswith("-resolver")  # it asks the API server, as agents do
            assert pod["automountServiceAccountToken"] is token


@needs_helm
def test_an_agent_may_read_pods_and_a_resolver_what_has_an_address() -> None:
    documents = rendered({})
    roles = {
        one["metadata"]["name"].rpartition("-")[2]: one["rules"] for one in documents if one["kind"] == "ClusterRole"
    }
    assert roles == {
        "agent": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
        "resolver": [
            {"apiGroups": [""], "resources": ["pods", "services", "nodes"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    }
    assert not [one for one in documents if one["kind"] in {"Role", "RoleBinding"}]
    neither = rendered({"agent.kubernetes": False, "resolver.enabled": False})
    assert not [one for one in neither if one["kind"].startswith("ClusterRole")]


@needs_helm
def test_a_zone_has_agents_of_its_own_and_no_node_is_left_out() -> None:
    sets = [one for one in rendered(SETS["zones"]) if one["kind"] == "DaemonSet"]
    found = {}
    for one in sets:
        pod = one["spec"]["template"]["spec"]
        affinity = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        (term,) = affinity["nodeSelectorTerms"][0]["matchExpressions"]
        assert term["key"] == "topology.kubernetes.io/zone"
        found[environment(pod)["SBISCOPE_SITE_NAME"]["value"]] = (term["operator"], term["values"])
    assert found == {
        "munich-a": ("In", ["zone-a"]),
        "munich-b": ("In", ["zone-b"]),
        "site-1": ("NotIn", ["zone-a", "zone-b"]),
    }
    assert len({json.dumps(one["spec"]["selector"]) for one in sets}) == 3


@needs_helm
def test_the_resolver_names_addresses_for_each_site_that_agents_tell() -> None:
    def args(values: dict[str, Any]) -> list[str]:
        (one,) = (
            one
            for one in rendered(values)
            if (one["kind"], one["metadata"]["name"]) == ("Deployment", "sbiscope-resolver")
        )
        given: list[str] = one["spec"]["template"]["spec"]["containers"][0]["args"]
        return given[3:]

    assert args({}) == []
    assert args(SETS["zones"]) == ["--also-site", "munich-a", "--also-site", "munich-b"]
    assert args({"site": "a", "agent.zones": {"z-1": "b", "z-2": "b", "z-3": "a"}}) == ["--also-site", "b"]


def test_the_chart_knows_the_stages_and_what_each_reads() -> None:
    groups = yaml.safe_load((CHART / "files/stages.yaml").read_text())
    config = load(environment={"SBISCOPE_ALERTS_WEBHOOK_URL": "http://127.0.0.1:9093"})
    assert set(groups) == set(names(config)) | {WEBHOOK.stage}
    for stage, told_groups in groups.items():
        made = jobs(config, (stage,), {}, lambda: Account("http://127.0.0.1", "sbiscope"))
        assert {(one["group"], one["topic"]) for one in told_groups} == {
            (f"sbiscope-{one.name}", one.topic) for one in made
        }
    assert set(yaml.safe_load((CHART / "values.yaml").read_text())["streams"]["stages"]) == set(groups)


@needs_helm
def test_workers_follow_the_lag() -> None:
    by_keda = [one for one in rendered(SETS["scaled by KEDA"]) if one["kind"] == "ScaledObject"]
    triggers = {one["metadata"]["name"]: one["spec"]["triggers"] for one in by_keda}
    assert set(triggers) == {f"sbiscope-{stage}" for stage in names(Config())}
    assert len(triggers["sbiscope-sink"]) == 7
    (pairing,) = triggers["sbiscope-pairing"]
    assert pairing["metadata"] == {
        "bootstrapServers": "kafka:9092",
        "consumerGroup": "lab.sbiscope-pairing",
        "topic": "lab.sbi.events",
        "lagThreshold": "1000",
        "sasl": "scram_sha512",
        "tls": "enable",
    }
    documents = rendered(SETS["one stage scaled"])
    (by_metric,) = [one for one in documents if one["kind"] == "HorizontalPodAutoscaler"]
    assert by_metric["spec"]["scaleTargetRef"]["name"] == "sbiscope-pairing"
    replicas = {
        one["metadata"]["name"]: one["spec"].get("replicas") for one in documents if one["kind"] == "Deployment"
    }
    assert (replicas["sbiscope-pairing"], replicas["sbiscope-sink"]) == (None, 1)  # else an upgrade would undo it


@needs_helm
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kafka.bootstrap": None}, "kafka.bootstrap must be given: host:port of your brokers"),
        ({"clickhouse.url": ""}, "clickhouse.url must be given: http://host:8123"),
        ({"clickhouse.secret": ""}, "clickhouse.secret must be given: a Secret with username and password"),
        ({"kafka.sasl.mechanism": "PLAIN"}, "kafka.sasl.secret must be given: a Secret with username and password"),
        ({"kafka.sasl.mechanism": "GSSAPI"}, "'/kafka/sasl/mechanism': value must be one of"),
        ({"kafka.bootstrap": "kafka"}, "'/kafka/bootstrap': 'kafka' does not match"),
        ({"kafka.partitions": 0}, "'/kafka/partitions': minimum: got 0, want 1"),
        ({"clickhouse.url": "http://me:secret@host"}, "'/clickhouse/url'"),
        ({"clickhouse.cluster": "a b"}, "'/clickhouse/cluster': 'a b' does not match"),
        ({"agnet.enabled": True}, "additional properties 'agnet' not allowed"),
        ({"agent.privileged": True}, "'/agent': additional properties 'privileged' not allowed"),
        ({"agent.hook": "magic"}, "'/agent/hook': value must be one of 'auto'"),
        ({"agent.cpuPercent": "much"}, "'/agent/cpuPercent': got string, want integer"),
        ({"agent.resources.limits.memroy": "1Gi"}, "additional properties 'memroy' not allowed"),
        ({"streams.stages.sync.replicas": 1}, "'/streams/stages': additional properties 'sync' not allowed"),
        ({"streams.stages.sink.replicas": 5}, "sink: 5 workers for kafka.partitions = 4: those above it would be idle"),
        ({"streams.stages.webhook.enabled": True}, "alerts.webhookSecret must be given for the stage webhook"),
        ({"kafka.tls.certSecret": "mine"}, "a certificate (mine) is shown only where kafka.tls.enabled"),
        ({"trace.enabled": True}, "trace.enabled wants clickhouse.readerSecret"),
        (
            {"trace.enabled": True, "clickhouse.readerSecret": "reader", "pseudonym.pastKeyIds": ["k1"]},
            "pseudonym.pastKeyIds: k1 is pseudonym.keyId",
        ),
        ({"pseudonym.pastKeyIds": ["K 1"]}, "'/pseudonym/pastKeyIds/0': 'K 1' does not match"),
        ({"pseudonym.keyId": "K 1"}, "'/pseudonym/keyId': 'K 1' does not match"),
        ({"report.format": "pdf"}, "report.format pdf makes a file: give report.claim"),
        (SCALED | {"streams.autoscaling.maxReplicas": 9}, "9 workers for kafka.partitions = 4"),
        (SCALED | {"streams.autoscaling.minReplicas": 5}, "minReplicas is above maxReplicas"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_wrong_value_is_refused(values: dict[str, Any], said: str) -> None:
    done = told(values)
    assert done.returncode != 0
    assert said in done.stderr


def test_every_value_says_what_it_is_for_and_is_in_the_schema() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if line.strip().endswith(("''", '""')) or ": " in line]
    for number in (one for one in keys if not lines[one].strip().startswith(("#", "requests", "limits"))):
        above = lines[number - 1].strip()
        assert above.startswith("#") or lines[number].strip().startswith(("maxReplicas", "- operator")), lines[number]
    schema = json.loads((CHART / "values.schema.json").read_text())
    covered(yaml.safe_load("\n".join(lines)), schema, schema["$defs"])


def covered(values: Any, schema: Document, definitions: Document) -> None:
    """Every key stands in the schema, and the schema has no other."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    properties = schema.get("properties")
    if not isinstance(values, dict) or properties is None:
        return
    assert schema["additionalProperties"] is False
    assert set(values) <= set(properties)
    if schema not in definitions.values():
        assert set(values) == set(properties) - {"global"}
    for key, value in values.items():
        covered(value, properties[key], definitions)


def test_what_the_notes_name_exists() -> None:
    notes = (CHART / "templates/NOTES.txt").read_text()
    assert "helm test {{ .Release.Name }}" in notes
    assert (ROOT / "deploy/commands/query.py").exists()
    assert (ROOT / "deploy/commands/report.py").exists()
