"""A record as JSON, for tools that know no Avro: the fields by their names, times as whole microseconds."""

import io
import json
from collections.abc import Callable
from functools import cache

import fastavro

from schemas.fields import document
from schemas.plain import without_logical_types


@cache
def json_form(schema: str) -> Callable[[bytes], bytes]:
    """Return what makes the JSON text of a body that was written with `schemas/<schema>.avsc`."""
    parsed = fastavro.parse_schema(without_logical_types(document(schema)))

    def text(body: bytes) -> bytes:
        record = fastavro.schemaless_reader(io.BytesIO(body), parsed, None)
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False, default=_octets).encode()

    return text


def _octets(value: object) -> str:
    """Return octets as Avro's own JSON encoding has them: a character for each."""
    assert isinstance(value, bytes)
    return value.decode("latin-1")
