"""Finding a frame boundary: never a false one, within ten frames, from any octet of real connections; hostile input.

All octets instead of a sample: python -m tests.test_resync
"""

import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.connection import Connection
from collector.evidence import block_bits, frame_bits
from collector.message import HeaderState, Limits
from collector.resync import Seeker
from collector.selection import EVERYTHING
from tests.encoders.record import load
from tests.recorded import FULL, SUITE, Chunk, frame_begins, recorded
from tests.traffic import DATA, HEADERS, PING, PRIORITY, SETTINGS, frame, settings

PREFACE_BYTES = 24
MAX_WINDOW = 131_072  # of collector.resync


class Direction:
    """One direction of a real connection."""

    def __init__(self, chunks: list[Chunk], from_client: bool) -> None:
        pieces = [data for side, data, _ in chunks if side == from_client]
        self.octets = b"".join(pieces)
        self.ends = [0]
        for piece in pieces:
            self.ends.append(self.ends[-1] + len(piece))
        self.begins = frame_begins(self.octets, PREFACE_BYTES if from_client else 0)

    def frames_until_found(self, first: int) -> int | None:
        """Join at octet `first`: how many frames begin before a boundary is found, None if the octets end before."""
        seeker = Seeker()
        at = first
        for end in self.ends[bisect_right(self.ends, first) :]:
            found = seeker.push(self.octets[at:end], 0)
            at = end
            if found is not None:
                begin = at - sum(len(piece) for piece, _ in found)
                assert begin in self.begins, f"false lock at {begin}, joined at {first}"
                break
        else:
            found = None
        frames = bisect_left(self.begins, at) - bisect_left(self.begins, first)
        return frames if found is not None or frames > 10 else None


def join_all(connections: list[list[Chunk]], step: int) -> Iterator[int | None]:
    """Join at each `step`th octet of each direction of each connection."""
    for number, chunks in enumerate(connections):
        for from_client in (True, False):
            direction = Direction(chunks, from_client)
            for first in range(number % step, len(direction.octets), step):
                yield direction.frames_until_found(first)


def written_by(library: str) -> list[list[Chunk]]:
    """Return a connection of another HTTP/2 library, from its preface on (Java's begins with HTTP/1.1 and Upgrade)."""
    written = load(library)
    begin = next(at for at, (from_client, data) in enumerate(written) if from_client and data.startswith(b"PRI * "))
    answers = next(at for at, (from_client, data) in enumerate(written) if not from_client)
    heads = [(side, data.partition(b"\r\n\r\n")[2]) for side, data in written[answers:begin]]
    return [[(side, data, 0) for side, data in [*heads, *written[begin:]] if data]]


@pytest.mark.parametrize("path", [FULL, SUITE], ids=lambda path: path.stem)
def test_a_boundary_is_found_within_ten_frames_of_any_octet(path: Path) -> None:
    joined = [frames for frames in join_all(recorded(path), 397) if frames is not None]
    assert sum(frames > 10 for frames in joined) <= len(joined) // 1000


@pytest.mark.parametrize("library", ["hpack-go", "hpack-java"])
def test_other_libraries_frames_are_found_too(library: str) -> None:
    joined = [frames for frames in join_all(written_by(library), 7) if frames is not None]
    assert len(joined) > 997
    assert sum(frames > 10 for frames in joined) <= len(joined) // 1000


def test_whatever_is_told_after_joining_at_any_octet_is_true() -> None:
    for chunks in recorded(FULL):
        truth = {(m.stream_id, m.half): m for m in told(chunks, True)}
        octets = sum(len(data) for _, data, _ in chunks)
        for first in range(len(chunks) % 977, octets, 9973):
            for message in told(list(without(chunks, first)), False):
                true = truth[message.stream_id, message.half]
                if message.header_state is HeaderState.EXACT:
                    assert message.headers == true.headers
                for given, real in zip(message.headers, true.headers, strict=True) if message.headers else ():
                    assert given[0] in (None, real[0])
                    assert given[1] in (None, real[1])
                assert true.body.startswith(message.body)
                if message.ended.name == "COMPLETE":
                    assert message.body_bytes == true.body_bytes


def told(chunks: list[Chunk], from_start: bool) -> list:
    connection = Connection(Limits(), from_start, selection=EVERYTHING)
    for chunk in chunks:
        connection.feed(*chunk)
    connection.close(chunks[-1][2] if chunks else 0)
    return connection.take()


def without(chunks: list[Chunk], octets: int) -> Iterator[Chunk]:
    """Leave the first octets out, in the order in which they passed."""
    for side, data, time_ns in chunks:
        if octets < len(data):
            yield side, data[max(octets, 0) :], time_ns
        octets -= len(data)


@pytest.mark.parametrize(
    ("kind", "flags", "length", "stream", "bits"),
    [
        (DATA, 1, 300, 5, 10),
        (DATA, 0, 300, 5, 8),
        (DATA, 0, 300, 6, -1),
        (DATA, 1, 300, 0, -1),
        (DATA, 1, 300, 1 << 31 | 5, -1),
        (DATA, 2, 300, 5, -1),
        (DATA, 0, 0, 5, 0),
        (DATA, 0, 70_000, 5, 0),
        (DATA, 0, 1 << 21, 5, -1),
        (HEADERS, 5, 30, 5, 12),
        (HEADERS, 5, 20_000, 5, -1),
        (PRIORITY, 0, 5, 5, 20),
        (PRIORITY, 0, 6, 5, -1),
        (SETTINGS, 0, 12, 0, 14),
        (SETTINGS, 0, 13, 0, -1),
        (PING, 0, 8, 0, 20),
        (10, 0, 8, 0, -1),
    ],
)
def test_the_evidence_of_a_frame_header(kind: int, flags: int, length: int, stream: int, bits: int) -> None:
    assert frame_bits(kind, flags, length, stream) == bits


@pytest.mark.parametrize(
    ("fields", "bits"),
    [
        ([(b":method", b"GET"), (b":path", b"/a")], 16),
        ([(b":status", b"200"), (b"server", b"x")], 8),
        ([(b":status", b"2000")], -1),
        ([(b":method", b"get")], -1),
        ([(b":Status", b"200")], -1),
        ([(b"a b", b"")], -1),
        ([(b"", b"")], -1),
        ([(None, b"x"), (None, None)], 0),
        ([(b":path", None)], 0),
    ],
)
def test_the_evidence_of_a_header_block(fields: list, bits: int) -> None:
    assert block_bits(fields) == bits


def test_a_body_that_holds_frames_does_not_deceive_who_sees_its_frame_begin() -> None:
    inner = b"".join(settings((1, 4096)) + frame(PING, 0, 0, bytes(8)) for _ in range(40))
    outer = frame(PING, 0, 0, bytes(8)) * 2 + frame(DATA, 0, 5, inner) + frame(PING, 0, 0, bytes(8)) + settings() * 2
    seeker = Seeker()
    found = None
    for at in range(0, len(outer), 11):
        found = seeker.push(outer[at : at + 11], at)
        if found is not None:
            break
    assert found is not None
    assert len(outer[: at + 11]) - sum(len(piece) for piece, _ in found) in (0, 17, 34)


def test_times_are_those_of_the_chunks() -> None:
    frames = [frame(PING, 0, 0, bytes(8)), settings((3, 7)), frame(PING, 1, 0, bytes(8))]
    seeker = Seeker()
    found = [seeker.push(data, number) for number, data in enumerate([b"\xff\xfe", *frames], 1)]
    assert found == [None, None, None, [(frames[1], 3), (frames[2], 4)]]


HOSTILE = {
    "zeros": bytes(9),
    "text": b'{"nfInstanceId":"',
    "frames cut short": frame(HEADERS, 4, 1, b"\x82" * 16_000)[:20],
    "long header blocks": frame(HEADERS, 4, 1, b"\x82" * 16_000),
    "one large frame after the other": frame(DATA, 0, 1, bytes(60_000))[:9],
    "settings": b"\x00\x00\x06\x04\x00\x00\x00\x00",
}


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("size", [1, 1000])
def test_hostile_octets_cost_bounded_memory_and_linear_time(pattern: bytes, size: int) -> None:
    octets = pattern * (300_000 // len(pattern))
    seeker = Seeker()
    passed = 0
    for at in range(0, len(octets), size):
        passed += size
        if seeker.push(octets[at : at + size], at) is not None:
            return
    assert passed - seeker.take_dropped() <= MAX_WINDOW + 16


def main() -> None:
    """Join at all octets."""
    for name, connections in (
        *((path.stem, recorded(path)) for path in (FULL, SUITE)),
        *((library, written_by(library)) for library in ("hpack-go", "hpack-java")),
    ):
        began = time.monotonic()
        joined = list(join_all(connections, 1))
        decided = [frames for frames in joined if frames is not None]
        late = sum(frames > 10 for frames in decided)
        print(
            f"{name}: {len(joined)} octets, no false lock, {late} of {len(decided)} found after more than ten "
            f"frames, {time.monotonic() - began:.0f} s",
            file=sys.stdout,
        )


if __name__ == "__main__":
    main()
