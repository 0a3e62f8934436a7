"""A place as a record of place.avsc, in Avro and in JSON."""

import io

import fastavro
import msgspec

from schemas.fields import document
from schemas.plain import without_logical_types
from streams.places import Place

SCHEMA = "place"
_PARSED = fastavro.parse_schema(without_logical_types(document(SCHEMA)))


def key(site: str, place: Place) -> bytes:
    """Return the key of its messages."""
    return f"{site}/{place.address}".encode()


def encode(site: str, place: Place, told_us: int) -> tuple[bytes, bytes]:
    """Return the record, `told_us` being when this was so, as Avro and as `schemas.jsonform` would have that."""
    record = {
        "site": site,
        "address": place.address,
        "since_us": place.since_us,
        "until_us": place.until_us,
        "told_us": told_us,
        "kind": place.kind,
        "uid": place.uid,
        "name": place.name,
        "namespace": place.namespace,
        "workload": place.workload,
        "node": place.node,
        "zone": place.zone,
        "containers": place.containers,
        "labels": place.labels,
        "pods_known": place.pods is not None,
        "pods": list(place.pods or ()),
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _PARSED, record)
    return out.getvalue(), msgspec.json.encode(record)
