"""The batch encoder writes, octet for octet, what fastavro writes, and refuses what does not fit a field."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.avro import BatchHeader, encode_batch
from schemas.fields import FOLDER, enum_symbols, fields_of

SCHEMA = fastavro.schema.load_schema(FOLDER / "sbi_event_batch.avsc")
FIELDS = fields_of("sbi_event_batch", "SbiEvent")
ENUMS = {
    "half": "Half",
    "vantage": "Vantage",
    "http_version": "HttpVersion",
    "ended": "Ended",
    "header_state": "HeaderState",
    "body_state": "BodyState",
}
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def values_of(name: str, kind: str) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of one field, times kept within what fastavro takes as plain integers."""
    if kind == "enum":
        return st.integers(0, len(enum_symbols("sbi_event_batch", ENUMS[name])) - 1)
    if kind.startswith("null|"):
        return st.none() | values_of(name, kind.removeprefix("null|"))
    return {
        "string": TEXT,
        "int": INT,
        "long": LONG,
        "boolean": st.booleans(),
        "bytes": st.binary(max_size=20),
        "array<string>": st.lists(TEXT, max_size=3).map(tuple),
        "map<string>": st.dictionaries(TEXT, TEXT, max_size=3),
    }[kind]


EVENTS = st.lists(st.tuples(*(values_of(name, kind) for name, kind in FIELDS)), max_size=3)
HEADERS = st.builds(
    BatchHeader,
    site=TEXT,
    node=TEXT,
    shard=INT,
    incarnation=TEXT,
    sequence=LONG,
    watermark_us=LONG,
    source=st.integers(0, 1),
    final=st.booleans(),
    loss=st.dictionaries(TEXT, LONG, max_size=3),
)


def by_fastavro(header: BatchHeader, events: list[tuple[Any, ...]]) -> bytes:
    """Encode the same batch with the library."""
    out = io.BytesIO()
    record = {name: getattr(header, name) for name, _ in fields_of("sbi_event_batch", "SbiEventBatch")}
    record["source"] = enum_symbols("sbi_event_batch", "Source")[header.source]
    record["events"] = [named(event) for event in events]
    fastavro.schemaless_writer(out, SCHEMA, record)
    return out.getvalue()


def named(event: tuple[Any, ...]) -> dict[str, Any]:
    """Return the event as fastavro wants it: by name, enums as symbols."""
    record = dict(zip((name for name, _ in FIELDS), event, strict=True))
    for name, enum in ENUMS.items():
        record[name] = enum_symbols("sbi_event_batch", enum)[record[name]]
    return record


@given(HEADERS, EVENTS)
def test_the_bytes_are_those_of_fastavro(header: BatchHeader, events: list[tuple[Any, ...]]) -> None:
    assert encode_batch(header, events) == by_fastavro(header, events)


EMPTY = BatchHeader("lab", "n", 0, "i", 1, 0, 0, False, {})


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([(1, 2)], ValueError),
        ([(None,) * len(FIELDS)], (TypeError, AttributeError)),
    ],
)
def test_what_does_not_fit_its_field_is_refused(events: list[tuple[Any, ...]], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_batch(EMPTY, events)
    assert encode_batch(EMPTY, []) == by_fastavro(EMPTY, [])


def test_a_large_batch_grows_the_buffer() -> None:
    event = tuple("x" * 20_000 if kind in {"string", "null|string"} else default(kind) for _, kind in FIELDS)
    assert encode_batch(EMPTY, [event] * 3) == by_fastavro(EMPTY, [event] * 3)


def default(kind: str) -> Any:
    """Return a small value of `kind`."""
    return {"array<string>": (), "map<string>": {}, "boolean": True}.get(kind, None if kind.startswith("null") else 0)
