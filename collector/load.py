"""How far a capture is loaded already: what the topic says, read from the headers of the shard's partition."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.refusal import Refusal

CONTACT_S = 10.0
SILENCE_S = 15.0
ELECTION_S = 20.0  # a broker that has just come back leads nothing for a moment
ELECTING = frozenset({KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION})


@dataclass(frozen=True, slots=True)
class Loaded:
    """The last batch of an incarnation that the topic holds."""

    sequence: int
    final: bool


NOTHING = Loaded(0, final=False)


def last_loaded(
    settings: Mapping[str, str | int | float | bool], topic: str, partition: int, incarnation: str
) -> Loaded:
    """Return the last batch of `incarnation` in the partition, NOTHING if there is none.

    Reads the partition through, headers only; raises Refusal if Kafka cannot be read.
    """
    consumer = Consumer({"group.id": "sbiscope-load", "enable.auto.commit": False, "log_level": 0, **settings})
    try:
        begin, end = _bounds(consumer, TopicPartition(topic, partition))
        if begin == end:
            return NOTHING
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        return _scan(consumer, end, incarnation)
    except KafkaException as error:
        raise Refusal("cannot read what is loaded", error.args[0].str(), "check that Kafka runs") from error
    finally:
        consumer.close()


def _bounds(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Return where a partition begins and ends, once it has a leader."""
    until = time.monotonic() + ELECTION_S
    while True:
        try:
            begin, end = consumer.get_watermark_offsets(place, timeout=CONTACT_S)
        except KafkaException as error:
            if error.args[0].code() not in ELECTING or time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return begin, end


def _scan(consumer: Consumer, end: int, incarnation: str) -> Loaded:
    wanted = incarnation.encode()
    last = NOTHING
    at = -1
    while at < end - 1:
        message = consumer.poll(SILENCE_S)
        if message is None or message.error():
            seen = message.error().str() if message else f"silent for {SILENCE_S:g} s"
            raise Refusal("cannot read what is loaded", seen, "check that Kafka runs, then repeat the command")
        at = message.offset()
        headers = dict(message.headers() or ())
        if headers.get("incarnation") == wanted:
            last = Loaded(int(headers["sequence"]), headers["final"] == b"1")
    return last
