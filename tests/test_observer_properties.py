"""A thousand random observations of random conversations: nothing told is false (`make fuzz` runs a million)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.connection import Connection
from collector.hpack import Decoder
from collector.message import Limits
from collector.selection import EVERYTHING
from tests.fuzz import fuzz_observer, target
from tests.traffic import PREFACE, conversation


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_nothing_told_is_false(first: int) -> None:
    failed = fuzz_observer.run(range(first, first + 100))
    assert not failed, failed[0][1]


CHUNKS = st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=12)


@given(st.booleans(), CHUNKS)
@settings(max_examples=150, deadline=None)
def test_any_octets_in_any_chunks_end_alike(from_start: bool, chunks: list[tuple[bool, bytes]]) -> None:
    def observe(cut: Callable[[bytes], list[bytes]]) -> Any:
        connection = Connection(Limits(), from_start, selection=EVERYTHING)
        connection.feed(True, PREFACE, 0)
        for from_client, data in chunks:
            for piece in cut(data):
                connection.feed(from_client, piece, 0)
        connection.close(0)
        return [(m.stream_id, m.half, m.ended, m.headers, m.body) for m in connection.take()]

    assert observe(lambda data: [data]) == observe(lambda data: [data[i : i + 1] for i in range(len(data))])


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_block_is_read_alike_wherever_it_stands(block: bytes, from_start: bool) -> None:
    first: list[Any] = []
    second: list[Any] = []
    fine = Decoder(EVERYTHING, from_start).decode(block, 0, len(block), first)
    assert Decoder(EVERYTHING, from_start).decode(b"\xff" * 7 + block + b"\x00", 7, 7 + len(block), second) == fine
    assert first == second


def test_the_fuzzers_corpus_raises_nothing() -> None:
    scripts = sorted((Path(fuzz_observer.__file__).parent / "corpus").iterdir())
    assert len(scripts) > 20
    for script in scripts:
        target.run(script.read_bytes())


def test_each_conversation_is_made_again_alike() -> None:
    assert conversation(7).frames == conversation(7).frames
