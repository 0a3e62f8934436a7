"""What stands for a body that was met: the sums that are proved to differ, made anew here number by number."""

import random

import pytest

from collector import met_bodies
from collector.met_bodies import MetBodies
from collector.octets_mark import KEY, LARGEST, octets_mark

SIZES = [1, 7, 8, 15, 16, 17, 31, 32, 33, 1_023, 4_096, LARGEST - 1, LARGEST]


def sums(octets: bytes) -> bytes:
    """Return the mark as compiled modules make it: NH (RFC 4418 5.2) of words of 64 bits, twice, and the size."""
    padded = octets + bytes(-len(octets) % 16)
    totals = [0, 0]
    for at in range(0, len(padded), 16):
        low, high = word(padded, at), word(padded, at + 8)
        for which in (0, 1):
            begin = at + 16 * which
            totals[which] += (low + word(KEY, begin)) % 2**64 * ((high + word(KEY, begin + 8)) % 2**64)
    return b"".join((total % 2**128).to_bytes(16, "little") for total in totals) + len(octets).to_bytes(8, "little")


def word(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 8], "little")


def mark_of(body: bytes) -> bytes:
    return bytes(MetBodies(str).read("application/json", None, body, len(body)).mark)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_known_by_what_is_reckoned_of_all_its_octets(size: int) -> None:
    body = random.Random(size).randbytes(size)
    is_compiled = str(met_bodies.__file__).endswith(".so")
    assert mark_of(body) == (sums(body) if is_compiled else octets_mark(body, KEY))


@pytest.mark.parametrize("size", SIZES)
def test_no_other_octet_and_no_other_size_has_the_mark(size: int) -> None:
    body = bytes(size)
    others = {body[:at] + b"\1" + body[at + 1 :] for at in range(0, size, max(1, size // 97))}
    marks = {mark_of(one) for one in (body, body[:-1] or b"\2", *others)}
    assert len(marks) == 2 + len(others)


def test_the_key_is_long_enough_for_the_largest_body_and_of_this_process_alone() -> None:
    assert len(KEY) == LARGEST + 16
    assert KEY.count(0) < len(KEY) / 100
