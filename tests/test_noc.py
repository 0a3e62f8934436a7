"""What a NOC reads: alerts and KPIs, procedures, agents from a real Kafka, each row as ClickHouse has it."""

import io
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest
from confluent_kafka import Producer

from deploy.stack.state import running
from schemas.fields import document
from schemas.framing import frame
from streams.alertmanager import postable
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.kpi_row import encode
from streams.kpi_windows import KPIS
from streams.plain import without_logical_types
from tests.local_stack import LocalStack, local_stack, until
from tests.reading import bodies
from tests.receiver import Receiver, receiver
from tests.test_alerts import Row, counts, others, run, window

pytestmark = [pytest.mark.stack, pytest.mark.slow]
ALERT = fastavro.parse_schema(without_logical_types(document("alert")))
PARTITIONS = 4


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


def part(stack: LocalStack, name: str) -> int:
    """Return the process id of a part, 0 while it is not there."""
    state = running(stack.place)
    assert state is not None
    return next(one.pid for one in state.parts if one.name == name)


def kill(stack: LocalStack, name: str) -> None:
    """Kill a part once it is there again."""
    until(lambda: part(stack, name) > 0)
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


def alerts(stack: LocalStack) -> Iterator[bytes]:
    return bodies(bootstrap(stack), ALERTS, PARTITIONS)
