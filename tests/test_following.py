"""deploy/following.py: each row of a topic of batches once, whatever a writer that was killed sends again."""

import asyncio
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.following import following
from schemas.config import Config, Kafka
from schemas.framing import frame
from tests.generate import encode_batch, transactions
from tests.mock_broker import mock_broker

NAME = "sbi_transaction_batch"
(ROW,) = islice(transactions(1), 1)
TOPIC = "sbi.transactions"


class Quiet(Exception):  # noqa: N818 (what the topic is)
    """Nothing came for a moment."""


def quiet() -> Callable[[], None]:
    """Return what ends the reading when nothing came for two seconds."""
    turns = count(1)

    def idle() -> None:
        if next(turns) > 10:
            raise Quiet

    return idle


def message(first_number: int, *paths: str, writer: int = 0) -> bytes:
    return frame(NAME, encode_batch([ROW | {"path": path} for path in paths], writer, first_number))


def told(*messages: bytes) -> tuple[list[str], int]:
    with mock_broker() as bootstrap:
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        for value in messages:
            producer.produce(TOPIC, value, partition=0)
        assert producer.flush(30) == 0
        config = Config(kafka=Kafka(bootstrap=bootstrap))
        paths: list[str] = []
        with following(config, TOPIC, NAME, from_beginning=True) as topic, asyncio.Runner() as runner:
            with pytest.raises(Quiet):
                paths.extend(row["path"] for row in topic.rows(runner, quiet()))
            return paths, topic.unreadable


@pytest.mark.parametrize(
    ("messages", "wanted", "lost"),
    [
        ((message(1, "/a", "/b"), message(3, "/c")), ["/a", "/b", "/c"], 0),
        ((message(1, "/a", "/b"), message(1, "/a", "/b"), message(3, "/c")), ["/a", "/b", "/c"], 0),
        ((message(1, "/a", "/b"), message(2, "/b", "/c")), ["/a", "/b", "/c"], 0),  # cut otherwise than before
        ((message(1, "/a"), message(1, "/b", writer=1)), ["/a", "/b"], 0),  # numbers are each writer's own
        ((message(7, "/a"), message(9, "/c")), ["/a", "/c"], 0),  # what retention took is not waited for
        ((message(1, "/a"), message(1, "/a")[:-3], message(2, "/b")), ["/a", "/b"], 1),
    ],
)
def test_each_row_once(messages: tuple[bytes, ...], wanted: list[str], lost: int) -> None:
    assert told(*messages) == (wanted, lost)


def test_batches_of_collectors_have_no_numbers() -> None:
    body = Path("schemas/examples/sbi_event_batch.avro").read_bytes()
    with mock_broker() as bootstrap:
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        producer.produce("sbi.events", body, partition=0)
        assert producer.flush(30) == 0
        config = Config(kafka=Kafka(bootstrap=bootstrap))
        with following(config, "sbi.events", "sbi_event_batch", True) as topic, asyncio.Runner() as runner:
            assert next(topic.rows(runner, quiet()))["event_id"]
