"""How far a capture is loaded already, and under which node: what the topic says, read from its messages' headers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.kafka_bounds import bounds
from schemas.refusal import Refusal
from schemas.refused_contact import RUNNING, rights_advice

SILENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The last batch of an incarnation that the topic holds; `key`: the shard it was loaded under."""

    sequence: int
    final: bool
    key: bytes = b""


NOTHING = Loaded(0, final=False)
Settings = Mapping[str, str | int | float | bool]


def last_loaded(settings: Settings, topic: str, partitions: int, incarnation: str) -> Loaded:
    """Return the last batch of `incarnation` in the topic, NOTHING if there is none.

    Reads all partitions through, since the node decides which one, and a capture may stand under another node. Raises
    Refusal if Kafka cannot be read.
    """
    consumer = Consumer({"group.id": "sbiscope-load", "enable.auto.commit": False, "log_level": 0, **settings})
    try:
        return _scan(consumer, [TopicPartition(topic, number) for number in range(partitions)], incarnation.encode())
    except KafkaException as error:
        raise _unread(settings, error.args[0].str()) from error
    finally:
        consumer.close()


def _scan(consumer: Consumer, places: Sequence[TopicPartition], wanted: bytes) -> Loaded:
    ends: dict[int, int] = {}
    for place in places:
        place.offset, end = bounds(consumer, place)
        if place.offset < end:
            ends[place.partition] = end
    consumer.assign([place for place in places if place.partition in ends])
    last = NOTHING
    while ends:
        message = consumer.poll(SILENCE_S)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"silent for {SILENCE_S:g} s"))
        if message.error():
            raise KafkaException(message.error())
        headers = dict(message.headers() or ())
        if headers.get("incarnation") == wanted:
            last = Loaded(int(headers["sequence"]), headers["final"] == b"1", message.key() or b"")
        if message.offset() >= ends.get(message.partition(), 0) - 1:
            ends.pop(message.partition(), None)
    return last


def _unread(settings: Settings, seen: str) -> Refusal:
    advice = rights_advice(settings) if "authorization" in seen else RUNNING
    return Refusal("cannot read what is loaded", seen, f"{advice}, then repeat the command")
