"""What a NOC reads: alerts and KPIs, procedures, agents from a real Kafka, each row as ClickHouse has it."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Producer

from collector.agent_status import delivery_of as agent_told
from collector.flows import flow_of
from collector.message import Counters
from collector.record import Moved
from collector.workload import Workload
from deploy.sinks import kafka_sink
from schemas.fields import document
from schemas.framing import frame
from schemas.plain import without_logical_types
from streams.alertmanager import postable
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.kpi_row import encode
from streams.kpi_windows import KPIS
from tests.debian import installed
from tests.examples import CAPTURE
from tests.kafka_connect import connect
from tests.kube_api import PODS, kube_api, pod
from tests.local_stack import LocalStack, local_stack, until
from tests.reading import bodies, log
from tests.receiver import Receiver, receiver
from tests.test_agent_status import STATUS
from tests.test_alerts import Row, counts, others, run, window
from tests.test_decode import lines, sbiscope
from tests.test_flows import CLOSE, SEER, head

pytestmark = [pytest.mark.stack, pytest.mark.slow]
ALERT = fastavro.parse_schema(without_logical_types(document("alert")))
PARTITIONS = 4
SERVICES, SLICES = "/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices"
EXAMPLES = Path(__file__).parent.parent / "deploy" / "examples"


def planted() -> list[Row]:
    """Return windows that raise and clear alerts of several rules, every second one of a key of its own."""
    found = []
    for number in range(24):
        bad = counts(100, unanswered=50, server_errors=20) if number % 6 < 2 else counts(100)
        found += [window(number, 60, **bad) | {"kpi_id": f"{key:032x}", "node": "planted"} for key in range(5)]
        found.append(window(number, 10, "Nudr_DM_Query", "AMF", **counts(1)) | {"node": "planted"})
    return found + [one | {"node": "planted"} for one in others(24)]


@pytest.fixture(scope="module")
def manager() -> Iterator[Receiver]:
    """Return what stands for an Alertmanager: it refuses every third request, whatever that holds."""
    with receiver() as one:
        one.answer = lambda _: 503 if len(one.answers) % 3 == 1 else 200
        yield one


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, manager: Receiver) -> Iterator[LocalStack]:
    with local_stack(tmp_path_factory.mktemp("noc"), SBISCOPE_ALERTS_WEBHOOK_URL=manager.url) as one:
        yield one


def bootstrap(stack: LocalStack) -> str:
    return f"127.0.0.1:{stack.config.stack.kafka_port}"


def kill(stack: LocalStack, name: str) -> None:
    """Kill a part once it is there again."""
    until(lambda: stack.part(name).pid > 0)
    stack.kill(name)


def publish(stack: LocalStack, windows: list[Row], partition: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap(stack), "log_level": 0})
    for row in windows:
        producer.produce(KPIS, frame("kpi", encode(row)), row["kpi_id"], partition=partition)
    assert producer.flush(30) == 0


def test_alerts_are_raised_once_and_stored_though_the_stages_die(stack: LocalStack, manager: Receiver) -> None:
    windows = planted()
    wanted = {
        (row["alarm_id"], row["version"]): row for row in run(Alerts(Facts(0, {ALERTS: 1, ALERTS_JSON: 1})), windows)
    }
    assert len(wanted) > 70
    for begin in range(0, len(windows), 60):
        publish(stack, windows[begin : begin + 60], 3)
        for victim in ("alerts", "webhook"):
            kill(stack, victim)
    publish(stack, [one for one in windows if one["window_s"] == 60][-5:], 3)  # repeats
    until(lambda: stack.count("SELECT count() FROM alert_changes WHERE node = 'planted'") >= len(wanted))
    rows = stack.rows("SELECT * FROM alert_changes WHERE node = 'planted'")
    assert {(row["alarm_id"], row["version"]): row for row in rows} == wanted
    assert len(rows) == len(wanted)
    told = [fastavro.schemaless_reader(io.BytesIO(body), ALERT, None) for body in alerts(stack)]
    assert {(row["alarm_id"], row["version"]): row for row in told} == wanted
    standing: Any = stack.rows("SELECT alarm_id FROM alerts_now WHERE node = 'planted'")
    last = {row["alarm_id"]: row for row in sorted(wanted.values(), key=lambda row: row["version"])}
    assert {row["alarm_id"] for row in standing} == {one for one, row in last.items() if row["cleared_us"] is None}
    spans = stack.rows("SELECT * FROM alert_spans WHERE until_us IS NOT NULL")
    assert len(spans) == sum(row["cleared_us"] is not None for row in wanted.values())
    posted = {(postable(one)["labels"]["alarm_id"], postable(one)["endsAt"]) for one in wanted.values()}
    until(lambda: {(one["labels"]["alarm_id"], one["endsAt"]) for one in manager.taken} >= posted)
    assert {(one["labels"]["alarm_id"], one["endsAt"]) for one in manager.taken} == posted


# topic → table, what names a row, what tells which of several is the last
TOPICS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "sbi.kpis": ("kpis", ("kpi_id", "window_start_us"), "version"),
    "sbi.procedures": ("procedures", ("procedure_id",), "end_us"),
    "sbi.alerts": ("alerts", ("alarm_id", "version"), "version"),
    "sbi.agents": ("agents", ("site", "node", "told_us"), "told_us"),
    "sbi.flows": ("flows", ("connection_id",), "told_us"),
}
Rows = dict[tuple[Any, ...], Row]
NODES = ("n1", "planted")  # the capture's, and the planted alerts': other rows were written to one form only


def newest(topic: str, lines: Iterable[str]) -> Rows:
    """Return the last record of each key in JSON lines."""
    _, names, version = TOPICS[topic]
    found: Rows = {}
    for row in map(json.loads, lines):
        key = tuple(row[name] for name in names)
        if row["node"] == NODES["alerts" in topic] and row[version] >= found.get(key, row)[version]:
            found[key] = row
    return found


def stored(stack: LocalStack, topic: str) -> Rows:
    """Return what ClickHouse has of it."""
    table, names, _ = TOPICS[topic]
    node = NODES["alerts" in topic]
    rows = stack.rows(f"SELECT * EXCEPT (stored_at) FROM {table} FINAL WHERE node = '{node}'")
    return {tuple(row[name] for name in names): row for row in rows}


@pytest.fixture(scope="module")
def filled(stack: LocalStack) -> dict[str, Rows]:
    """Fill all topics: a capture, an agent, alerts unless they were planted; return ClickHouse's once none comes."""
    if not stack.count("SELECT count() FROM alert_changes WHERE node = 'planted'"):
        publish(stack, planted(), 3)
    assert stack.run("collect", "--source", str(CAPTURE), "--node", "n1")[0] in {0, 1}  # 1: loaded already
    sink = kafka_sink(stack.config, Counters(), patient=False)
    for second in range(3):
        sink.deliver(agent_told(replace(STATUS, node="n1", told_us=10_000_000 * second)))
        moved = Moved(1_002 + second, 501, 0, CLOSE, 4, 3, 0)
        sink.deliver(flow_of(SEER, head(), moved, Workload("/usr/bin/postgres")))
    sink.close()
    found: dict[str, Rows] = {}
    over = lines(sbiscope("decode", "--procedures", CAPTURE))  # some come 30 s after its end

    def is_settled() -> bool:
        before = dict(found)
        found.update({topic: stored(stack, topic) for topic in TOPICS})
        has_all = len(found["sbi.kpis"]) > 1_200 and len(found["sbi.procedures"]) == len(over)
        return before == found and all(found.values()) and has_all

    until(is_settled, within_s=240.0, pause_s=4.0)
    return found


@pytest.mark.parametrize("topic", TOPICS)
def test_a_plain_consumer_and_its_schemas_give_the_rows_of_clickhouse(
    stack: LocalStack, filled: dict[str, Rows], topic: str
) -> None:
    words = [sys.executable, str(EXAMPLES / "consume.py"), bootstrap(stack), topic]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True, cwd="/")
    assert newest(topic, done.stdout.splitlines()) == filled[topic] == stored(stack, topic)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_line_of_kcat_gives_the_rows_of_clickhouse(stack: LocalStack, filled: dict[str, Rows], topic: str) -> None:
    line = re.search(r"`(kcat .*?)`", (EXAMPLES / "README.md").read_text())
    assert line is not None and installed("kcat", "kcat")
    words = line[1].replace("127.0.0.1:19092", bootstrap(stack)).replace("sbi.alerts.json", f"{topic}.json").split()
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert newest(topic, done.stdout.splitlines()) == filled[topic]


def test_kafka_connect_and_faust_give_the_rows_of_clickhouse(
    stack: LocalStack, filled: dict[str, Rows], tmp_path: Path
) -> None:
    wanted = filled["sbi.kpis"]
    out = tmp_path / "faust.jsonl"
    places = {"BOOTSTRAP": bootstrap(stack), "TOPIC": "sbi.kpis.json", "GROUP": f"faust-{os.getpid()}", "OUT": str(out)}
    words = ["faust", "-q", "-A", "faust_consumer", f"--datadir={tmp_path}", "worker", "--without-web", "-l", "error"]
    with (tmp_path / "faust.log").open("w") as log:
        command = [sys.executable, "-m", *words]
        faust = subprocess.Popen(command, stdout=log, stderr=log, cwd=EXAMPLES, env=os.environ | places)
    try:
        with connect(tmp_path, bootstrap(stack)) as rows:
            for file in (rows, out):
                until(lambda file=file: file.exists() and newest("sbi.kpis", whole(file)) == wanted)  # type: ignore[misc]
    finally:
        faust.kill()
        faust.wait(10)


def whole(file: Path) -> list[str]:
    """Return the lines that are written to their end."""
    return file.read_text().split("\n")[:-1]


def alerts(stack: LocalStack) -> Iterator[bytes]:
    return bodies(bootstrap(stack), ALERTS, PARTITIONS)


def test_a_resolver_names_the_addresses_of_a_cluster_as_it_changes(stack: LocalStack) -> None:
    """Killed and started anew it tells the same rows again, then of another site too; ended in order it returns 0."""
    names = "SELECT address, name, node, pods FROM places_standing ORDER BY address"
    with kube_api() as api:
        api.pods = [pod(f"amf-{number}", f"u{number}", f"{number:064x}") for number in range(23)]
        for number, one in enumerate(api.pods):
            one["status"] |= {"podIPs": [{"ip": f"10.1.0.{number}"}], "startTime": "2026-11-27T10:00:01Z"}
        about = {"name": "amf", "namespace": "core", "uid": "s", "creationTimestamp": "2026-11-27T10:00:00Z"}
        api.objects[SERVICES] = [{"metadata": about, "spec": {"clusterIPs": ["10.96.0.7"]}}]
        resolver = stack.start("resolve", "--api", api.url)
        until(lambda: stack.count("SELECT count() FROM places_standing") == 24)
        resolver.kill()
        resolver.communicate(timeout=30)
        with stack.running("resolve", "--api", api.url, "--also-site", "of zone b") as resolver:
            until(lambda: api.watches[SLICES] == api.watches[PODS] == 2)
            slices = {"name": "amf-x", "namespace": "core", "labels": {"kubernetes.io/service-name": "amf"}}
            ends = [{"targetRef": {"kind": "Pod", "name": "amf-0"}, "conditions": {"ready": True}}]
            api.tell("ADDED", {"metadata": slices, "endpoints": ends}, SLICES)
            api.tell("DELETED", api.pods[22])
            until(lambda: stack.count("SELECT count() FROM places_standing WHERE pods != []") == 2)
            until(lambda: stack.count("SELECT count() FROM places_standing") == 2 * 23)
            resolver.terminate()
            _, said = resolver.communicate(timeout=30)
            assert resolver.returncode == 0, said
    wanted = [
        {"address": f"10.1.0.{number}", "name": f"amf-{number}", "node": "n1", "pods": []} for number in range(22)
    ]
    wanted.append({"address": "10.96.0.7", "name": "amf", "node": None, "pods": ["amf-0"]})
    wanted.sort(key=lambda row: str(row["address"]))
    assert stack.rows(names) == [row for row in wanted for _ in range(2)]
    sites = stack.rows("SELECT site, count() AS places FROM places_standing GROUP BY site ORDER BY site")
    assert sites == [{"site": "lab", "places": 23}, {"site": "of zone b", "places": 23}]
    as_json = (json.loads(one.value) for one in log(bootstrap(stack), "sbi.places.json", 1))
    last = {row["address"]: row for row in as_json}
    assert (len(last), last["10.1.0.22"]["until_us"] is not None) == (24, True)
