"""schemas/framing.py: each body says which schema wrote it, in either form, and readers find out."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import document
from schemas.framing import (
    Unframed,
    confluent_id,
    confluent_mark,
    frame,
    mark_of,
    published,
    single_object_mark,
    unframe,
)

# The fingerprints that the Avro project's own tests hold (share/test/data/schema-tests.txt), as longs.
KNOWN = {'"int"': 0x7275D51A3F395C8F, '"float"': 0x4D7C02CB3EA8D790, '"long"': 0xD054E14493F41DB7}


@pytest.mark.parametrize("text", KNOWN)
def test_the_fingerprint_is_avros(text: str) -> None:
    assert mark_of(text) == b"\xc3\x01" + KNOWN[text].to_bytes(8, "little")


def test_each_schema_of_the_release_has_its_own_mark_whatever_its_documentation() -> None:
    assert len({single_object_mark(name) for name in published()}) == len(published()) >= 3
    plain = '{"type":"record","name":"A","fields":[{"name":"b","type":"int"}]}'
    documented = '{"type":"record","name":"A","doc":"x","fields":[{"name":"b","type":"int","doc":"y"}]}'
    assert mark_of(plain) == mark_of(documented)


def test_a_framed_record_is_read_back() -> None:
    row = {
        "stage": "pairing",
        "topic": "sbi.events",
        "partition": 3,
        "offset": 41,
        "append_time_us": 1_700_000_000_000_000,
        "reason": "the body ends too early",
        "value": b"\0\xff",
    }
    body = io.BytesIO()
    parsed = fastavro.parse_schema(dict(document("quarantined")))
    fastavro.schemaless_writer(body, parsed, row)
    mark, rest = unframe(frame("quarantined", body.getvalue()))
    assert (mark, confluent_id(mark)) == (single_object_mark("quarantined"), None)
    read = fastavro.schemaless_reader(io.BytesIO(rest), parsed, None)
    assert {**read, "append_time_us": row["append_time_us"]} == row


@given(st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_a_registrys_id_is_read_back(number: int, body: bytes) -> None:
    mark, rest = unframe(confluent_mark(number) + body)
    assert (confluent_id(mark), rest) == (number, body)


@pytest.mark.parametrize("value", [b"", b"\xc3", b"\xc3\x01short", b"\0\0\0\1", b"{}", b"\xc3\x02" + bytes(20)])
def test_what_bears_no_mark_is_said(value: bytes) -> None:
    with pytest.raises(Unframed, match="no schema mark"):
        unframe(value)


@given(st.binary(max_size=30))
def test_any_octets_are_framed_or_not(value: bytes) -> None:
    try:
        mark, body = unframe(value)
    except Unframed:
        return
    assert mark + body == value
    assert len(mark) in {5, 10}
