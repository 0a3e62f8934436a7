"""One message for Kafka, ready but for the schema's mark and the topic's name, which the publishing process adds."""

from dataclasses import dataclass

from collector.avro import encode_batch
from collector.batch import Batch
from collector.shard import shard_key

BATCH_SCHEMA = "sbi_event_batch"


@dataclass(frozen=True, slots=True)
class Delivery:
    """`body`: Avro by `schema`; `events`: how many it holds, to be counted where it is lost."""

    schema: str
    key: bytes
    body: bytes
    events: int
    headers: tuple[tuple[str, bytes], ...] = ()


def delivery_of(batch: Batch) -> Delivery:
    """Return the message of a batch; its headers let a reader place it without decoding."""
    header = batch.header
    headers = (
        ("incarnation", header.incarnation.encode()),
        ("sequence", str(header.sequence).encode()),
        ("final", b"1" if header.final else b"0"),
    )
    key = shard_key(header.site, header.node, header.shard)
    return Delivery(BATCH_SCHEMA, key, encode_batch(header, batch.events), len(batch.events), headers)
