"""A sink whose table takes nothing any more: it alone stops, an alert says so and is cleared, no row is lost."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Producer

from collector.agent_status import delivery_of
from collector.flows import flow_of
from collector.record import Moved, Role
from collector.workload import Workload
from schemas.framing import frame
from schemas.topics import QUARANTINE
from streams.alerts import ALERTS, ALERTS_JSON
from streams.clickhouse import Account, connect, rows
from streams.runtime.alarms import Alarms
from streams.runtime.link import Link
from streams.runtime.snapshot import Snapshot
from streams.sink import POISON_LIMIT
from tests.broker import broker, free_ports
from tests.front import front
from tests.local_stack import until
from tests.operated import Installation, done, sbiscope, surroundings
from tests.reading import bodies, log
from tests.test_agent_status import STATUS
from tests.test_flows import SEER, head

pytestmark = pytest.mark.stack
FLOWS, STAGE = POISON_LIMIT + 31, "sink-flows"
STOPPED = f'sbiscope_stage_stopped{{stage="{STAGE}"}} '


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Installation]:
    with ExitStack() as ending:
        kafka, engine = ending.enter_context(broker()), ending.enter_context(front(tmp_path))
        (port,) = free_ports(1)
        environment = surroundings(kafka, engine, port)
        done(environment, tmp_path / "log", "schema")
        alter(engine.account("sbiscope"), "Int64")  # a name is none
        worker = sbiscope(environment, tmp_path / "log", "streams", "--stage", "sink")
        one = Installation(kafka.bootstrap, engine, port, environment, worker)
        ending.callback(lambda: one.worker.wait(40))
        ending.callback(lambda: one.worker.terminate())
        yield one


def test_a_sink_that_can_store_nothing_stops_alone_and_says_so(running: Installation, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": running.bootstrap})
    for number in range(FLOWS):
        seen = head(key=(number + 1) << 58 | number + 5, role=Role.CLIENT)
        one = flow_of(SEER, seen, Moved(1_002, 501, 0, 7, 4, 3, 0), Workload("/usr/bin/amf"))
        producer.produce("sbi.flows", frame("flow", one.body), partition=0)
    producer.flush(30)
    until(lambda: STOPPED + "1" in metrics(running))
    producer.produce("sbi.agents", frame("agent", delivery_of(STATUS).body), partition=0)
    producer.flush(30)
    until(lambda: running.count("agents") == 1)  # the other sinks go on
    assert standing(running) == [("sink_stopped", f"SbiscopeStage={STAGE},Partition=0", "critical")]
    running.worker.send_signal(signal.SIGKILL)
    running.worker.wait(10)
    alter(running.front.account("sbiscope"), "String")
    running.worker = sbiscope(running.environment, tmp_path / "log", "streams", "--stage", "sink")
    until(lambda: running.count("flows") == FLOWS)
    until(lambda: standing(running) == [])
    assert running.count("alerts") == 2  # raised, cleared
    assert STOPPED + "0" in metrics(running)
    assert [one for one in log(running.bootstrap, QUARANTINE, 1) if one.value] == []
    assert [len(list(bodies(running.bootstrap, topic, 2))) for topic in (ALERTS, ALERTS_JSON)] == [2, 2]


class Topics:
    """A link that keeps what is sent (streams.runtime.link.Link, as far as alarms need it)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> Awaitable[int]:
        self.sent.append((topic, value))
        return asyncio.sleep(0, 0)


def test_an_alarm_is_told_by_each_process_once_and_cleared_by_any() -> None:
    link = Topics()

    def alarms() -> Alarms:
        return Alarms(STAGE, {ALERTS_JSON: 1}, b"", cast("Link", link))

    def tell(by: Alarms, changed: dict[int, Snapshot], now_us: int) -> list[Any]:
        link.sent.clear()
        asyncio.run(by.tell(changed, "why", now_us))
        return [json.loads(value) for _, value in link.sent]

    first, second, held = alarms(), alarms(), {0: Snapshot(7, b""), 3: Snapshot(9, b"")}
    raised = first.raised(held, 50_000_000)
    told = tell(first, raised, 50_000_000)
    assert [one["perceived_severity"] for one in told] == ["critical"] * 2
    assert first.raised(raised, 60_000_000) == {}
    assert tell(second, second.raised(raised, 70_000_000), 70_000_000) == told  # it cannot know that it was told
    over = second.cleared(raised, 71_000_000)
    cleared = tell(second, over, 71_000_000)
    assert [(one["cleared_us"], one["raised_us"]) for one in cleared] == [(71_000_000, 50_000_000)] * 2
    assert [one["version"] % 2 for one in told + cleared] == [1, 1, 0, 0]
    assert second.cleared(over, 72_000_000) == {} and len(second.raised(over, 72_000_000)) == 2
    assert [one["alarm_id"] for one in told] == [one["alarm_id"] for one in cleared]


def metrics(one: Installation) -> str:
    try:
        return one.http("/metrics")[2]
    except OSError:  # it begins only
        return ""


def alter(account: Account, kind: str) -> None:
    """Make the site of flows another type where they arrive."""
    client = connect(account)
    client.command(f"ALTER TABLE flows_arriving MODIFY COLUMN site {kind}")
    client.close()


def standing(one: Installation) -> list[tuple[object, ...]]:
    """Return the alerts that stand, once one was stored."""
    client = connect(one.front.account("sbiscope"))
    try:
        until(lambda: one.count("alerts") > 0)
        sql = "SELECT specific_problem, object_instance, perceived_severity FROM alerts_now"
        return [tuple(row) for row in rows(client, sql)]
    finally:
        client.close()
