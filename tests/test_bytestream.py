"""One direction put in order: however cut, repeated, shuffled, lost: each byte once, in order, or named missing."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.bytestream import HELD_OVERHEAD, UNKNOWN, ByteStream
from collector.message import Counters


class Recorded:
    """A sink that writes down what it is given: bytes as they come, `?` for each missing one, `|` for unknown many."""

    def __init__(self) -> None:
        self.text = b""
        self.times: list[int] = []

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
        assert data
        self.text += data
        self.times.append(time_ns)

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        self.text += b"?" * length if length else b"|"
        self.times.append(time_ns)


def stream(position: int = 0, begin_known: bool = True) -> tuple[ByteStream, Recorded, Counters, Counters]:
    """Return a stream, its sink and its two counters."""
    sink, loss, traffic = Recorded(), Counters(), Counters()
    return ByteStream(sink, True, position, begin_known, loss, traffic), sink, loss, traffic


Step = tuple[int, bytes | int]  # position and data, or how many bytes are missing there


@pytest.mark.parametrize(
    ("steps", "text", "loss", "traffic"),
    [
        pytest.param([(0, b"abc"), (3, b"de")], b"abcde", {}, {}, id="in order"),
        pytest.param([(3, b"de"), (0, b"abc")], b"abcde", {}, {}, id="reordered"),
        pytest.param([(0, b"abc"), (0, b"abc"), (3, b"d")], b"abcd", {}, {"repeated_bytes": 3}, id="repeated"),
        pytest.param([(0, b"abc"), (1, b"bcde")], b"abcde", {}, {"repeated_bytes": 2}, id="overlap"),
        pytest.param([(0, b"abc"), (1, b"XXde")], b"abcde", {}, {"repeated_bytes": 2}, id="the first to come is kept"),
        pytest.param([(2, b"cd"), (2, b"cd"), (0, b"ab")], b"abcd", {}, {"repeated_bytes": 2}, id="held twice"),
        pytest.param([(2, b"cd"), (3, b"def"), (0, b"ab")], b"abcdef", {}, {"repeated_bytes": 1}, id="held, overlap"),
        pytest.param([(4, b"e"), (2, b"c"), (0, b"ab"), (3, b"d")], b"abcde", {}, {}, id="two holes"),
        pytest.param([(0, 3), (3, b"d")], b"???d", {"missing_bytes": 3}, {}, id="not copied"),
        pytest.param([(3, b"d"), (1, 2), (0, b"a")], b"a??d", {"missing_bytes": 2}, {}, id="not copied, held"),
        pytest.param([(0, b"ab"), (1, 2)], b"ab?", {"missing_bytes": 1}, {"repeated_bytes": 1}, id="missing in part"),
        pytest.param([(2, b"cd")], b"??cd", {"hole_bytes": 2}, {}, id="hole given up"),
        pytest.param(
            [(2, b"c"), (5, b"f"), (1, b"b")], b"?bc??f", {"hole_bytes": 3}, {}, id="holes given up one by one"
        ),
    ],
)
def test_what_comes_out(steps: list[Step], text: bytes, loss: dict[str, int], traffic: dict[str, int]) -> None:
    ordered, sink, lost, seen = stream()
    play(ordered, steps)
    assert (sink.text, lost.by_reason, seen.by_reason, ordered.held_bytes) == (text, loss, traffic, 0)


def play(ordered: ByteStream, steps: list[Step]) -> None:
    """Give the steps, the time counting them, and give up what still waits."""
    for time_ns, (position, what) in enumerate(steps):
        if isinstance(what, int):
            ordered.missing(position, what, time_ns)
        else:
            ordered.chunk(position, what, time_ns)
    while ordered.held_bytes:
        ordered.give_up()


def test_joined_late_it_begins_where_it_begins() -> None:
    ordered, sink, loss, _ = stream(UNKNOWN, begin_known=False)
    play(ordered, [(1000, b"ab"), (998, b"xx"), (1002, b"c")])
    assert (sink.text, loss.by_reason) == (b"abc", {"before_join_bytes": 2})


def test_a_direction_whose_begin_was_lost_says_so() -> None:
    ordered, sink, loss, _ = stream(UNKNOWN, begin_known=True)
    play(ordered, [(7, b"ab")])
    assert (sink.text, loss.by_reason) == (b"|ab", {"begin_missing": 1})


def test_bytes_that_waited_bear_the_time_at_which_they_could_be_read() -> None:
    ordered, sink, _, _ = stream()
    ordered.chunk(1, b"b", 10)
    ordered.chunk(3, b"d", 20)
    assert (ordered.oldest_held_ns(), ordered.held_bytes) == (10, 2 * HELD_OVERHEAD + 2)
    ordered.chunk(0, b"a", 30)
    assert (ordered.oldest_held_ns(), sink.times) == (30, [30, 30])
    ordered.give_up()
    assert (ordered.oldest_held_ns(), sink.times) == (-1, [30, 30, 30, 30])


def test_times_never_run_backwards() -> None:
    ordered, sink, _, _ = stream()
    for position, time_ns in enumerate([5, 9, 7, 12]):
        ordered.chunk(position, b"x", time_ns)
    assert sink.times == [5, 9, 9, 12]


@st.composite
def captured(draw: Any) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return a text and chunks of it: cut anywhere, some repeated with other cuts, shuffled, some lost."""
    text = bytes(range(256)) * draw(st.integers(0, 2)) + draw(st.binary(min_size=1, max_size=300))
    chunks: list[tuple[int, bytes]] = []
    for _ in range(draw(st.integers(1, 3))):
        cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=20))})
        chunks += [(begin, text[begin:end]) for begin, end in pairwise(cuts)]
    order = draw(st.permutations(range(len(chunks))))
    lost = draw(st.sets(st.sampled_from(range(len(chunks)))))
    return text, [chunks[i] for i in order if i not in lost]


@settings(max_examples=300)
@given(captured())
def test_each_byte_once_in_order_or_named_missing(case: tuple[bytes, list[tuple[int, bytes]]]) -> None:
    text, chunks = case
    seen = {position + i for position, data in chunks for i in range(len(data))}
    end = max(seen, default=-1) + 1
    wanted = [text[i : i + 1] if i in seen else b"" for i in range(end)]
    out = positions(chunks)
    assert [data for data, _ in out] == wanted
    assert all(later >= earlier for (_, earlier), (_, later) in pairwise(out))


def positions(chunks: list[tuple[int, bytes]]) -> list[tuple[bytes, int]]:
    """Return each byte with its time as it came out, an empty one for each that is missing."""

    class Bytewise:
        out: list[tuple[bytes, int]] = []  # noqa: RUF012

        def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
            self.out += [(data[i : i + 1], time_ns) for i in range(len(data))]

        def gap(self, from_client: bool, length: int, time_ns: int) -> None:
            assert length > 0
            self.out += [(b"", time_ns)] * length

    Bytewise.out = []
    sink = Bytewise()
    ordered = ByteStream(sink, False, 0, True, Counters(), Counters())
    for time_ns, (position, data) in enumerate(chunks):
        ordered.chunk(position, data, time_ns)
    while ordered.held_bytes:
        ordered.give_up()
    return sink.out
