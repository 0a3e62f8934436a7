"""A place as a record of place.avsc, in Avro and in JSON."""

import msgspec

from collector.avro import encoder
from schemas.fields import enum_symbols, fields_of
from streams.places import Place

SCHEMA = "place"
_AVRO = encoder("Place", SCHEMA)
_NAMES = tuple(name for name, _ in fields_of(SCHEMA, "Place"))
_KINDS = {name: number for number, name in enumerate(enum_symbols(SCHEMA, "PlaceKind"))}


def key(site: str, place: Place) -> bytes:
    """Return the key of its messages."""
    return f"{site}/{place.address}".encode()


def encode(site: str, place: Place, told_us: int) -> tuple[bytes, bytes]:
    """Return the record, `told_us` being when this was so, as Avro and as `schemas.jsonform` would have that."""
    before = (site, place.address, place.since_us, place.until_us, told_us)
    after = (
        place.uid,
        place.name,
        place.namespace,
        place.workload,
        place.node,
        place.zone,
        place.containers,
        place.labels,
        place.pods is not None,
        place.pods or (),
    )
    avro = _AVRO.encoded((*before, _KINDS[place.kind], *after))
    return avro, msgspec.json.encode(dict(zip(_NAMES, (*before, place.kind, *after), strict=True)))
