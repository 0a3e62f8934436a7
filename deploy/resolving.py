"""Writes what a cluster's addresses stand for to Kafka, as it changes; each message once, or the process ends."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import Heard, rights_advice
from schemas.topics import JSON_SUFFIX
from streams.cluster import Cluster
from streams.place_record import encode, key
from streams.places import Place

TOPIC = "sbi.places"
QUEUE_MESSAGES = 100_000
FLUSH_S = 30.0
LINGER_MS = 500  # fewer requests to Kafka, and a change is told soon enough
LOG = logging.getLogger("sbiscope")


class PlaceWriter:
    """Writes places of one site, in Avro behind `mark` and beside it in JSON."""

    def __init__(self, settings: Mapping[str, str | int], prefix: str, site: str, mark: bytes) -> None:
        """Make contact. Raises Refusal where Kafka is away or lacks a topic."""
        self.written = 0
        self._failure: KafkaError | None = None
        self._settings = settings
        self._site = site
        self._mark = mark
        self._topics = prefix + TOPIC, prefix + TOPIC + JSON_SUFFIX
        heard = Heard()
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": LINGER_MS,
                "queue.buffering.max.messages": QUEUE_MESSAGES,
                "error_cb": heard,
                "log_level": 0,
                **settings,
            }
        )
        found = topics_of(self._producer, settings, heard)
        if missing := [topic for topic in self._topics if topic not in found]:
            raise Refusal("topics are missing", ", ".join(missing), "create them with: sbiscope schema")

    def write(self, places: Iterable[Place]) -> None:
        """Write places; a full queue waits. Raises Refusal where a message was not taken."""
        for place in places:
            name = key(self._site, place)
            body, text = encode(self._site, place, time.time_ns() // 1_000)
            self._put(self._topics[0], name, self._mark + body)
            self._put(self._topics[1], name, text)
            self.written += 1
        self._producer.poll(0)
        if self._failure is not None:
            seen = self._failure.str()
            raise Refusal("Kafka does not take places", seen, rights_advice(self._settings))

    def close(self) -> None:
        """Let all be delivered. Raises Refusal where it is not."""
        if left := self._producer.flush(FLUSH_S):
            raise Refusal("places were not delivered", f"{left} messages left", "check that Kafka runs")

    def _put(self, topic: str, name: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, name, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._failure = error or self._failure


def resolve(changes: Iterable[list[Place]], writer: PlaceWriter, problems: Callable[[], dict[str, str]]) -> None:
    """Write all changes until they end; say what is wrong with the cluster when that changes."""
    said: dict[str, str] = {}
    for places in changes:
        writer.write(places)
        now = problems()
        for name in now.keys() - said.keys():
            LOG.warning("%s cannot be watched: %s", name, now[name])
        for name in said.keys() - now.keys():
            LOG.info("%s are watched again", name)
        said = now
    writer.close()


def exposition(cluster: Cluster, written: int) -> str:
    """Return the figures in Prometheus' text format; `written`: places so far."""
    tables = (
        ("held", "gauge", "Objects with an address, by kind.", cluster.held()),
        ("written_total", "counter", "Places written.", {"places": written}),
        ("problems_total", "counter", "What went wrong.", dict(cluster.counts)),
    )
    lines = []
    for name, kind, text, samples in tables:
        lines += [f"# HELP sbiscope_resolver_{name} {text}", f"# TYPE sbiscope_resolver_{name} {kind}"]
        lines += [f'sbiscope_resolver_{name}{{what="{what}"}} {many}' for what, many in samples.items()]
    return "\n".join([*lines, ""])
