"""What a stage sends reaches a real Kafka in order and once; what cannot is told, and the process ends."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

from schemas.topics import MESSAGE_BYTES
from streams.runtime import sender
from streams.runtime.link import Broken
from streams.runtime.sender import Sender
from tests.broker import Broker, broker
from tests.reading import log

pytestmark = pytest.mark.stack
PREFIX, TOPIC = "p.", "rows"


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as one:
        for made in one.admin.create_topics([NewTopic(PREFIX + TOPIC, 1)]).values():
            made.result(20)
        yield one


class Failures(list[BaseException]):
    """What the process would have ended with."""

    def __call__(self, error: BaseException) -> None:
        self.append(error)


def sending(kafka: Broker, failed: Failures) -> Sender:
    return Sender({"bootstrap.servers": kafka.bootstrap, "log_level": 0}, PREFIX, failed)


def written(kafka: Broker) -> list[bytes]:
    return [one.value for one in log(kafka.bootstrap, PREFIX + TOPIC, 1)]


async def sent(one: Sender, values: list[bytes]) -> list[Any]:
    flights = [await one.send(TOPIC, 0, None, value) for value in values]
    return await asyncio.gather(*flights)


def test_in_order_with_their_offsets_and_the_empty_ones_too(kafka: Broker) -> None:
    async def run() -> list[int]:
        one = sending(kafka, failed)
        offsets = await sent(one, values)
        await asyncio.to_thread(one.close)
        return offsets

    failed, before = Failures(), written(kafka)
    values = [b"" if number % 7 == 0 else b"%d" % number for number in range(23)]
    assert asyncio.run(run()) == list(range(len(before), len(before) + 23))
    assert (written(kafka), failed) == (before + values, [])
    assert not [one for one in threading.enumerate() if one.name == "sender"]


def test_a_full_queue_is_waited_for(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        one = sending(kafka, failed)
        await sent(one, values)
        await asyncio.to_thread(one.close)

    failed, before = Failures(), written(kafka)
    values = [b"%05d" % number + bytes(40_000) for number in range(211)]  # eight times the queue
    monkeypatch.setattr(sender, "QUEUE_KBYTES", 1_024)
    asyncio.run(run())
    assert written(kafka) == before + values


def test_what_is_too_large_is_refused_at_once(kafka: Broker) -> None:
    async def run() -> None:
        one = sending(kafka, Failures())
        with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
            await one.send(TOPIC, 0, None, bytes(MESSAGE_BYTES + 1))
        await asyncio.to_thread(one.close)

    asyncio.run(run())


def test_a_broker_that_dies_and_comes_back_gets_each_once_in_order(kafka: Broker) -> None:
    async def run() -> None:
        one = sending(kafka, failed)
        first = [await one.send(TOPIC, 0, None, value) for value in values[:101]]
        kafka.kill()
        second = [await one.send(TOPIC, 0, None, value) for value in values[101:]]
        await asyncio.to_thread(kafka.start)
        await asyncio.gather(*first, *second)
        await asyncio.to_thread(one.close)

    failed, before = Failures(), written(kafka)
    values = [b"%d" % number for number in range(211)]
    asyncio.run(run())
    assert (written(kafka), failed) == (before + values, [])


def test_where_nothing_is_taken_for_long_the_process_ends_and_nothing_was_given_up(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        one = sending(kafka, failed)
        kafka.kill()
        flight = await one.send(TOPIC, 0, None, b"late")
        end = time.monotonic() + 20
        while not failed and time.monotonic() < end:
            await asyncio.sleep(0.1)
        assert isinstance(failed[0], Broken)
        assert "Kafka took nothing for 2 s" in str(failed[0])
        assert not flight.done()
        await asyncio.to_thread(kafka.start)
        await flight
        await asyncio.to_thread(one.close)

    failed, before = Failures(), written(kafka)
    monkeypatch.setattr(sender, "DELIVERY_S", 2.0)
    asyncio.run(run())
    assert written(kafka) == [*before, b"late"]
