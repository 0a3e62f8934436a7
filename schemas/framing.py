"""What stands before an Avro body on Kafka: which schema wrote it, as a fingerprint or as a registry's id.

Without a registry: Avro single-object encoding (Avro 1.11, "Single-object encoding"): C3 01, then the CRC-64-AVRO
fingerprint of the schema's canonical form, 8 octets, little endian. With one: Confluent's wire format, a zero octet and
the registry's id, 4 octets, big endian. Readers take both, so a topic may change over in the middle.
"""

import json
from functools import cache

from schemas.canonical import fingerprint
from schemas.fields import FOLDER, document

SINGLE_OBJECT = b"\xc3\x01"
CONFLUENT = b"\0"
SINGLE_OBJECT_BYTES = 10
CONFLUENT_BYTES = 5


class Unframed(Exception):  # noqa: N818 (what the bytes are)
    """The bytes begin with neither form of mark; the text says what they begin with."""


def published() -> tuple[str, ...]:
    """Return the names of all schemas of this release, in order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.avsc")))


@cache
def schema_text(name: str) -> str:
    """Return the text of `schemas/<name>.avsc`, as it is published; raises FileNotFoundError where there is none."""
    return json.dumps(document(name), separators=(",", ":"))


@cache
def single_object_mark(name: str) -> bytes:
    """Return the ten octets that stand before each body that this release writes with the schema `name`."""
    return SINGLE_OBJECT + fingerprint(document(name))


def mark_of(text: str) -> bytes:
    """Return the single-object mark of a schema's text; raises ValueError or fastavro's errors where it is none."""
    from fastavro import parse_schema
    from fastavro.schema import fingerprint as fingerprint_of
    from fastavro.schema import to_parsing_canonical_form

    canonical = to_parsing_canonical_form(parse_schema(json.loads(text)))
    return SINGLE_OBJECT + bytes.fromhex(fingerprint_of(canonical, "CRC-64-AVRO"))


def confluent_mark(schema_id: int) -> bytes:
    """Return the five octets that stand before each body written with the registry's schema `schema_id`."""
    return CONFLUENT + schema_id.to_bytes(4, "big")


def confluent_id(mark: bytes) -> int | None:
    """Return the registry's id that `mark` holds; None for a single-object mark."""
    return int.from_bytes(mark[1:], "big") if mark.startswith(CONFLUENT) else None


def frame(name: str, body: bytes) -> bytes:
    """Return `body`, written with the schema `name`, in single-object encoding."""
    return single_object_mark(name) + body


def unframe(value: bytes) -> tuple[bytes, bytes]:
    """Return (mark, body) of a message; raises Unframed where it bears no mark."""
    begins = body_begins(value)
    return value[:begins], value[begins:]


def body_begins(value: bytes) -> int:
    """Return how many octets stand before a message's body; raises Unframed where it bears no mark."""
    if value.startswith(SINGLE_OBJECT) and len(value) >= SINGLE_OBJECT_BYTES:
        return SINGLE_OBJECT_BYTES
    if value.startswith(CONFLUENT) and len(value) >= CONFLUENT_BYTES:
        return CONFLUENT_BYTES
    raise Unframed(f"no schema mark: {len(value)} octets begin with {value[:4].hex(' ') or 'nothing'}")
