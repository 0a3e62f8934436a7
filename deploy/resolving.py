"""Writes what a cluster's addresses stand for to Kafka, as it changes; each message once, or the process ends."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from deploy.place_record import encode, key
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import Heard, rights_advice
from schemas.topics import JSON_SUFFIX
from streams.cluster import Cluster
from streams.places import Place

TOPIC = "sbi.places"
QUEUE_KBYTES = 8_192  # what waits for a Kafka that is slow
FLUSH_S = 30.0
LINGER_MS = 20  # a turn's places travel together, they are here at once
LOG = logging.getLogger("sbiscope")


class PlaceWriter:
    """Writes places of a cluster in Avro behind `mark` and beside it in JSON, under each site that its agents tell."""

    def __init__(
        self,
        settings: Mapping[str, str | int],
        prefix: str,
        sites: Iterable[str],
        mark: bytes,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make contact; who `has_ended` waits for Kafka no more. Raises Refusal: Kafka is away, or lacks a topic."""
        self.written = 0
        self._has_ended = has_ended
        self._failure: KafkaError | None = None
        self._settings = settings
        self._sites = tuple(dict.fromkeys(sites))
        self._mark = mark
        self._topics = prefix + TOPIC, prefix + TOPIC + JSON_SUFFIX
        heard = Heard()
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": LINGER_MS,
                "queue.buffering.max.kbytes": QUEUE_KBYTES,
                "delivery.report.only.error": True,
                "error_cb": heard,
                "log_level": 0,
                **settings,
            }
        )
        found = topics_of(self._producer, settings, heard)
        if missing := [topic for topic in self._topics if topic not in found]:
            raise Refusal("topics are missing", ", ".join(missing), "create them with: sbiscope schema")

    def write(self, places: Iterable[Place]) -> None:
        """Write places; a full queue waits. Raises Refusal where a message was not taken, or not before the end."""
        for place in places:
            told_us = time.time_ns() // 1_000
            for site in self._sites:
                name, (body, text) = key(site, place), encode(site, place, told_us)
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
                self._producer.produce(topic, value, name, on_delivery=self._failed)
            except BufferError:
                if self._has_ended():
                    left = f"{len(self._producer)} messages left"
                    raise Refusal("places were not delivered", left, "check that Kafka runs") from None
                self._producer.poll(0.1)
            else:
                return

    def _failed(self, error: KafkaError, _: Message) -> None:
        self._failure = error


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
