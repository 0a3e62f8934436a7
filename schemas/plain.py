"""Avro schemas without logical types: times stay the whole microseconds that they are."""

from typing import Any


def without_logical_types(schema: Any) -> Any:
    """Return `schema` with the types that carry logical ones in their place."""
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return [without_logical_types(one) for one in schema] if isinstance(schema, list) else schema
