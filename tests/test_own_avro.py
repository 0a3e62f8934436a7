"""schemas/canonical.py and schemas/jsonform.py: what an agent does of Avro by itself is what fastavro does."""

import io
import json
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint as fastavros_fingerprint
from fastavro.schema import to_parsing_canonical_form
from fastavro.utils import generate_many
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_form, fingerprint
from schemas.fields import document
from schemas.framing import mark_of, published, schema_text, single_object_mark
from schemas.jsonform import json_form
from schemas.plain import without_logical_types

PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
KINDS = st.recursive(
    PRIMITIVES | PRIMITIVES.map(lambda one: {"type": one, "doc": "x"}),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"type": st.just("map"), "values": inner, "doc": st.just("é")})
    ),
)
NAMESPACES = st.sampled_from(["", "a", "a.b"])


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a record with an enum and a record in it, named once and referred to once."""
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": draw(KINDS)}]}
    letters = {"type": "enum", "name": draw(st.sampled_from(["E", "c.E"])), "symbols": ["A", "B"], "doc": "d"}
    for one in (inner, letters):
        if space := draw(NAMESPACES):
            one["namespace"] = space
    fields = [
        {"name": "first", "type": draw(KINDS), "doc": "of no account"},
        {"name": "letter", "type": letters},
        {"name": "nested", "type": ["null", {"type": "array", "items": inner}]},
    ]
    outer: dict[str, Any] = {"name": "Outer", "type": "record", "doc": "y", "fields": fields}
    if space := draw(NAMESPACES):
        outer["namespace"] = space
    return outer


@given(records())
def test_the_canonical_form_and_its_fingerprint_are_fastavros(schema: dict[str, Any]) -> None:
    form = to_parsing_canonical_form(fastavro.parse_schema(json.loads(json.dumps(schema))))
    assert canonical_form(schema) == form
    assert fingerprint(schema).hex() == fastavros_fingerprint(form, "CRC-64-AVRO")


@pytest.mark.parametrize("name", published())
def test_each_schema_of_the_release_bears_fastavros_mark(name: str) -> None:
    assert single_object_mark(name) == mark_of(schema_text(name))


@pytest.mark.parametrize("name", published())
def test_any_record_of_the_release_has_the_json_that_fastavro_gives(name: str) -> None:
    schema = without_logical_types(document(name))
    parsed = fastavro.parse_schema(schema)
    for record in generate_many(parsed, 30):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, parsed, record)
        read = fastavro.schemaless_reader(io.BytesIO(body.getvalue()), parsed, None)
        assert json.loads(json_form(name)(body.getvalue())) == json.loads(json.dumps(read, default=_letters))


def _letters(value: bytes) -> str:
    return value.decode("latin-1")


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(IndexError):
        json_form("agent")(b"")
