"""Records read by a plan are what fastavro makes of them, whatever release wrote them; other octets are Malformed."""

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import document
from schemas.plain import without_logical_types
from streams.records import Cursor, plan
from streams.reframe import Malformed

OURS = without_logical_types(document("kpi_delta_batch"))
LONGS = st.integers(-(1 << 63), (1 << 63) - 1)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of an Avro type."""
    if isinstance(kind, list):
        return st.one_of([values(one) for one in kind])
    if isinstance(kind, dict):
        inner = {
            "record": lambda: st.fixed_dictionaries({one["name"]: values(one["type"]) for one in kind["fields"]}),
            "array": lambda: st.lists(values(kind["items"]), max_size=3),
            "map": lambda: st.dictionaries(st.text(max_size=3), values(kind["values"]), max_size=3),
            "enum": lambda: st.sampled_from(kind["symbols"]),
            "fixed": lambda: st.binary(min_size=kind["size"], max_size=kind["size"]),
        }
        return inner[kind["type"]]() if kind["type"] in inner else values(kind["type"])
    reals = st.floats(width=32, allow_nan=False)
    simple = {"string": st.text(max_size=5), "boolean": st.booleans(), "int": st.integers(-5, 1 << 31 - 1)}
    simple |= {"null": st.none(), "double": reals, "float": reals, "bytes": st.binary(max_size=5)}
    simple |= {"Mark": st.binary(min_size=5, max_size=5)}
    return simple.get(kind, LONGS)


def as_lists(value: Any, kind: Any) -> Any:
    """Return fastavro's dictionaries as lists in the order of a schema."""
    if isinstance(kind, list):
        return None if value is None else as_lists(value, kind[1])
    name = kind["type"] if isinstance(kind, dict) else kind
    if name == "record":
        return [as_lists(value[one["name"]], one["type"]) for one in kind["fields"]]
    return [as_lists(one, kind["items"]) for one in value] if name == "array" else value


def older() -> Any:
    """Return the schema of a release that had less and had it in another order, and something that we dropped."""
    schema = copy.deepcopy(OURS)
    cell = schema["fields"][-1]["type"]["items"]["fields"][-1]["type"]["items"]
    cell["fields"] = [{"name": "gone", "type": ["null", "string"]}, *cell["fields"][-6::-1]]
    cell["fields"].append({"name": "dropped", "type": {"type": "array", "items": {"type": "map", "values": "boolean"}}})
    return schema


def newer() -> Any:
    """Return the schema of a release that has more, of every type that Avro has."""
    schema = copy.deepcopy(OURS)
    fixed = {"type": "fixed", "name": "Mark", "size": 5}
    kinds = ["double", "float", "bytes", fixed, "Mark", ["null", "string", "double", fixed["name"]], ["long", "null"]]
    delta = schema["fields"][-1]["type"]["items"]
    delta["fields"] += [{"name": f"later{number}", "type": kind} for number, kind in enumerate(kinds)]
    return schema


SCHEMAS = {"ours": OURS, "older": older(), "newer": newer()}


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), value)
    return out.getvalue()


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
def test_it_reads_what_fastavro_reads(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    body = written(schema, data.draw(values(schema)))
    theirs, ours = (fastavro.parse_schema(copy.deepcopy(one)) for one in (schema, OURS))
    wanted = fastavro.schemaless_reader(io.BytesIO(body), theirs, ours)
    cursor = Cursor(body)
    assert plan(schema, OURS).read(cursor) == as_lists(wanted, OURS)
    assert cursor.at == len(body)


@given(data=st.data())
def test_cut_or_changed_octets_are_malformed_or_read(data: st.DataObject) -> None:
    body = bytearray(written(OURS, data.draw(values(OURS))))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        plan(OURS, OURS).read(Cursor(cut))
    except (Malformed, UnicodeDecodeError):
        pass


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "first_number", "type": "string"}, "string in the place of long"),
        ({"name": "first_number", "type": ["string", "long"]}, "a union of"),
        ({"name": "first_number", "type": "double"}, "double"),
        ({"name": "deltas", "type": "long"}, "long in the place of"),
        ({"name": "other", "type": "long"}, "no first_number"),
        ({"name": "first_number"}, "KeyError"),
        ({"name": "later", "type": {"type": "record", "name": "Empty", "fields": []}}, "takes no octets"),
        ({"name": "later", "type": {"type": "array", "items": "null"}}, "array of what takes no octets"),
    ],
)
def test_a_schema_that_is_none_of_ours_is_malformed(changed: Any, said: str) -> None:
    schema = OURS | {"fields": [OURS["fields"][0], changed, OURS["fields"][2]]}
    with pytest.raises(Malformed, match=said):
        plan(schema, OURS)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "no number at octet 0"),
        (b"\xff" * 12, "no number at octet 0"),
        (b"\x00\x02\xfe\xff\x03", "32767 items in 0 octets"),
        (b"\x00\x02\x02\x08ab", "4 octets of 2"),
        (b"\x00\x02" + b"\xff" * 9 + b"\x01\x00", "items in"),
    ],
)
def test_octets_that_are_none_of_it_are_malformed(octets: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        plan(OURS, OURS).read(Cursor(octets))


def test_a_record_that_holds_itself_is_malformed() -> None:
    schema = {"type": "record", "name": "A", "fields": [{"name": "a", "type": {"type": "array", "items": "A"}}]}
    with pytest.raises(Malformed, match="its schema"):
        plan(schema, {"type": "record", "name": "B", "fields": []})


def test_an_enumeration_with_more_symbols_is_malformed() -> None:
    text = json.dumps(OURS).replace('"symbols": ["client"', '"symbols": ["satellite", "client"')
    with pytest.raises(Malformed, match="Vantage has symbols that are not known here"):
        plan(json.loads(text), OURS)


def test_types_that_name_one_another_many_times_are_planned_once() -> None:
    kind: Any = "long"
    for number in range(60):
        fields = [{"name": "a", "type": kind}, {"name": "b", "type": kind if number == 0 else kind["name"]}]
        kind = {"type": "record", "name": f"R{number}", "fields": fields}
    added = {"name": "later", "type": kind}
    plan(OURS | {"fields": [*OURS["fields"], added]}, OURS)
