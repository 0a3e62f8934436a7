"""The Kafka sink against the client library's own broker: order, numbers, headers, partition; resuming; refusals."""

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from collector.avro import BatchHeader, encode_batch
from collector.batch import Batch
from collector.load import NOTHING, Loaded, last_loaded
from collector.message import Counters
from collector.publisher import Publisher
from collector.shard import shard_key, shard_partition
from schemas.refusal import Refusal

TOPIC = "sbi.events"
COUNT = 23


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """Return the address of a broker that lives as long as the test."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del owner


def settings(bootstrap: str) -> dict[str, Any]:
    """Return what every client of the broker needs."""
    return {"bootstrap.servers": bootstrap}


def publisher(bootstrap: str, **more: Any) -> Publisher:
    """Return a publisher whose batches are marked with one octet."""
    loss = more.pop("loss", Counters())
    return Publisher(
        {**settings(bootstrap), **more}, TOPIC, lambda body: b"!" + body, loss, queue_bytes=1 << 20, patient=True
    )


def batches(first: int, last: int, incarnation: str = "capture:a", final: bool = True) -> list[Batch]:
    """Return empty batches numbered from `first` to `last`."""
    return [
        Batch(BatchHeader("lab", "n1", 0, incarnation, i, i, 1, final and i == last, {}), [])
        for i in range(first, last + 1)
    ]


def publish(bootstrap: str, some: list[Batch]) -> Publisher:
    """Publish and wait for delivery."""
    sink = publisher(bootstrap)
    for batch in some:
        sink.put(batch)
    sink.close()
    return sink


def read(bootstrap: str, partition: int, count: int) -> list[Any]:
    """Return `count` messages of a partition."""
    consumer = Consumer({**settings(bootstrap), "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    found = consumer.consume(count, 15)
    consumer.close()
    return found


def test_batches_arrive_in_order_with_key_headers_and_partition(bootstrap: str) -> None:
    some = batches(1, COUNT)
    sink = publish(bootstrap, some)
    key = shard_key("lab", "n1", 0)
    found = read(bootstrap, shard_partition(key, sink.partitions), COUNT)
    assert sink.delivered_batches == COUNT
    assert [message.value() for message in found] == [b"!" + encode_batch(batch.header, []) for batch in some]
    assert {message.key() for message in found} == {b"lab/n1/0"}
    assert [dict(message.headers())["sequence"] for message in found] == [str(i).encode() for i in range(1, COUNT + 1)]
    assert dict(found[-1].headers()) == {"incarnation": b"capture:a", "sequence": b"23", "final": b"1"}


def test_the_partition_follows_from_the_key_alone() -> None:
    assert [shard_partition(shard_key("lab", f"n{i}", 0), 4) for i in range(6)] == [1, 2, 3, 0, 1, 2]


def test_how_far_a_capture_is_loaded(bootstrap: str) -> None:
    key = b"lab/n1/0"
    partitions = publish(bootstrap, batches(1, 3, "capture:other")).partitions
    assert last_loaded(settings(bootstrap), TOPIC, partitions, "capture:a") == NOTHING
    publish(bootstrap, batches(1, 7, final=False) + batches(4, 9, "capture:other"))
    assert last_loaded(settings(bootstrap), TOPIC, partitions, "capture:a") == Loaded(7, False, key)
    publish(bootstrap, batches(8, 12))
    assert last_loaded(settings(bootstrap), TOPIC, partitions, "capture:a") == Loaded(12, True, key)
    assert last_loaded(settings(bootstrap), TOPIC, partitions, "capture:other") == Loaded(9, True, key)


def test_an_empty_partition_holds_nothing(bootstrap: str) -> None:
    publisher(bootstrap).close()
    assert last_loaded(settings(bootstrap), TOPIC, 1, "capture:a") == NOTHING


def test_an_unreachable_kafka_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.kafka_contact.CONTACT_S", 0.5)
    with pytest.raises(Refusal, match="cannot reach Kafka") as refused:
        publisher("127.0.0.1:1")
    assert "\n" not in str(refused.value)
    with pytest.raises(Refusal, match="cannot read what is loaded"):
        last_loaded(settings("127.0.0.1:1"), TOPIC, 1, "capture:a")


def test_a_batch_that_kafka_refuses_ends_a_load_and_is_counted_live(bootstrap: str) -> None:
    loss = Counters()
    sink = publisher(bootstrap, loss=loss, **{"message.max.bytes": 1_000})
    large = Batch(BatchHeader("s" * 5_000, "n1", 0, "i", 1, 0, 1, False, {}), [()] * 0)
    with pytest.raises(Refusal, match="Kafka did not take the batches"):
        sink.put(large)
    live = Publisher(
        {**settings(bootstrap), "message.max.bytes": 1_000}, TOPIC, lambda body: body, loss, 1 << 20, patient=False
    )
    live.put(large)
    live.close()


def test_a_full_queue_holds_a_capture_back_and_loses_live_events_counted(bootstrap: str) -> None:
    narrow = {"queue.buffering.max.messages": 2, "linger.ms": 100}
    sink = publisher(bootstrap, **narrow)
    for batch in batches(1, COUNT):
        sink.put(batch)
    sink.close()
    assert sink.delivered_batches == COUNT
    loss = Counters()
    live = Publisher({**settings(bootstrap), **narrow}, TOPIC, lambda body: body, loss, 1 << 20, patient=False)
    for batch in batches(1, COUNT):
        live.put(batch)
    live.close()
    assert loss.by_reason["publisher_queue_batches"] + live.delivered_batches == COUNT
