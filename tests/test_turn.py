"""The observer's turn: the core is offered between pieces, and kept once enough was given away."""

import pytest

from collector.turn import AWAY_NS, PIECE, Turn


class Others:
    """Who else wants the core, and the clock meanwhile."""

    def __init__(self, each_ns: int) -> None:
        self.each_ns = each_ns
        self.now_ns = 0
        self.offers = 0

    def have_it(self) -> None:
        self.offers += 1
        self.now_ns += self.each_ns

    def clock_ns(self) -> int:
        return self.now_ns


@pytest.mark.parametrize("count", [0, 1, PIECE, PIECE + 1, 10 * PIECE])
def test_nothing_is_left_out_or_told_twice(count: int) -> None:
    others = Others(0)
    pieces = list(Turn(others.have_it, others.clock_ns).pieces(list(range(count))))
    assert [one for piece in pieces for one in piece] == list(range(count))
    assert max(map(len, pieces), default=0) <= PIECE
    assert others.offers == len(pieces)


def test_who_keeps_the_core_long_is_offered_it_once_a_turn() -> None:
    others = Others(AWAY_NS)
    turn = Turn(others.have_it, others.clock_ns)
    for _ in range(2):
        list(turn.pieces(list(range(10 * PIECE))))
        assert others.offers == 1
    turn.begin()
    list(turn.pieces(list(range(10 * PIECE))))
    assert others.offers == 2


def test_short_absences_add_up() -> None:
    others = Others(AWAY_NS // 4)
    turn = Turn(others.have_it, others.clock_ns)
    list(turn.pieces(list(range(100 * PIECE))))
    assert others.offers == 4
