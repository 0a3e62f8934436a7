"""A record that ends the process that looks at it: a later one reads on right behind it, and counts it."""

import mmap
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

import pytest

from collector.connections import Verdict
from collector.kernel_source import KernelSource
from collector.record import COUNTER_SLOTS
from collector.window import MAPS, SLOTS, Window
from tests.conversation import Written, conversation
from tests.kernel_records import octets, records
from tests.live_peers import Recorder
from tests.test_ring import Writer

RING_BYTES = 65_536
KEY, OTHER_KEY = 40, 80
TALK, OTHER_TALK = conversation(10), conversation(3, body_bytes=700)
PLACE = 9  # of what ends processes, within a piece
HOPS = 4
END_NS = 1 << 62
PROCESSES = get_context("fork")


@dataclass
class Told:
    """What an observer has of each connection at its end (seen from the start, both directions), and what was lost."""

    texts: list[tuple[bool, bytes, bytes]]
    loss: dict[str, int]


class Node:
    """The kernel's side, in memory that outlives each observer."""

    def __init__(self) -> None:
        self._maps = {name: os.memfd_create(name) for name in MAPS}
        self._writer = Writer(self._maps["ring"], RING_BYTES)
        os.ftruncate(self._maps["verdicts"], SLOTS * 8)
        os.ftruncate(self._maps["counters"], max(COUNTER_SLOTS * 8, mmap.PAGESIZE))

    def close(self) -> None:
        for descriptor in self._maps.values():
            os.close(descriptor)

    def put(self, written: Written, key: int) -> None:
        for one in records(written, key):
            assert self._writer.put(one) is not None

    def left(self) -> int:
        """Return how many octets wait in the ring."""
        return self._writer.produced - self._writer.consumed

    def window(self) -> Window:
        """Map it all: who reads by that is there from now on."""
        return Window(self._maps, RING_BYTES)

    def observed(self, fatal: bytes | None, window: Window | None = None) -> Told | None:
        """Let a process read all there is; None = it died of a record with these octets."""
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=observe, args=(window or self.window(), fatal, theirs))
        process.start()
        theirs.close()
        try:
            found: Told = ours.recv()
        except EOFError:
            process.join()
            assert process.exitcode == -signal.SIGKILL
            return None
        process.join()
        return found


class Mortal(Recorder):
    """Dies of certain octets, as a decoder with a fault in its compiled code."""

    def __init__(self, fatal: bytes | None) -> None:
        super().__init__()
        self._fatal = fatal

    def chunk(self, key: int, from_client: bool, position: int, data: bytes, time_ns: int) -> Verdict:
        if data == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().chunk(key, from_client, position, data, time_ns)


def observe(window: Window, fatal: bytes | None, told: Connection) -> None:
    recorder = Mortal(fatal)
    source = KernelSource(window, 5)
    source.stop()  # behind what is there
    source.run(recorder, recorder.advance)  # type: ignore[arg-type]
    recorder.advance(END_NS)
    texts = [(one.from_start, bytes(one.text[True]), bytes(one.text[False])) for one in recorder.taken]
    told.send(Told(texts, recorder.counters.by_reason))


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.close()


def whole(written: Written) -> tuple[bool, bytes, bytes]:
    return True, octets(written, True), octets(written, False)


def test_of_two_deaths_at_one_record_the_second_takes_it_away_and_nothing_else(node: Node) -> None:
    earlier = node.window()
    node.put(TALK, KEY)
    node.put(OTHER_TALK, OTHER_KEY)
    all_of_it = node.left()
    fatal = TALK[PLACE][1]
    assert node.observed(fatal, earlier) is None
    assert node.left() == all_of_it
    assert node.observed(fatal) is None
    assert node.left() == all_of_it - room(TALK[: PLACE + 1])
    behind = TALK[PLACE + 1 :]
    told = node.observed(fatal)
    assert told == Told([(False, *whole(behind)[1:]), whole(OTHER_TALK)], {"fatal_records": 1})
    assert node.left() == 0


def test_what_it_brought_is_a_gap_by_its_position(node: Node) -> None:
    node.put(TALK, KEY)
    fatal = TALK[0][1]
    assert node.observed(fatal) is None
    told = node.observed(fatal)
    _, asked, answered = whole(TALK)
    assert told is not None
    assert told.texts == [(True, b"?" * len(fatal) + asked[len(fatal) :], answered)]
    assert told.loss["fatal_records"] == 1


def test_one_killed_from_outside_in_the_midst_of_a_piece_costs_nothing_of_the_ring(node: Node) -> None:
    earlier = node.window()
    node.put(TALK, KEY)
    assert node.observed(TALK[PLACE][1], earlier) is None
    assert node.observed(None) == Told([whole(TALK)], {})


def test_a_message_that_passed_several_ends_on_the_node_costs_a_process_each(node: Node) -> None:
    earlier = node.window()
    for hop in range(1, HOPS + 1):
        node.put(TALK, KEY * hop)
    fatal = TALK[PLACE][1]
    assert node.observed(fatal, earlier) is None
    for _ in range(HOPS):
        assert node.observed(fatal) is None
    told = node.observed(fatal)
    assert told is not None
    assert told.loss == {"fatal_records": HOPS}


def room(written: Written) -> int:
    """Return what the records of writes take in the ring."""
    return sum(len(one) + 15 & ~7 for one in records(written, KEY))
