"""Avro's parsing canonical form of a schema and its 64-bit fingerprint (Avro 1.11), of this release's own schemas.

fastavro does the same for anybody's; it is 5 MB and 20 ms, which an agent that only writes does without.
"""

import json
from collections.abc import Mapping
from typing import Any

EMPTY = 0xC15D_213A_A4D7_A795  # the polynomial, and the fingerprint of nothing
KEPT = ("name", "type", "fields", "symbols", "items", "values", "size")
NAMED = frozenset({"record", "enum", "fixed"})


def fingerprint(schema: Any) -> bytes:
    """Return the CRC-64-AVRO of a schema's canonical form, little endian."""
    value = EMPTY
    for octet in canonical_form(schema).encode():
        value = value >> 8 ^ _TABLE[(value ^ octet) & 255]
    return value.to_bytes(8, "little")


def canonical_form(schema: Any) -> str:
    """Return what of a schema decides how data is written, without white space. Raises KeyError where it is none."""
    return json.dumps(_reduced(schema, ""), separators=(",", ":"), ensure_ascii=False)


def _reduced(schema: Any, namespace: str) -> Any:
    """Strip what does not count, give names in full; a primitive type is its name."""
    if isinstance(schema, str):
        return schema if not namespace or "." in schema or schema in PRIMITIVES else f"{namespace}.{schema}"
    if isinstance(schema, list):
        return [_reduced(one, namespace) for one in schema]
    kind = schema["type"]
    if kind in PRIMITIVES:
        return kind
    found: dict[str, Any] = {"type": kind}
    if kind in NAMED:
        namespace = _namespace(schema, namespace)
        name = schema["name"]
        found["name"] = name if "." in name or not namespace else f"{namespace}.{name}"
    if "fields" in schema:
        found["fields"] = [{"name": one["name"], "type": _reduced(one["type"], namespace)} for one in schema["fields"]]
    found |= {key: _reduced(schema[key], namespace) for key in ("items", "values") if key in schema}
    found |= {key: schema[key] for key in ("symbols", "size") if key in schema}
    return {key: found[key] for key in KEPT if key in found}


def _namespace(schema: Mapping[str, Any], around: str) -> str:
    name: str = schema["name"]
    return name.rpartition(".")[0] if "." in name else str(schema.get("namespace", around))


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (EMPTY if value & 1 else 0)
    return value


PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_TABLE = tuple(map(_row, range(256)))
