"""Schemas evolve both ways: a consumer built on yesterday's reads today's messages, and the other way round.

Yesterday's schema is today's without its newest optional field in each record, tomorrow's has one more.
"""

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import fastavro
import pytest

from schemas.config import Streams
from schemas.fields import document
from schemas.framing import mark_of, published, schema_text, single_object_mark, unframe
from schemas.plain import without_logical_types
from streams.alerts import ALERTS, Alerts
from streams.fold import Facts, Fold
from streams.kpi_windows import KPIS, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from streams.procedures import PROCEDURES, Procedures
from streams.reframe import Layout
from tests.examples import DELTAS, FOLDER, decoded
from tests.test_alerts import window

Schema = dict[str, Any]
EVOLVING = [name for name in published() if name != "quarantined"]  # its fields are all needed


def today(name: str) -> Schema:
    return copy.deepcopy(dict(without_logical_types(document(name))))


def records(shape: Any) -> Iterator[Schema]:
    """Yield each record of a schema, inner ones too."""
    if isinstance(shape, list):
        for one in shape:
            yield from records(one)
    elif isinstance(shape, dict):
        if shape.get("type") == "record":
            yield shape
        for one in (shape.get("items"), shape.get("values"), shape.get("type"), *shape.get("fields", [])):
            yield from records(one)


def yesterday(name: str) -> Schema:
    schema = today(name)
    for record in records(schema):
        optional = [field for field in record["fields"] if "default" in field]
        if optional:
            record["fields"].remove(optional[-1])
    return schema


def tomorrow(name: str) -> Schema:
    schema = today(name)
    for record in records(schema):
        added: Schema = {"name": "of_tomorrow", "type": ["null", "string"], "default": None}
        is_header = record is schema and name.endswith("_batch")
        if is_header:  # it stands before what the batch carries, and is a plain one
            added |= {"type": "string", "default": ""}
        record["fields"].insert(len(record["fields"]) - is_header, added)
    return schema


def read(body: bytes, writer: Schema, reader: Schema) -> Any:
    source = io.BytesIO(body)
    found = fastavro.schemaless_reader(source, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    assert not source.read()
    return found


def written(record: Any, schema: Schema) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def within(part: Any, whole: Any) -> bool:
    """Tell whether all that `part` says stands in `whole` too."""
    if isinstance(part, dict):
        return all(name in whole and within(value, whole[name]) for name, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(within(*both) for both in zip(part, whole, strict=True))
    return bool(part == whole)


@pytest.mark.parametrize("name", published())
def test_what_may_be_missing_has_a_default(name: str) -> None:
    for record in records(today(name)):
        optional = [field for field in record["fields"] if isinstance(field["type"], list)]
        assert all("default" in field and field["type"][0] == "null" for field in optional), name
    assert yesterday(name) != today(name) or name not in {"kpi", "procedure", "alert", "agent", "flow"}


@pytest.mark.parametrize("other", [yesterday, tomorrow])
@pytest.mark.parametrize("name", EVOLVING)
def test_both_ways_and_nothing_that_both_know_is_changed(name: str, other: Callable[[str], Schema]) -> None:
    body = unframe((FOLDER / f"{name}.avro").read_bytes())[1]
    record = decoded(name, (FOLDER / f"{name}.avro").read_bytes())
    forth = read(body, today(name), other(name))
    assert within(forth, record) or within(record, forth)
    back = read(written(forth, other(name)), other(name), today(name))
    assert within(forth, back) or within(back, forth)
    assert back.keys() == record.keys()  # type: ignore[attr-defined]


FOLDS: dict[str, Callable[[], Fold]] = {
    "sbi_event_batch": lambda: Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 1}), Streams()),
    "sbi_transaction_batch": lambda: Procedures(Facts(0, {PROCEDURES: 1})),
    "kpi_delta_batch": lambda: KpiWindows(Facts(0, {KPIS: 1}), Streams()),
    "kpi": lambda: Alerts(Facts(0, {ALERTS: 1})),
}


@pytest.mark.parametrize("other", [yesterday, tomorrow])
@pytest.mark.parametrize("name", FOLDS)
def test_our_own_stages_take_both(name: str, other: Callable[[str], Schema]) -> None:
    message = (FOLDER / f"{name}.avro").read_bytes()
    record = decoded(name, message) if name != "kpi" else window(7, 10, "Nudr_DM_Query", "PCF", requests=3)
    record |= {"first_number": 1} if name.endswith("_batch") else {}
    first, second = FOLDS[name](), FOLDS[name]()
    known = first.apply(1_000, document(name), written(record, today(name)))
    schema = other(name)
    taken = second.apply(1_000, schema, written(record, schema))
    assert [(rows.topic, len(rows.records)) for rows in taken] == [(rows.topic, len(rows.records)) for rows in known]
    assert second.counts == first.counts


@pytest.mark.parametrize("other", [yesterday, tomorrow])
@pytest.mark.parametrize("name", ["sbi_transaction_batch", "kpi", "procedure", "alert", "agent", "flow"])
def test_the_sink_takes_both(name: str, other: Callable[[str], Schema]) -> None:
    schema = other(name)
    layout = Layout(schema)
    rows = layout.rows(written(decoded(name, (FOLDER / f"{name}.avro").read_bytes()), schema))
    found = list(fastavro.reader(io.BytesIO(layout.container([rows]))))
    assert len(found) == 1
    assert set(layout.columns) == set(found[0])  # type: ignore[arg-type]


def test_a_mark_changes_with_what_is_on_the_wire_and_with_nothing_else() -> None:
    for name in published():
        assert mark_of(schema_text(name)) == single_object_mark(name)
