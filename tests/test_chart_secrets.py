"""deploy/helm/sbiscope, what is secret: nothing stands in clear, each part has its own, keys have names."""

from functools import cache
from typing import Any

import pytest

from schemas.config import Config, load
from tests.chart import MUTUAL_TLS, SETS, TLS_SASL, each_set, environment, needs_helm, pods
from tests.helm import rendered


@needs_helm
@each_set
def test_no_secret_stands_in_clear_and_every_setting_is_one_of_ours(values: dict[str, Any]) -> None:
    documents = rendered(values)
    secrets = [one for one in documents if one["kind"] == "Secret"]
    assert [one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in secrets] in ([], ["keep"])
    for _, pod in pods(documents):
        given = environment(pod)
        for name, one in given.items():
            is_secret = name.endswith(("_PASSWORD", "_USERNAME", "_USER", "WEBHOOK_URL"))
            assert is_secret == ("secretKeyRef" in one.get("valueFrom", {})), name
        plain = {name: one.get("value", "1") for name, one in given.items()}
        assert set(plain) <= known()
        load(environment=plain)


@cache
def known() -> frozenset[str]:
    """Return the variables that the configuration knows."""
    sections = {one: getattr(Config(), one) for one in Config.__slots__}
    return frozenset(
        f"SBISCOPE_{section}_{key}".upper() for section, table in sections.items() for key in table.__slots__
    )


@needs_helm
def test_each_part_has_its_own_account() -> None:
    documents = rendered(TLS_SASL)
    accounts = {
        (kind, environment(pod)["SBISCOPE_KAFKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"])
        for kind, pod in pods(documents)
        if "SBISCOPE_KAFKA_SASL_PASSWORD" in environment(pod)
    }
    assert accounts == {
        ("DaemonSet", "kafka-agent"),
        ("Job", "kafka-schema"),
        ("Deployment", "kafka-worker"),
        ("Deployment", "kafka-resolver"),
    }
    for kind, pod in pods(documents):
        given = environment(pod)
        if kind in {"CronJob", "Pod"}:  # they read ClickHouse, and nothing else
            assert (
                given["SBISCOPE_CLICKHOUSE_READER_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "clickhouse-reader"
            )
            assert not [name for name in given if "KAFKA" in name or name == "SBISCOPE_CLICKHOUSE_PASSWORD"]
        if kind == "DaemonSet":
            assert not [name for name in given if "CLICKHOUSE" in name]
        if "SBISCOPE_KAFKA_SASL_PASSWORD" in given:
            assert given["SBISCOPE_KAFKA_SECURITY_PROTOCOL"]["value"] == "SASL_SSL"
            assert given["SBISCOPE_KAFKA_SSL_CA_LOCATION"]["value"] == "/etc/sbiscope/kafka/ca.crt"
            assert {"name": "kafka-ca", "mountPath": "/etc/sbiscope/kafka", "readOnly": True} in (
                pod["containers"][0]["volumeMounts"]
            )


@needs_helm
def test_each_part_shows_its_own_certificate() -> None:
    shown = {}
    for kind, pod in pods(rendered(MUTUAL_TLS)):
        given, mounts = environment(pod), pod["containers"][0]["volumeMounts"]
        for one in (one["secret"] for one in pod["volumes"] if one["name"] == "certificate"):
            shown.setdefault(kind, set()).add(one["secretName"])
            assert one["items"] == [{"key": "user.crt", "path": "tls.crt"}, {"key": "user.key", "path": "tls.key"}]
            assert one["defaultMode"] == 0o440
            assert {"name": "certificate", "mountPath": "/etc/sbiscope/certificate", "readOnly": True} in mounts
            assert given["SBISCOPE_KAFKA_SECURITY_PROTOCOL"]["value"] == "SSL"
            assert given["SBISCOPE_KAFKA_SSL_CERTIFICATE_LOCATION"]["value"] == "/etc/sbiscope/certificate/tls.crt"
            assert given["SBISCOPE_KAFKA_SSL_KEY_LOCATION"]["value"] == "/etc/sbiscope/certificate/tls.key"
    assert shown == {
        "DaemonSet": {"kafka-agent"},
        "Job": {"kafka-schema"},
        "Deployment": {"kafka-worker", "kafka-resolver"},
    }
    asking = [one for one in rendered(SETS["mutual TLS, scaled by KEDA"]) if one["kind"] == "TriggerAuthentication"]
    for one in asking:
        assert {(target["parameter"], target["key"]) for target in one["spec"]["secretTargetRef"]} == {
            ("cert", "user.crt"),
            ("key", "user.key"),
        }


@needs_helm
def test_the_webhook_alone_knows_its_authority() -> None:
    with_it = {
        pod["containers"][0]["args"][-1]
        for _, pod in pods(rendered(SETS["alerts to an Alertmanager"]))
        if "webhook-ca" in {one["name"] for one in pod["volumes"]}
        and environment(pod)["SBISCOPE_ALERTS_WEBHOOK_CA_LOCATION"]["value"] == "/etc/sbiscope/webhook/ca.crt"
    }
    assert with_it == {"webhook"}


@needs_helm
@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        ("a place to trace in", {f"k{one}": f"sbiscope-pseudonym-k{one}" for one in (1, 2, 3)}),
        ("a place to trace in, own keys", {"k1": "mine", "k0": "mine"}),
    ],
)
def test_who_traces_has_the_key_in_use_and_earlier_ones(values: str, secrets: dict[str, str]) -> None:
    ((key_id, *past), found) = _tracing(SETS[values])
    assert found == secrets
    assert {key_id, *past} == set(secrets)
    assert past == SETS[values]["pseudonym.pastKeyIds"]


@needs_helm
def test_who_traces_has_the_readers_account_and_reaches_clickhouse_alone() -> None:
    said = rendered(SETS["a place to trace in"] | {"networkPolicy.enabled": True})
    (pod,) = [pod for _, pod in pods(said) if pod["containers"][0]["name"] == "trace"]
    assert {name for name in environment(pod) if "USER" in name or "PASSWORD" in name} == {
        "SBISCOPE_CLICKHOUSE_READER_USER",
        "SBISCOPE_CLICKHOUSE_READER_PASSWORD",
    }
    (policy,) = [one for one in said if one["kind"] == "NetworkPolicy" and one["metadata"]["name"].endswith("-trace")]
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])]
    assert (8123 in ports, 9092 in ports) == (True, False)


def _tracing(values: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the names of the keys, that in use first, and the Secret of each."""
    (pod,) = [pod for _, pod in pods(rendered(values)) if pod["containers"][0]["name"] == "trace"]
    given = {name: one.get("value", "") for name, one in environment(pod).items()}
    place = "/etc/sbiscope/pseudonym/"
    key_id = given["SBISCOPE_COLLECTOR_PSEUDONYM_KEY_ID"]
    assert given["SBISCOPE_COLLECTOR_PSEUDONYM_KEY_FILE"] == place + key_id
    past = [one.split("=") for one in given["SBISCOPE_COLLECTOR_PSEUDONYM_PAST_KEYS"].split(",")]
    assert all(file == place + name for name, file in past)
    (volume,) = [one["projected"] for one in pod["volumes"] if one["name"] == "pseudonym"]
    assert volume["defaultMode"] == 0o440  # the commands refuse a key that everybody may read
    assert all(one["secret"]["items"][0]["key"] == one["secret"]["items"][0]["path"] for one in volume["sources"])
    sources = {one["secret"]["items"][0]["key"]: one["secret"]["name"] for one in volume["sources"]}
    return [key_id, *(name for name, _ in past)], sources


@needs_helm
def test_a_key_is_rotated_by_its_name() -> None:
    for key_id in ("k1", "k2"):
        documents = rendered({"pseudonym.keyId": key_id})
        (secret,) = [one for one in documents if one["kind"] == "Secret"]
        assert secret["metadata"]["name"] == f"sbiscope-pseudonym-{key_id}"
        assert (list(secret["data"]), secret["immutable"]) == ([key_id], True)
        (agent,) = [pod for kind, pod in pods(documents) if kind == "DaemonSet"]
        (volume,) = [one["secret"] for one in agent["volumes"] if one["name"] == "pseudonym"]
        assert volume["secretName"] == secret["metadata"]["name"]
        assert volume["items"] == [{"key": key_id, "path": "key"}]
        assert volume["defaultMode"] == 0o400  # the agent refuses a key that everybody may read
        assert environment(agent)["SBISCOPE_COLLECTOR_PSEUDONYM_KEY_ID"]["value"] == key_id
