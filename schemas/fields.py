"""Which fields a record of an .avsc has, and of which kinds: for encoders, table columns and tests."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

FOLDER = Path(__file__).parent


@cache
def fields_of(schema: str, record: str) -> tuple[tuple[str, str], ...]:
    """Return (name, kind) of each field of `record`, in order, as `schemas/<schema>.avsc` has them.

    Kinds: an Avro primitive, `enum`, `null|<kind>`, `array<kind>`, `map<kind>`. An array of records is no field here:
    it is what a batch carries. Raises KeyError where the schema has no such record.
    """
    return record_fields(document(schema), record)


def record_fields(schema: Mapping[str, Any], record: str) -> tuple[tuple[str, str], ...]:
    """Return what `fields_of` does of a schema that somebody else may have written; `record`: the name of one in it."""
    names: dict[str, Any] = {}
    _collect(schema, names)
    fields = ((field["name"], _kind(field["type"], names)) for field in names[record]["fields"])
    return tuple((name, kind) for name, kind in fields if kind != "array<record>")


@cache
def document(schema: str) -> Mapping[str, Any]:
    """Return `schemas/<schema>.avsc`; not to be changed."""
    return cast("Mapping[str, Any]", json.loads((FOLDER / f"{schema}.avsc").read_text()))


def enum_symbols(schema: str, enum: str) -> tuple[str, ...]:
    """Return the symbols of `enum`, in order; raises KeyError where the schema has none of that name."""
    return symbols_of(document(schema), enum)


def symbols_of(schema: Mapping[str, Any], enum: str) -> tuple[str, ...]:
    """Return what `enum_symbols` does of a schema that somebody else may have written."""
    names: dict[str, Any] = {}
    _collect(schema, names)
    return tuple(names[enum]["symbols"])


def _collect(kind: Any, names: dict[str, Any]) -> None:
    if isinstance(kind, list):
        for member in kind:
            _collect(member, names)
    elif isinstance(kind, Mapping):
        if "name" in kind:
            names[kind["name"]] = kind
        for inner in [kind.get("items"), kind.get("values"), *(field["type"] for field in kind.get("fields", []))]:
            _collect(inner, names)


def _kind(kind: Any, names: dict[str, Any]) -> str:
    if isinstance(kind, list):
        return "|".join(_kind(member, names) for member in kind)
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return f"array<{_kind(kind['items'], names)}>"
        if kind["type"] == "map":
            return f"map<{_kind(kind['values'], names)}>"
        return cast("str", kind["type"])
    return cast("str", names[kind]["type"]) if kind in names else cast("str", kind)
