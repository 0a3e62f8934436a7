"""Reads single messages of any topic: states by their place, published schemas from the beginning."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as Read

from schemas.kafka_bounds import bounds
from streams.runtime.link import Broken

WAIT_S = 30.0
POLL_S = 1.0
TAIL = 512  # messages looked through for the newest state; each may be a part of a large one


class Reader:
    """Reads with a consumer of its own that belongs to no group; a broker that is away is waited for."""

    def __init__(self, settings: Mapping[str, str | int], prefix: str) -> None:
        own = {"group.id": "sbiscope-reader", "enable.auto.commit": False, "isolation.level": "read_uncommitted"}
        self._settings = {**own, "auto.offset.reset": "earliest", **settings}
        self._prefix = prefix

    async def at(self, topic: str, partition: int, offset: int) -> bytes:
        """Return the message at `offset`. Raises Broken where it is not there or the broker stays away."""
        return await asyncio.to_thread(self._at, topic, partition, offset)

    async def following(self, topic: str, partition: int, offset: int) -> int:
        """Return where the first message from `offset` on stands, one of a transaction given up too. Raises Broken."""
        return await asyncio.to_thread(self._following, topic, partition, offset)

    async def newest(self, topic: str, partition: int) -> list[tuple[int, bytes]]:
        """Return the last messages of a partition with their offsets, the newest first."""
        return await asyncio.to_thread(lambda: [*self._span(topic, partition, TAIL)][::-1])

    async def all(self, topic: str) -> list[tuple[bytes, bytes]]:
        """Return (key, value) of every message of a topic's only partition."""
        return await asyncio.to_thread(lambda: [(key, value) for key, value in self._keyed(topic)])

    def _at(self, topic: str, partition: int, offset: int) -> bytes:
        with self._consumer() as consumer:
            place = TopicPartition(self._prefix + topic, partition, offset)
            begin, end = bounds(consumer, place, WAIT_S)
            if not begin <= offset < end:
                held = (
                    f"{topic} {partition} holds {begin} to {end - 1}"
                    if begin < end
                    else f"{topic} {partition} is empty"
                )
                raise Broken(f"the state at {offset} is gone: {held}; see 'A state is gone' in deploy/OPERATIONS.md")
            consumer.assign([place])
            message = _next(consumer)
            if message.offset() != offset:
                seen = f"{topic} {partition} has {message.offset()} in the place of {offset}"
                raise Broken(f"a state is not where the commit says: {seen}")
            return message.value() or b""

    def _following(self, topic: str, partition: int, offset: int) -> int:
        with self._consumer() as consumer:
            consumer.assign([TopicPartition(self._prefix + topic, partition, offset)])
            return int(_next(consumer).offset())

    def _span(self, topic: str, partition: int, count: int) -> Iterator[tuple[int, bytes]]:
        for message in self._messages(topic, partition, count):
            yield message.offset(), message.value() or b""

    def _keyed(self, topic: str) -> Iterator[tuple[bytes, bytes]]:
        for message in self._messages(topic, 0, None):
            yield message.key() or b"", message.value() or b""

    def _messages(self, topic: str, partition: int, count: int | None) -> Iterator[Read]:
        """Give the last `count` messages of a partition, or all."""
        with self._consumer() as consumer:
            place = TopicPartition(self._prefix + topic, partition)
            begin, end = bounds(consumer, place, WAIT_S)
            if begin == end:
                return
            place.offset = begin if count is None else max(begin, end - count)
            consumer.assign([place])
            at = -1
            while at < end - 1:
                message = _next(consumer)
                at = message.offset()
                yield message

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        consumer = Consumer(self._settings)
        try:
            yield consumer
        except KafkaException as error:
            raise Broken(f"cannot read from Kafka: {error.args[0].str()}") from error
        finally:
            consumer.close()


def _next(consumer: Consumer) -> Read:
    for _ in range(int(WAIT_S / POLL_S)):
        message = consumer.poll(POLL_S)
        if message is not None and message.error() is None:
            return message
    raise Broken(f"cannot read from Kafka: no answer in {WAIT_S:g} s")
