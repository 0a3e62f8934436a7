"""The Kafka sink: batches to sbi.events, idempotent, in order, from a bounded queue, each delivery counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from collector.batch import Batch
from collector.delivery import BATCH_SCHEMA, Delivery, delivery_of
from collector.message import Counters
from collector.shard import shard_partition
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import RUNNING, Heard, rights_advice

WAIT_S = 0.1

Frame = Callable[[bytes], bytes]
Beside = Mapping[str, Sequence[tuple[str, Frame]]]
NOTHING_BESIDE: Beside = {}


@dataclass(frozen=True, slots=True)
class Route:
    """Where the messages of one schema go, and what stands before them."""

    topic: str
    frame: Frame
    partitions: int


class Publisher:
    """Publishes the batches of one shard.

    `patient`: a full queue holds the caller back and a failed delivery is a Refusal (a capture: it can be loaded
    again, and then goes on); otherwise both are counted and the stream goes on (live: memory is bounded, time is not).
    """

    def __init__(
        self,
        settings: Mapping[str, str | int | float | bool],
        topic: str,
        frame: Frame,
        loss: Counters,
        queue_bytes: int,
        patient: bool,
        beside: Beside = NOTHING_BESIDE,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Make contact with Kafka; `frame` puts the schema's mark before a batch. Raises Refusal if it fails.

        `beside`: for each further schema, the topics that its messages go to, and what makes their form there. `tell`
        is given a line at the first failure of each kind of each topic; all are counted.
        """
        self.delivered_batches = 0
        self.delivered_events = 0
        self._loss = loss
        self._patient = patient
        self._failure: Refusal | None = None
        self._heard = Heard()
        self._producer = Producer(
            {
                "linger.ms": 50,  # of two hundred events each: a request for several takes half the CPU
                "compression.type": "lz4",
                "enable.idempotence": True,
                "acks": "all",
                "message.max.bytes": 8_000_000,
                "queue.buffering.max.kbytes": max(1_024, queue_bytes // 1_024),
                "message.timeout.ms": 60_000 if patient else 300_000,
                "error_cb": self._on_error,
                "log_level": 0,
                **({"enable.gapless.guarantee": True} if patient else {}),
                **settings,
            }
        )
        self._settings = settings
        self._tell = tell
        self._told: set[tuple[str, int]] = set()
        routes = {BATCH_SCHEMA: [(topic, frame)], **beside}
        self._routes = {
            schema: [Route(to, mark, self._contact(to)) for to, mark in many] for schema, many in routes.items()
        }

    def put(self, batch: Batch) -> None:
        """Queue a batch. Raises Refusal once Kafka has refused one (patient only)."""
        self.deliver(delivery_of(batch))

    def deliver(self, delivery: Delivery) -> None:
        """Queue a message, as `put` does; one of a schema that has no route is counted."""
        routes = self._routes.get(delivery.schema)
        if routes is None:
            self._loss.add("publisher_unknown_schemas")
            return
        for route in routes:
            self._produce(route, delivery)
        self.poll()

    def _produce(self, route: Route, delivery: Delivery) -> None:
        events = delivery.events

        def delivered(error: KafkaError | None, _: Message) -> None:
            self._on_delivery(error, route.topic, events)

        while True:
            try:
                self._producer.produce(
                    route.topic,
                    route.frame(delivery.body),
                    delivery.key,
                    partition=shard_partition(delivery.key, route.partitions),
                    headers=list(delivery.headers),
                    on_delivery=delivered,
                )
                break
            except BufferError:
                if not self._patient:
                    self._loss.add("publisher_queue_batches")
                    self._loss.add("publisher_queue_events", events)
                    break
                self._producer.poll(WAIT_S)
                self._check()
            except KafkaException as error:
                self._on_delivery(error.args[0], route.topic, events)
                break

    def poll(self) -> None:
        """Take note of what was delivered since. Raises Refusal as `put` does."""
        self._producer.poll(0)
        self._check()

    def close(self, wait_s: float = 90.0) -> None:
        """Wait until all is delivered. Raises Refusal if it is not (patient only)."""
        left = self._producer.flush(wait_s)
        if left:
            self._fail(f"{left} batches not acknowledged in {wait_s:g} s")
        self._check()

    @property
    def partitions(self) -> int:
        """How many partitions the topic of the batches has."""
        return self._routes[BATCH_SCHEMA][0].partitions

    def _contact(self, name: str) -> int:
        topic = topics_of(self._producer, self._settings, self._heard, name)[name]
        if topic.error or not topic.partitions:
            seen = topic.error.str() if topic.error else "it has no partitions"
            denied = topic.error is not None and topic.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
            advice = rights_advice(self._settings) if denied else "create it with: sbiscope schema"
            raise Refusal("cannot use the topic", f"{name}: {seen}", advice)
        return len(topic.partitions)

    def _on_delivery(self, error: KafkaError | None, topic: str, events: int) -> None:
        if error is None:
            self.delivered_batches += 1
            self.delivered_events += events
        else:
            self._loss.add("kafka_failed_batches")
            self._loss.add("kafka_failed_events", events)
            self._say(topic, error)
            self._fail(error.str())

    def _say(self, topic: str, error: KafkaError) -> None:
        if (topic, error.code()) not in self._told:
            self._told.add((topic, error.code()))
            advice = rights_advice(self._settings) if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else RUNNING
            self._tell(str(Refusal(f"Kafka does not take what is for {topic}; it is counted", error.str(), advice)))

    def _on_error(self, error: KafkaError) -> None:
        self._heard(error)
        if error.fatal():
            self._fail(error.str())

    def _fail(self, seen: str) -> None:
        if self._patient and self._failure is None:
            self._failure = Refusal(
                "Kafka did not take the batches", seen, "mend it and repeat the command: it goes on"
            )

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
