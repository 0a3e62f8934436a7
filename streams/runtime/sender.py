"""Messages on their way to Kafka: one librdkafka producer for all stages of a process, its answers told to the loop.

Faust's producer would compress, frame and send in Python, on the thread of the folds; librdkafka does so beside it.
It is idempotent: what is sent to a partition stays in order and comes once, over any number of repeats.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Sent

from schemas.topics import MESSAGE_BYTES
from streams.runtime.link import Broken

LINGER_MS = 20
QUEUE_KBYTES = 131_072
DELIVERY_S = 120.0  # how long an outage of the brokers is sat out; then the process ends and begins anew
POLL_S = 0.5
FULL_S = 0.01
CLOSE_S = 5.0

Answer = tuple["asyncio.Future[int]", KafkaError | None, int | None]


class Sender:
    """Takes messages from one event loop; `close` ends its thread."""

    def __init__(self, settings: Mapping[str, str | int], prefix: str, fail: Callable[[BaseException], None]) -> None:
        """Call inside the event loop; `prefix` stands before each topic's name, `fail` ends the process.

        librdkafka never gives a message up by itself, since its guarantees do not cover what comes behind it: where
        nothing was delivered for DELIVERY_S though something is on its way, the process ends.
        """
        self._fail = fail
        self._delivered_at = time.monotonic()  # or nothing was on its way
        self._loop = asyncio.get_running_loop()
        self._prefix = prefix
        self._answers: deque[Answer] = deque()
        self._closing = False
        self._producer = Producer(
            {
                "linger.ms": LINGER_MS,
                "compression.type": "lz4",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,  # behind what is lost nothing may arrive: rows are numbered
                "message.max.bytes": MESSAGE_BYTES,
                "queue.buffering.max.kbytes": QUEUE_KBYTES,
                "message.timeout.ms": 0,
                **settings,
            }
        )
        self._thread = threading.Thread(target=self._poll, name="sender", daemon=True)
        self._thread.start()

    async def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> "asyncio.Future[int]":
        """Queue a message; what is returned gives its offset once it is delivered, or KafkaException.

        A full queue is waited for. Raises KafkaException for what librdkafka does not take at all, as when the brokers
        said that nothing of this producer may follow.
        """
        flight: asyncio.Future[int] = self._loop.create_future()
        told = partial(self._told, flight)
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key, partition, on_delivery=told)
            except BufferError:
                await asyncio.sleep(FULL_S)
            else:
                return flight

    def close(self) -> None:
        """End the thread. Blocks for as long as something is on its way, up to CLOSE_S."""
        self._producer.flush(CLOSE_S)
        self._closing = True
        self._thread.join(2 * POLL_S)

    def _told(self, flight: "asyncio.Future[int]", error: KafkaError | None, sent: Sent) -> None:
        """Keep an answer until the poll that brings it is through with all of them."""
        self._delivered_at = time.monotonic()
        self._answers.append((flight, error, None if error else sent.offset()))

    def _poll(self) -> None:
        while not self._closing:
            self._producer.poll(POLL_S)
            if self._answers:
                self._loop.call_soon_threadsafe(self._settle)
            if not len(self._producer):
                self._delivered_at = time.monotonic()
            elif time.monotonic() - self._delivered_at > DELIVERY_S:
                self._fail(Broken(f"Kafka took nothing for {DELIVERY_S:g} s"))

    def _settle(self) -> None:
        while self._answers:
            flight, error, offset = self._answers.popleft()
            if flight.cancelled():
                continue
            if error is not None:
                flight.set_exception(KafkaException(error))
            elif offset is None:  # delivered, but where? a state without a place cannot be found again
                flight.set_exception(Broken("Kafka took a message and did not say where"))
            else:
                flight.set_result(offset)
