"""Sharing what literal fields gave: equal octets give one object, and nothing is ever taken for something else."""

import hpack.huffman
import hpack.huffman_constants
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import literals
from collector.hpack import Decoder
from collector.selection import EVERYTHING

AUTHORITY, PATH, AUTHORIZATION, SERVER = 1, 4, 23, 54  # indices of RFC 7541, appendix A
NAMES = {AUTHORITY: b":authority", PATH: b":path", SERVER: b"server"}
HUFFMAN = hpack.huffman.HuffmanEncoder(
    hpack.huffman_constants.REQUEST_CODES, hpack.huffman_constants.REQUEST_CODES_LENGTH
)


def written(index: int, value: bytes, coded: bool, indexing: bool = False) -> bytes:
    """Return a literal field whose name is that of an index."""
    octets = HUFFMAN.encode(value) if coded else value
    length = bytearray(hpack.hpack.encode_integer(len(octets), 7))
    length[0] |= 128 * coded
    name = bytearray(hpack.hpack.encode_integer(index, 6 if indexing else 4))
    name[0] |= 64 * indexing
    return bytes(name + length + octets)


def read(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a block that is its connection's first."""
    headers: list[tuple[bytes, bytes]] = []
    assert Decoder(EVERYTHING, True).decode(block, 0, len(block), headers)
    return headers


VALUES = st.text("ab0/", max_size=9).map(str.encode).map(lambda few: few * 9) | st.binary(max_size=70)
FIELDS = st.tuples(st.sampled_from(list(NAMES)), VALUES, st.booleans(), st.booleans())


@given(st.lists(FIELDS, max_size=12))
def test_whatever_was_read_before_a_field_is_what_was_written(fields: list[tuple[int, bytes, bool, bool]]) -> None:
    for _ in range(2):  # the second time as it is remembered
        block = b"".join(written(*field) for field in fields)
        assert read(block) == [(NAMES[index], value) for index, value, _, _ in fields]


def test_octets_that_are_coded_are_not_the_same_octets_plain() -> None:
    octets = HUFFMAN.encode(b"/nudm-sdm/v2")
    assert octets.isascii() is False
    for _ in range(2):
        assert read(written(PATH, octets, coded=False)) == [(b":path", octets)]
        assert read(written(PATH, b"/nudm-sdm/v2", coded=True)) == [(b":path", b"/nudm-sdm/v2")]


@pytest.mark.skipif(not literals.__file__.endswith(".so"), reason="uncompiled nothing is shared")
def test_what_is_read_again_is_the_same_object_whoever_reads_it() -> None:
    block = written(SERVER, b"Open5GS v2.7.7", coded=True, indexing=True)
    assert read(block)[0] is read(block)[0]
    longest = written(PATH, b"/" * 64, coded=False)
    assert read(longest)[0] is read(longest)[0]
    longer = written(PATH, b"/" * 65, coded=False)
    assert read(longer)[0] is not read(longer)[0]


def named(name: bytes, value: bytes, never_indexed: bool = False) -> bytes:
    """Return a literal field with its name."""
    lengths = [bytes(hpack.hpack.encode_integer(len(octets), 7)) for octets in (name, value)]
    return bytes([0x10 * never_indexed]) + lengths[0] + name + lengths[1] + value


@pytest.mark.skipif(not literals.__file__.endswith(".so"), reason="uncompiled nothing is shared")
def test_neither_secrets_nor_long_names_are_kept() -> None:
    shared = named(b"3gpp-sbi-x", b"once")
    assert read(shared)[0] is read(shared)[0]
    for block in (
        named(b"3gpp-sbi-x", b"never", never_indexed=True),
        named(b"authorization", b"Basic c2VjcmV0"),
        named(b"3gpp-sbi-access-token", b"opaque"),
        written(AUTHORIZATION, b"Bearer opaque", coded=True, indexing=True),
        named(b"3gpp-sbi-" + b"x" * 56, b"long"),
    ):
        assert read(block)[0] is not read(block)[0]
