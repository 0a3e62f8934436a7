"""A conversation from the ring to its messages without a kernel: compiled and uncompiled alike."""

import os
import sys
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collector.ring
import collector.sockets
from collector.connections import Bounds, Connections
from collector.message import Limits
from collector.record import HEAD, OFFSETS, Kind
from collector.turn import PIECE
from collector.window import SLOTS
from tests.conversation import conversation, told
from tests.kernel_records import record, records
from tests.test_ring import BUSY, DISCARDED, SIZE, Writer

COUNT = 20
TALK = conversation(COUNT)
TRUTH = told(COUNT)
KEY = 40


def uncompiled(name: str) -> Any:
    """Return a module of the collector from its source, whether it is compiled or not."""
    path = Path(collector.ring.__file__).parent / f"{name}.py"
    spec = spec_from_file_location(f"uncompiled_{name}", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PARTS = {
    "as installed": (collector.ring.Ring, collector.sockets.Sockets),
    "uncompiled": (uncompiled("ring").Ring, uncompiled("sockets").Sockets),
}
both = pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)


class Node:
    """The kernel's side of a ring; who reads it may come and go."""

    def __init__(self, parts: tuple[Any, Any]) -> None:
        self._descriptor = os.memfd_create("ring")
        self.writer = Writer(self._descriptor)
        self._parts = parts
        self.flows = 0
        self.is_well = True
        self.begin()

    def begin(self) -> None:
        """Let a reader begin that knows nothing of the one before."""
        ring, sockets = self._parts
        self.ring = ring(self._descriptor, SIZE, HEAD.size, OFFSETS["length"])
        self.connections = Connections(Limits(), Bounds())
        verdicts = memoryview(bytearray(SLOTS * 8)).cast("Q")
        self.sockets = sockets(self.connections, verdicts, "boot", 0, tell_flow=self._tell_flow)

    def close(self) -> None:
        os.close(self._descriptor)

    def _tell_flow(self, _record: bytes, _verdict: int) -> None:
        if not self.is_well:
            raise ZeroDivisionError
        self.flows += 1

    def take(self, limit: int = PIECE) -> int:
        return int(self.sockets.take_from(self.ring, limit))

    def put(self, payload: bytes, flags: int = 0) -> int:
        """Append a record; while there is no room, read."""
        while (at := self.writer.put(payload, flags)) is None:
            assert self.take()
        return at

    def told(self) -> list[tuple[int, str]]:
        """Read what is left; return stream and path or status of what was said."""
        while self.take() == PIECE:
            pass
        assert self.writer.consumed == self.writer.produced
        assert self.connections.counters.by_reason == {}
        found = []
        for _, message in self.connections.take():
            fields = dict(message.headers)
            found.append((message.stream_id, (fields.get(b":path") or fields[b":status"]).decode()))
        return sorted(found)


@both
@settings(max_examples=30)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=len(TALK), max_size=len(TALK)))
def test_through_a_ring_that_wraps_with_records_taken_back_between(
    parts: tuple[Any, Any], steps: list[tuple[bool, int]]
) -> None:
    with closing(Node(parts)) as node:
        for one, (is_one_taken_back, reads) in zip(records(TALK, KEY), steps, strict=True):
            if is_one_taken_back:
                node.put(record(KEY, Kind.DATA, data=b"never submitted"), DISCARDED)
            node.put(one)
            if reads:
                assert node.take(reads) <= reads
        assert node.told() == TRUTH
        assert node.writer.consumed > 2 * SIZE


@both
def test_a_record_being_written_within_a_piece_parts_it(parts: tuple[Any, Any]) -> None:
    with closing(Node(parts)) as node:
        said = records(TALK, KEY)
        for one in said[:3]:
            node.put(one)
        at = node.put(said[3], BUSY)
        for one in said[4:6]:
            node.put(one)
        assert (node.take(), node.ring.is_busy, node.writer.consumed) == (3, True, at)
        assert (node.take(), node.ring.is_busy, node.writer.consumed) == (0, True, at)
        node.writer.submit(at, len(said[3]))
        assert (node.take(), node.ring.is_busy, node.writer.consumed) == (3, False, node.writer.produced)
        for one in said[6:]:
            node.put(one)
        assert node.told() == TRUTH


@both
def test_a_piece_that_fails_stays_and_the_next_reader_takes_all_of_it(parts: tuple[Any, Any]) -> None:
    with closing(Node(parts)) as node:
        said = records(TALK, KEY)
        for one in (*said[:4], record(KEY + 4, Kind.FLOW), *said[4:7]):
            node.put(one)
        node.is_well = False
        with pytest.raises(ZeroDivisionError):
            node.take()
        assert (node.writer.consumed, node.flows) == (0, 0)
        node.is_well = True
        node.begin()
        for one in said[7:]:
            node.put(one)
        assert node.told() == TRUTH
        assert node.flows == 1
