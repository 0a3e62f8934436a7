"""A record as JSON, for tools that know no Avro: the fields by their names, times as whole microseconds.

Read by a few lines of our own: such records are written by us and come a few a second, and fastavro is 5 MB.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from struct import unpack_from
from typing import Any

from schemas.fields import document

Read = Callable[[bytes, int], tuple[Any, int]]  # body, place → value, next place


@cache
def json_form(schema: str) -> Callable[[bytes], bytes]:
    """Return what makes the JSON text of a body that was written with `schemas/<schema>.avsc`.

    What it returns raises IndexError or struct.error for a body that was not.
    """
    read = _reader(document(schema), {})

    def text(body: bytes) -> bytes:
        return json.dumps(read(body, 0)[0], separators=(",", ":"), ensure_ascii=False, default=_octets).encode()

    return text


def _octets(value: object) -> str:
    """Return octets as Avro's own JSON encoding has them: a character for each."""
    assert isinstance(value, bytes)
    return value.decode("latin-1")


def _reader(kind: Any, named: dict[str, Read]) -> Read:
    """Return what reads a value of a type of Avro 1.11; `named`: records and enums met before."""
    if isinstance(kind, list):
        return _union([_reader(one, named) for one in kind])
    if isinstance(kind, str):
        return named[kind] if kind in named else PRIMITIVES[kind]
    match kind["type"]:
        case "record":
            fields = [(field["name"], _reader(field["type"], named)) for field in kind["fields"]]
            named[kind["name"]] = _record(fields)
            return named[kind["name"]]
        case "enum":
            named[kind["name"]] = _enum(kind["symbols"])
            return named[kind["name"]]
        case "array":
            item = _reader(kind["items"], named)
            return lambda body, at: _blocks(body, at, item)
        case "map":
            return _map(_reader(kind["values"], named))
        case inner:  # what carries a logical type, or nothing more than a name
            return _reader(inner, named)


def _record(fields: list[tuple[str, Read]]) -> Read:
    def read(body: bytes, at: int) -> tuple[Mapping[str, Any], int]:
        values = {}
        for name, one in fields:
            values[name], at = one(body, at)
        return values, at

    return read


def _union(members: list[Read]) -> Read:
    def read(body: bytes, at: int) -> tuple[Any, int]:
        number, at = _long(body, at)
        return members[number](body, at)

    return read


def _enum(symbols: list[str]) -> Read:
    def read(body: bytes, at: int) -> tuple[str, int]:
        number, at = _long(body, at)
        return symbols[number], at

    return read


def _map(value: Read) -> Read:
    def pair(body: bytes, at: int) -> tuple[tuple[str, Any], int]:
        key, at = _string(body, at)
        found, at = value(body, at)
        return (key, found), at

    def read(body: bytes, at: int) -> tuple[dict[str, Any], int]:
        pairs, at = _blocks(body, at, pair)
        return dict(pairs), at

    return read


def _blocks(body: bytes, at: int, item: Read) -> tuple[list[Any], int]:
    """Read items in blocks; a block whose count is negative tells its size too."""
    found: list[Any] = []
    while True:
        count, at = _long(body, at)
        if count == 0:
            return found, at
        if count < 0:
            _, at = _long(body, at)
        for _ in range(abs(count)):
            value, at = item(body, at)
            found.append(value)


def _long(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = body[at]
        at += 1
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return (value >> 1) ^ -(value & 1), at


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long(body, at)
    return body[at : at + length], at + length


def _string(body: bytes, at: int) -> tuple[str, int]:
    value, at = _bytes(body, at)
    return value.decode(), at


PRIMITIVES: dict[str, Read] = {
    "null": lambda _, at: (None, at),
    "boolean": lambda body, at: (body[at] != 0, at + 1),
    "int": _long,
    "long": _long,
    "float": lambda body, at: (unpack_from("<f", body, at)[0], at + 4),
    "double": lambda body, at: (unpack_from("<d", body, at)[0], at + 8),
    "bytes": _bytes,
    "string": _string,
}
