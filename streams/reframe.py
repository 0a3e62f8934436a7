"""How batches of Avro records become one Avro container for ClickHouse, without decoding a record.

A batch body is a small header and, as its last field, an array of records; an object container file is a header with
the schema, and blocks of records. The record bytes are the same in both, so they are handed through. Nothing here
checks the records: the server's reader does.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastavro import parse_schema
from fastavro import schemaless_reader as read_record

BLOCK_BYTES = 1 << 20  # small blocks are slow: one a message costs the server a third of its speed
PIECE_BYTES = 1 << 18  # tens of megabytes at once cost more for their fresh pages than for being copied
VARINTS = frozenset({"int", "long", "enum"})
STRINGS = frozenset({"string", "bytes"})


class Malformed(Exception):  # noqa: N818 (what the bytes are)
    """The bytes are no batch of the schema they name; the text says where it showed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The records of one message, undecoded, numbered from `first_number` without holes."""

    input_partition: int
    first_number: int
    blocks: tuple[tuple[int, memoryview], ...]

    @property
    def count(self) -> int:
        """How many records."""
        return sum(count for count, _ in self.blocks)

    @property
    def last_number(self) -> int:
        """Number of the last record; first_number - 1 without any."""
        return self.first_number + self.count - 1

    @property
    def size(self) -> int:
        """Octets of all records."""
        return sum(len(records) for _, records in self.blocks)


class Layout:
    """What one writer's schema says of the bytes: a batch (header, then an array of records), or one bare record."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raise Malformed where the schema has no such form."""
        *header, last = schema["fields"]
        record = _record_of(last["type"])
        self.is_batch = record is not None
        self._header = [(field["name"], _kind(field["type"])) for field in header] if self.is_batch else []
        record = _bare({"namespace": schema.get("namespace", ""), **(record or schema)})
        self.columns: tuple[str, ...] = tuple(field["name"] for field in record["fields"])
        self._record = parse_schema(record)
        text = json.dumps(record, separators=(",", ":")).encode()
        self._sync = hashlib.blake2b(text, digest_size=16).digest()
        settings = _string(b"avro.schema") + _string(text) + _string(b"avro.codec") + _string(b"null")
        self._opening = b"Obj\x01" + _long(2) + settings + b"\0" + self._sync

    def rows(self, body: bytes | memoryview) -> Rows:
        """Return the records of `body`; raises Malformed where its header and array do not fit the bytes."""
        if not self.is_batch:
            return Rows(0, 0, ((1, memoryview(body)),))
        try:
            header, at = self._read_header(body)
            return Rows(header["input_partition"], header["first_number"], tuple(_blocks(body, at)))
        except (IndexError, KeyError) as error:
            seen = "the body ends too early" if isinstance(error, IndexError) else f"its header lacks {error}"
            raise Malformed(seen) from error

    def _read_header(self, body: bytes | memoryview) -> tuple[dict[str, int], int]:
        header: dict[str, int] = {}
        at = 0
        for name, kind in self._header:
            if kind in VARINTS:
                header[name], at = _varint(body, at)
            elif kind == "boolean":
                at += 1
            else:
                length, at = _varint(body, at)
                at += max(length, 0)
        return header, at

    def after(self, rows: Rows, number: int) -> Rows:
        """Return `rows` without those up to `number`; only a cut inside a message decodes, to find its place."""
        drop = number - rows.first_number + 1
        if drop <= 0:
            return rows
        kept = []
        for count, records in rows.blocks:
            cut = min(drop, count)
            drop -= cut
            if cut < count:
                kept.append((count - cut, records[self._offset(records, cut) :] if cut else records))
        return Rows(rows.input_partition, max(rows.first_number, number + 1), tuple(kept))

    def _offset(self, records: memoryview, count: int) -> int:
        stream = io.BytesIO(records)
        try:
            for _ in range(count):
                read_record(stream, self._record, None)
        except Exception as error:  # fastavro raises what the bytes lead it into
            raise Malformed(f"a record cannot be read: {type(error).__name__}") from error
        return stream.tell()

    def container(self, many: Iterable[Rows]) -> bytes:
        """Return one object container file with all records of `many`, in order, in blocks of about BLOCK_BYTES."""
        return b"".join(self._parts(many))

    def pieces(self, many: Iterable[Rows]) -> Iterator[bytes]:
        """Yield what `container` returns, in pieces of about PIECE_BYTES."""
        waiting: list[bytes | memoryview] = []
        size = 0
        for part in self._parts(many):
            waiting.append(part)
            size += len(part)
            if size >= PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
        if waiting:
            yield b"".join(waiting)

    def _parts(self, many: Iterable[Rows]) -> Iterator[bytes | memoryview]:
        yield self._opening
        waiting: list[memoryview] = []
        count = size = 0
        for rows in many:
            for number, records in rows.blocks:
                waiting.append(records)
                count, size = count + number, size + len(records)
                if size >= BLOCK_BYTES:
                    yield _long(count) + _long(size)
                    yield from waiting
                    yield self._sync
                    waiting, count, size = [], 0, 0
        if count:
            yield _long(count) + _long(size)
            yield from waiting
            yield self._sync


def _blocks(body: bytes | memoryview, at: int) -> Iterable[tuple[int, memoryview]]:
    """Yield (count, records) of an Avro array; a count without byte size reaches to its end: we write one block."""
    view = memoryview(body)
    while True:
        count, at = _varint(body, at)
        if count == 0:
            if at != len(body):
                raise Malformed(f"{len(body) - at} octets behind its array")
            return
        if count > 0:
            if body[-1] != 0 or len(body) - 1 <= at:
                raise Malformed("its array has no end")
            yield count, view[at:-1]
            return
        size, at = _varint(body, at)
        if size < 0 or at + size >= len(body):
            raise Malformed("a block of its array is longer than the body")
        yield -count, view[at : at + size]
        at += size


def _varint(body: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return the zigzag number at `at` and where it ends (Avro 1.11, binary encoding of int and long)."""
    value = shift = 0
    while True:
        octet = body[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise Malformed("a number has more than ten octets")


def _long(value: int) -> bytes:
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string(value: bytes) -> bytes:
    return _long(len(value)) + value


def _record_of(kind: Any) -> dict[str, Any] | None:
    """Return the record that `kind` is an array of, if it is one."""
    items = kind.get("items") if isinstance(kind, dict) and kind.get("type") == "array" else None
    return items if isinstance(items, dict) and items.get("type") == "record" else None


def _kind(kind: Any) -> str:
    name = kind.get("type") if isinstance(kind, dict) else kind
    if name not in VARINTS | STRINGS | {"boolean"}:
        raise Malformed(f"a header field of type {name} cannot be read past")
    return str(name)


def _bare(schema: Any) -> Any:
    """Return `schema` without documentation and defaults: the server needs neither."""
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if key not in {"doc", "default"}}
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_bare(member) for member in schema]
    return schema
