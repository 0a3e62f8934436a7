"""What becomes of a message that cannot be read or stored: a row that says where it stood, why, and holds its bytes."""

import io
from zlib import crc32

import fastavro

from schemas.fields import document
from schemas.topics import MESSAGE_BYTES, QUARANTINE
from streams.fold import Rows
from streams.runtime.link import Message

_SCHEMA = fastavro.parse_schema(dict(document("quarantined")))
KEPT_BYTES = MESSAGE_BYTES - 65_536


def quarantined(stage: str, topic: str, message: Message, number: int, reason: str, partitions: int) -> Rows:
    """Return the row of `message`, the `number`th that its partition of `topic` sets aside in `stage`."""
    row = {
        "stage": stage,
        "topic": topic,
        "partition": message.partition,
        "offset": message.offset,
        "append_time_us": message.append_ms * 1_000,
        "reason": reason,
        "value": message.value[:KEPT_BYTES],
    }
    body = io.BytesIO()
    fastavro.schemaless_writer(body, _SCHEMA, row)
    key = f"{topic}/{message.partition}".encode()
    return Rows(QUARANTINE, crc32(key) % partitions, number, (body.getvalue(),), (key,))
