"""Bodies that come again are read once, and only what is octet for octet the same is taken for the same."""

from itertools import pairwise
from random import Random

import pytest

from collector.met_bodies import MOST_BYTES, MetBodies

JSON = "application/json"
LARGEST = 16_384  # octets of a body that is remembered


def met() -> MetBodies:
    return MetBodies(str.upper)


def body_of(size: int, filled: bytes = b"x") -> bytes:
    return b'{"cause":"C","a":"' + filled * (size - 20) + b'"}'


@pytest.mark.parametrize("size", [28, 31, 32, 33, 63, 65, 1_024, 1_025, 4_096, LARGEST])
def test_a_body_that_comes_again_is_read_once(size: int) -> None:
    bodies, body = met(), body_of(size)
    first = bodies.read(JSON, None, body, size)
    assert bodies.read(JSON, None, bytes(bytearray(body)), size) is first
    others = [body[:at] + b"y" + body[at + 1 :] for at in range(18, size - 2, max(1, size // 97))]
    reads = [bodies.read(JSON, None, other, size) for other in others]
    assert first not in reads
    assert [bodies.read(JSON, None, other, size) for other in others] == reads
    assert bodies.read(JSON, None, body, size) is first


def test_as_another_kind_it_is_read_anew() -> None:
    bodies, body = met(), body_of(100)
    first = bodies.read(JSON, None, body, 100)
    assert bodies.read("application/problem+json", None, body, 100) is not first
    assert bodies.read(JSON, "identity", body, 100) is not first


@pytest.mark.parametrize(
    ("kind", "size", "sent"),
    [(JSON, 100, 101), (JSON, LARGEST + 1, LARGEST + 1), ("application/" + "j" * 300, 100, 100)],
    ids=["cut", "large", "of a long kind"],
)
def test_what_is_not_remembered(kind: str, size: int, sent: int) -> None:
    bodies, body = met(), body_of(size)
    assert bodies.read(kind, None, body, sent) is not bodies.read(kind, None, body, sent)
    assert bodies.held_bytes == 0


def test_bodies_that_differ_in_a_number_are_each_read_once_whatever_their_order() -> None:
    bodies = met()
    texts = [b'{"supi":"imsi-00101%010d","a":"%s"}' % (number, b"x" * 4_000) for number in range(997)]
    reads = {text: bodies.read(JSON, None, text, len(text)) for text in texts}
    for seed in range(7):
        Random(seed).shuffle(texts)
        assert all(bodies.read(JSON, None, text, len(text)) is reads[text] for text in texts)


def test_what_is_held_is_bounded_and_what_came_last_is_in_it() -> None:
    bodies, held = met(), [0]
    for number in range(7_000):
        body = b'{"a":%d,"b":"%s"}' % (number, b"x" * 2_000)
        read = bodies.read(JSON, None, body, len(body))
        held.append(bodies.held_bytes)
        assert bodies.read(JSON, None, body, len(body)) is read
    assert MOST_BYTES // 2 < max(held) <= MOST_BYTES
    assert any(after < before for before, after in pairwise(held))  # they were let go of


def test_what_comes_again_and_again_is_never_read_anew() -> None:
    bodies, always = met(), body_of(4_096)
    first = bodies.read(JSON, None, always, len(always))
    for number in range(5_000):
        body = b'{"supi":"imsi-00101%010d"}' % number
        bodies.read(JSON, None, body, len(body))
        if number % 500 == 0:
            assert bodies.read(JSON, None, always, len(always)) is first
