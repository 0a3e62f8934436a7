"""The ring reader against a ring written as the kernel writes it (kernel/bpf/ringbuf.c), in shared memory."""

import mmap
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ring import Ring

PAGE = mmap.PAGESIZE
SIZE = PAGE
BUSY, DISCARDED = 1 << 31, 1 << 30


class Writer:
    """The kernel's side: reserves, writes, submits."""

    def __init__(self, descriptor: int, size: int = SIZE) -> None:
        os.ftruncate(descriptor, 2 * PAGE + 2 * size)
        self._size = size
        self._map = mmap.mmap(descriptor, 2 * PAGE + 2 * size)
        self._words = memoryview(self._map).cast("Q")

    @property
    def consumed(self) -> int:
        return self._words[0]

    @property
    def produced(self) -> int:
        return self._words[PAGE // 8]

    def put(self, payload: bytes, flags: int = 0) -> int | None:
        """Append a record; return where it stands, None if there is no room."""
        whole = (len(payload) + 8 + 7) & ~7
        at = self.produced
        if at + whole - self.consumed > self._size - 1:
            return None
        self._write(at, (len(payload) | flags).to_bytes(4, "little") + bytes(4) + payload)
        self._words[PAGE // 8] = at + whole
        return at

    def submit(self, at: int, length: int, flags: int = 0) -> None:
        self._write(at, (length | flags).to_bytes(4, "little"))

    def _write(self, at: int, octets: bytes) -> None:
        for number, octet in enumerate(octets):  # both mappings of a page show the same memory
            place = (at + number) % self._size
            for copy in (0, self._size):
                self._map[2 * PAGE + copy + place] = octet


@pytest.fixture
def ring() -> Iterator[tuple[Writer, Ring]]:
    yield made()


def made() -> tuple[Writer, Ring]:
    descriptor = os.memfd_create("ring")
    writer = Writer(descriptor)
    reader = Ring(descriptor, SIZE)
    os.close(descriptor)
    return writer, reader


def test_an_empty_ring_has_nothing(ring: tuple[Writer, Ring]) -> None:
    _, reader = ring
    assert reader.read(10) == []
    assert not reader.is_busy


def test_records_come_in_order_and_free_their_room(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    for payload in (b"one", b"", b"three" * 9):
        writer.put(payload)
    assert reader.read(10) == [b"one", b"", b"three" * 9]
    assert writer.consumed == writer.produced


def test_no_more_than_the_limit_is_taken(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    for number in range(5):
        writer.put(bytes([number]))
    assert reader.read(2) == [b"\0", b"\1"]
    assert reader.read(9) == [b"\2", b"\3", b"\4"]


def test_a_record_being_written_holds_back_what_follows(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    writer.put(b"first")
    at = writer.put(b"second", BUSY)
    writer.put(b"third")
    assert reader.read(10) == [b"first"]
    assert reader.is_busy
    writer.submit(at, 6)
    assert reader.read(10) == [b"second", b"third"]
    assert not reader.is_busy


def test_a_record_taken_back_is_passed_over(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    writer.put(b"taken back", DISCARDED)
    writer.put(b"kept")
    assert reader.read(10) == [b"kept"]


def test_a_length_beyond_the_ring_is_no_record(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    at = writer.put(b"x")
    writer.submit(at, SIZE)
    with pytest.raises(ValueError, match="broken"):
        reader.read(1)


@given(st.lists(st.tuples(st.binary(max_size=900), st.integers(0, 5)), max_size=60))
def test_whatever_is_written_is_read_once_and_in_order(steps: list[tuple[bytes, int]]) -> None:
    writer, reader = made()
    written: list[bytes] = []
    read: list[bytes] = []
    for payload, reads in steps:
        if writer.put(payload) is None:
            read += reader.read(100)
            assert writer.put(payload) is not None
        written.append(payload)
        read += reader.read(reads)
    read += reader.read(1_000)
    assert read == written


def test_a_record_stays_where_it_stands_until_its_room_is_given_back(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    for payload in (b"first", b"second!"):
        writer.put(payload)
    assert [reader.next(), reader.length, reader.next(), reader.length] == [8, 5, 24, 7]
    assert reader.next() == -1
    assert (writer.consumed, reader.taken_bytes) == (0, 0)
    reader.free()
    assert (writer.consumed, reader.taken_bytes) == (writer.produced, 32)


def test_what_stood_there_when_the_ring_was_mapped_is_inherited() -> None:
    descriptor = os.memfd_create("ring")
    writer = Writer(descriptor)
    for payload in (b"read", b"left", b"left too"):
        writer.put(payload)
    Ring(descriptor, SIZE).read(1)
    reader = Ring(descriptor, SIZE)
    os.close(descriptor)
    writer.put(b"new")
    found = []
    while records := reader.read(1):
        found.append((records[0], reader.is_inherited()))
    assert found == [(b"left", True), (b"left too", False), (b"new", False)]  # of the next one


def test_a_broken_record_stops_the_reading_and_what_stood_before_it_is_free(ring: tuple[Writer, Ring]) -> None:
    writer, reader = ring
    writer.put(b"whole")
    writer.submit(writer.put(b"broken") or 0, SIZE)
    assert reader.next() == 8
    with pytest.raises(ValueError, match="broken"):
        reader.next()
    reader.free()
    assert writer.consumed == 16
