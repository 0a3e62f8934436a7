"""streams/reframe.py: what comes out of the container is what went into the batches, whatever the batches look like."""

import io
import json

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.reframe import BLOCK_BYTES, PIECE_BYTES, Layout, Malformed
from tests import generate

SCHEMA = json.loads((generate.SCHEMAS / "sbi_transaction_batch.avsc").read_text())
LAYOUT = Layout(SCHEMA)
POOL = list(generate.transactions(40))

ITEM = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
        {"name": "other", "type": ["null", "Kind"], "default": None},
        {"name": "text", "type": "string"},
        {"name": "number", "type": "long", "default": 0},
    ],
}
SMALL = {
    "type": "record",
    "name": "Batch",
    "namespace": "t",
    "fields": [
        {"name": "input_partition", "type": "int"},
        {"name": "note", "type": "string"},
        {"name": "flag", "type": "boolean"},
        {"name": "first_number", "type": "long"},
        {"name": "rows", "type": {"type": "array", "items": ITEM}},
    ],
}
PARSED = fastavro.parse_schema(SMALL)
row = st.fixed_dictionaries(
    {
        "kind": st.sampled_from("ab"),
        "other": st.sampled_from(["a", "b", None]),
        "text": st.text(max_size=8),
        "number": st.integers(-(2**63), 2**63 - 1),
    }
)
batches_of_rows = st.lists(st.lists(row, max_size=6), max_size=6)


def read(container: bytes) -> list[dict[str, object]]:
    return list(fastavro.reader(io.BytesIO(container)))


def body(rows: list[dict[str, object]], partition: int = 3, first: int = 1, note: str = "x") -> bytes:
    out = io.BytesIO()
    batch = {"input_partition": partition, "note": note, "flag": True, "first_number": first, "rows": rows}
    fastavro.schemaless_writer(out, PARSED, batch)
    return out.getvalue()


def decoded(batch: bytes) -> list[dict[str, object]]:
    return fastavro.schemaless_reader(io.BytesIO(batch), generate.BATCH, None)["transactions"]


def test_true_transactions_come_out_as_they_went_in() -> None:
    batches = [generate.encode_batch(rows, 2, 7) for rows in (POOL[:1], POOL[1:20], [], POOL[20:])]
    taken = [LAYOUT.rows(batch) for batch in batches]
    assert [(one.first_number, one.count) for one in taken] == [(7, 1), (7, 19), (7, 0), (7, 20)]
    assert [one.last_number for one in taken] == [7, 25, 6, 26]
    assert {one.input_partition for one in taken} == {2}
    assert read(LAYOUT.container(taken)) == [row for batch in batches for row in decoded(batch)]
    assert LAYOUT.columns == tuple(generate.NAMES)


@settings(max_examples=150, deadline=None)
@given(batches_of_rows, st.integers(0, 2**31 - 1), st.integers(0, 2**62), st.text(max_size=40))
def test_any_batches_give_the_same_rows(
    batches: list[list[dict[str, object]]], partition: int, first: int, note: str
) -> None:
    layout = Layout(SMALL)
    taken = [layout.rows(body(rows, partition, first, note)) for rows in batches]
    assert read(layout.container(taken)) == [one for rows in batches for one in rows]
    assert all((one.input_partition, one.first_number) == (partition, first) for one in taken)


@settings(max_examples=150, deadline=None)
@given(st.lists(row, min_size=1, max_size=8), st.integers(-3, 12))
def test_a_cut_leaves_what_comes_after_that_number(rows: list[dict[str, object]], number: int) -> None:
    layout = Layout(SMALL)
    left = layout.after(layout.rows(body(rows, first=1)), number)
    assert read(layout.container([left])) == rows[max(number, 0) :]
    assert left.count == len(rows[max(number, 0) :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_garbage_is_malformed_or_rows_never_another_error(garbage: bytes) -> None:
    layout = Layout(SMALL)
    try:
        rows = layout.rows(garbage)
        layout.after(rows, rows.first_number)
    except Malformed:
        return
    assert rows.size <= len(garbage)


def test_every_cut_of_a_batch_is_malformed_or_shorter() -> None:
    whole = body([{"kind": "a", "other": None, "text": "t", "number": 5}] * 3)
    for end in range(len(whole)):
        try:
            assert Layout(SMALL).rows(whole[:end]).size < len(whole)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("tail", "counts"),
    [
        (b"\x03\x04\x01\x02\x02\x01\x00", [(2, b"\x01\x02"), (1, b"\x01")]),  # 2 records in 2 octets; then 1 to the end
        (b"\x01\x02\x09\x03\x04\x08\x07\x00", [(1, b"\x09"), (2, b"\x08\x07")]),
        (b"\x00", []),
    ],
)
def test_arrays_of_several_sized_blocks(tail: bytes, counts: list[tuple[int, bytes]]) -> None:
    head = body([])[:-1]
    taken = [(count, bytes(records)) for count, records in Layout(SMALL).rows(head + tail).blocks]
    assert taken == counts


NO_ARRAYS = [b"\x02", b"\x02\x00", b"\x02\x01\x01", b"\x00\x00", b"\x01\x7e\x00", b"\xff" * 11, b""]


@pytest.mark.parametrize("tail", NO_ARRAYS)
def test_what_is_no_array_is_malformed(tail: bytes) -> None:
    with pytest.raises(Malformed):
        Layout(SMALL).rows(body([])[:-1] + tail)


def test_records_are_gathered_into_large_blocks() -> None:
    rows = LAYOUT.rows(generate.encode_batch(POOL))
    container = LAYOUT.container([rows] * 100)
    assert container.count(LAYOUT._sync) - 1 == -(-rows.size * 100 // (BLOCK_BYTES + rows.size))
    assert len(read(container)) == 4_000
    pieces = list(LAYOUT.pieces([rows] * 100))
    assert b"".join(pieces) == container
    assert max(map(len, pieces)) < PIECE_BYTES + rows.size


def test_a_bare_record_is_one_row() -> None:
    layout = Layout(ITEM)
    one = {"kind": "b", "other": "a", "text": "é", "number": -1}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(ITEM), one)
    assert read(layout.container([layout.rows(out.getvalue())] * 2)) == [one, one]


def test_a_header_we_cannot_read_past_is_said() -> None:
    odd = json.loads(json.dumps(SMALL))
    odd["fields"].insert(0, {"name": "loss", "type": {"type": "map", "values": "long"}})
    with pytest.raises(Malformed, match="map"):
        Layout(odd)
