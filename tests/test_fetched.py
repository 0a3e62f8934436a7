"""Polls on their way from Faust to a stage: whole, in order, and nothing of one whose partitions were revoked since."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace as Stub
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import Consumer

from streams.runtime.fetched import Polled, WholePolls
from streams.runtime.folding import Folding
from streams.runtime.keeper import Keeper
from streams.runtime.link import Commit
from streams.runtime.sinking import Sinking, SinkPlan
from streams.runtime.worker import Worker
from streams.runtime.writers import Opened
from streams.sink import TARGETS
from tests.stages import job

GENERATION = 7


def record(partition: int, offset: int) -> Any:
    sizes = {"serialized_key_size": -1, "serialized_value_size": 1}
    of_it: dict[str, Any] = {"timestamp": 1, "timestamp_type": 0, "headers": (), "key": None, "checksum": None}
    return Stub(topic="t", partition=partition, offset=offset, value=b"", **of_it, **sizes)


def consumer(monkeypatch: pytest.MonkeyPatch, found: Mapping[Any, list[Any]]) -> Any:
    """Return Faust's consumer as ours has it, whose next poll finds this."""

    async def fetched(*_: Any) -> Mapping[Any, list[Any]]:
        return found

    async def revoked(*_: Any) -> None:
        pass

    monkeypatch.setattr(Consumer, "_getmany", fetched)
    monkeypatch.setattr(Consumer, "on_partitions_revoked", revoked)
    one: Any = WholePolls.__new__(WholePolls)
    one.app, one.flow_active, one._read_offset = Stub(consumer_generation_id=GENERATION), True, {}
    return one


async def polled_by(one: Any) -> Polled:
    ((place, (records,)),) = (await one._getmany(None, 1.0)).items()
    message = one._to_message(place, records)
    assert message.generation_id == GENERATION
    polled: Polled = message.value
    return polled


def test_a_poll_is_one_event_of_all_partitions_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        TopicPartition("t", 0): [record(0, 5), record(0, 6)],
        TopicPartition("t", 1): [],
        TopicPartition("t", 2): [record(2, 50)],
    }
    polled = asyncio.run(polled_by(consumer(monkeypatch, found)))
    assert [(one.partition, one.offset) for one in polled.records] == [(0, 5), (0, 6), (2, 50)]


def test_nothing_found_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(consumer(monkeypatch, {})._getmany(None, 1.0)) == {}


class Here:
    """A link of the worker, a reader and the writers of a stage; `open` lets what waits to be read go on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def committed(self, partition: int) -> Commit | None:
        return None

    async def newest(self, *_: Any) -> list[Any]:
        await self.open.wait()
        return []

    async def following(self, topic: str, partition: int, offset: int) -> int:
        return offset


class Ticks:
    """Every message is a tick."""

    async def open(self, value: bytes) -> Opened:
        return Opened(None, b"")


def pairing(here: Here) -> Folding:
    partitions = dict.fromkeys(job("pairing").topics, 4)
    around: Any = Stub(partitions=partitions, reader=here, writers=Ticks(), fail=None)
    stage: Any = job("pairing").stage(around)
    stage._link = here
    stage._keeper = Keeper("pairing", stage._plan.outputs, stage._link, around.reader)
    return stage  # type: ignore[no-any-return]


def taking(stage: Any, kafka: Any, polled: Polled, failed: list[BaseException]) -> "asyncio.Task[None]":
    """Let a worker's agent take one event."""

    class Events:
        async def events(self) -> AsyncIterator[Any]:
            yield Stub(value=polled)

    worker: Any = Worker.__new__(Worker)
    worker._stage, worker._fail, worker._app = stage, failed.append, Stub(consumer=kafka)
    return asyncio.ensure_future(worker._take(Events()))


async def revoked_meanwhile(kafka: Any, revoke: bool) -> tuple[int, list[BaseException]]:
    """Let a stage load its state for the first of three messages, and lose its partition meanwhile."""
    here, failed = Here(), list[BaseException]()
    stage = pairing(here)
    task = taking(stage, kafka, await polled_by(kafka), failed)
    await asyncio.sleep(0.02)
    if revoke:  # and joined again under the same generation, as where nothing changed for the group
        await kafka.on_partitions_revoked(set())
        await stage.revoke()
    here.open.set()
    await task
    return stage.figures.messages, failed


@pytest.mark.parametrize(("revoke", "taken"), [(False, 3), (True, 0)])
def test_nothing_is_taken_of_a_poll_from_before_a_revocation(
    monkeypatch: pytest.MonkeyPatch, revoke: bool, taken: int
) -> None:
    found = {TopicPartition("t", 0): [record(0, offset) for offset in range(3)]}
    assert asyncio.run(revoked_meanwhile(consumer(monkeypatch, found), revoke)) == (taken, [])


def test_what_a_fetch_brings_that_outlasted_a_rebalance_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by killing workers: the first poll of a new assignment was let go, and the next one's offsets jumped."""

    async def meanwhile() -> tuple[bool, bool]:
        kafka = consumer(monkeypatch, {TopicPartition("t", 0): [record(0, 0)]})
        before = await polled_by(kafka)
        ((place, (records,)),) = (await kafka._getmany(None, 1.0)).items()
        await kafka.on_partitions_revoked(set())
        return kafka.is_held(before), kafka.is_held(kafka._to_message(place, records).value)

    assert asyncio.run(meanwhile()) == (False, True)


def test_others_have_their_turn_between_two_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.runtime.worker.TURN_S", 0)
    seen: list[int] = []

    async def both() -> None:
        here = Here()
        here.open.set()
        kafka = consumer(monkeypatch, {TopicPartition("t", 0): [record(0, offset) for offset in range(7)]})
        stage = pairing(here)
        task = taking(stage, kafka, await polled_by(kafka), [])
        while not task.done():
            seen.append(stage.figures.messages)
            await asyncio.sleep(0)

    asyncio.run(both())
    assert {1, 2, 3, 4, 5, 6} <= set(seen)


def sink(here: Here) -> Sinking:
    plan = SinkPlan(TARGETS["flows"], None, 10, 1.0, 1, b"", {}, b"")  # type: ignore[arg-type]
    fail: Callable[[BaseException], None] = print
    stage: Any = Sinking(plan, here, Ticks(), fail)  # type: ignore[arg-type]
    stage._link = here
    stage._keeper = Keeper("sink-flows", {}, stage._link, stage._reader)
    return stage  # type: ignore[no-any-return]


async def revoked_while_full() -> tuple[int, int]:
    """Let a sink wait for room with a message in its hand, and lose the partition."""
    here = Here()
    here.open.set()
    stage = sink(here)
    stage._gathering.rows = 1_000
    task = taking(stage, Stub(is_held=lambda _: True), Polled(deque([record(0, 0)]), 0), [])
    await asyncio.sleep(0.02)
    assert not task.done()
    await stage.revoke()
    await task
    return stage.figures.messages, len(stage._next)


def test_a_sink_that_waits_for_room_lets_a_revoked_message_go() -> None:
    assert asyncio.run(revoked_while_full()) == (0, 0)
