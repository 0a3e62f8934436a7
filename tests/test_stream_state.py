"""The table of a half's life: complete, closed, and the same packed for compiled code."""

import pytest

from collector.stream_state import TABLE, Effect, Input, State, packed, step

LIVES = {
    "request without body": ([Input.HEADERS_END], [Effect.BEGIN_END]),
    "request with body": ([Input.HEADERS, Input.DATA, Input.DATA_END], [Effect.BEGIN, Effect.PIECE, Effect.PIECE_END]),
    "trailers": ([Input.HEADERS, Input.DATA, Input.HEADERS_END], [Effect.BEGIN, Effect.PIECE, Effect.TRAILERS]),
    "trailers without body": ([Input.HEADERS, Input.HEADERS_END], [Effect.BEGIN, Effect.TRAILERS]),
    "interim response": (
        [Input.INTERIM, Input.INTERIM, Input.HEADERS_END],
        [Effect.BEGIN, Effect.REPLACE, Effect.REPLACE_END],
    ),
    "unsure, then body": ([Input.UNSURE, Input.DATA_END], [Effect.BEGIN, Effect.PIECE_END]),
    "body whose head was not seen": ([Input.DATA, Input.DATA_END], [Effect.ORPHAN, Effect.PIECE_END]),
    "reset in the body": (
        [Input.HEADERS, Input.DATA, Input.GONE, Input.DATA],
        [Effect.BEGIN, Effect.PIECE, Effect.END, Effect.LATE],
    ),
    "tunnel": ([Input.CONNECT, Input.DATA, Input.GONE], [Effect.BEGIN_END, Effect.PASS, Effect.NOTHING]),
    "two heads": ([Input.HEADERS, Input.HEADERS, Input.DATA], [Effect.BEGIN, Effect.MALFORMED, Effect.LATE]),
    "body after an interim response": ([Input.INTERIM, Input.DATA], [Effect.BEGIN, Effect.MALFORMED]),
}


@pytest.mark.parametrize(("given", "effects"), LIVES.values(), ids=LIVES.keys())
def test_a_life(given: list[Input], effects: list[Effect]) -> None:
    state = State.IDLE
    seen = []
    for one in given:
        effect, state = step(state, one)
        seen.append(effect)
    assert seen == effects


BEGINS = {Effect.BEGIN, Effect.BEGIN_END, Effect.ORPHAN, Effect.ORPHAN_END}
ENDS = {
    Effect.BEGIN_END,
    Effect.REPLACE_END,
    Effect.TRAILERS,
    Effect.PIECE_END,
    Effect.ORPHAN_END,
    Effect.END,
    Effect.MALFORMED,
}


def test_every_half_begins_and_ends_once_whatever_is_given() -> None:
    """All inputs of length five: a begin only in IDLE, an end only of what has begun, nothing told in CLOSED."""

    def follow(state: State, begun: bool, ended: bool, left: int) -> None:
        if not left:
            return
        for given in Input:
            effect, after = step(state, given)
            assert not (effect in BEGINS and begun)
            if effect in ENDS and effect is not Effect.MALFORMED:  # which ends what is open, if anything is
                assert begun or effect in BEGINS
                assert not ended
            if effect in ENDS:
                assert after in (State.CLOSED, State.TUNNEL)
            follow(after, begun or effect in BEGINS, ended or effect in ENDS, left - 1)

    follow(State.IDLE, False, False, 5)


def test_what_is_gone_is_over() -> None:
    assert {step(state, Input.GONE)[1] for state in State} == {State.CLOSED}


def test_the_packed_table_is_the_table() -> None:
    table = packed()
    assert len(table) == 8 * len(State)
    assert len(Input) == 8
    for state in State:
        for given in Input:
            effect, after = TABLE.get((state, given), (Effect.MALFORMED, State.CLOSED))
            assert table[state * 8 + given] == effect << 4 | after
