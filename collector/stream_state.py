"""The life of a half of a stream as an observer sees it: one table (RFC 9113 5.1, 8.1).

A stream has two halves, each sent by one end; RFC 9113's half-closed states are pairs of these. Each half has its own
state; what ends a stream as a whole (RST_STREAM, GOAWAY, end of the connection, a hole) is given to both.
"""

import enum


class State(enum.IntEnum):
    """What was seen of a half."""

    IDLE = 0  # nothing
    INTERIM = 1  # a response of 1xx, the final one is awaited (RFC 9113 8.1)
    UNSURE = 2  # header block of a response whose status could not be read: final or interim
    OPEN = 3  # its header block
    BODY = 4  # DATA
    TUNNEL = 5  # CONNECT: what follows is no message (RFC 9113 8.5, RFC 8441)
    CLOSED = 6  # told in a message


class Input(enum.IntEnum):
    """What happens to a half."""

    HEADERS = 0  # header block without END_STREAM
    HEADERS_END = 1  # header block with END_STREAM
    INTERIM = 2  # header block of a 1xx response
    UNSURE = 3  # header block of a response without END_STREAM, status unknown
    CONNECT = 4  # header block that makes a tunnel
    DATA = 5  # a piece of body
    DATA_END = 6  # the last piece: END_STREAM
    GONE = 7  # RST_STREAM, GOAWAY, end of the connection, hole, timeout, eviction


class Effect(enum.IntEnum):
    """What the observer does."""

    NOTHING = 0
    BEGIN = 1  # a message begins with this block
    BEGIN_END = 2  # it begins and is complete
    REPLACE = 3  # the block before was interim: this one counts
    REPLACE_END = 4
    TRAILERS = 5  # trailer section: the message is complete
    PIECE = 6  # body
    PIECE_END = 7  # body, and the message is complete
    ORPHAN = 8  # body of a message whose begin was not seen
    ORPHAN_END = 9
    END = 10  # the message ends with the outcome given
    LATE = 11  # sent before its sender knew of the end (RFC 9113 5.1, closed): counted
    PASS = 12  # of a tunnel: counted
    MALFORMED = 13  # not allowed here: the message ends as MALFORMED


S, I, E = State, Input, Effect  # noqa: E741

# (state, input) -> (effect, next state). What is not here is MALFORMED and ends the half.
TABLE: dict[tuple[State, Input], tuple[Effect, State]] = {
    (S.IDLE, I.HEADERS): (E.BEGIN, S.OPEN),
    (S.IDLE, I.HEADERS_END): (E.BEGIN_END, S.CLOSED),
    (S.IDLE, I.INTERIM): (E.BEGIN, S.INTERIM),
    (S.IDLE, I.UNSURE): (E.BEGIN, S.UNSURE),
    (S.IDLE, I.CONNECT): (E.BEGIN_END, S.TUNNEL),
    (S.IDLE, I.DATA): (E.ORPHAN, S.BODY),  # only where its begin may be unseen; else it is late or malformed
    (S.IDLE, I.DATA_END): (E.ORPHAN_END, S.CLOSED),
    (S.IDLE, I.GONE): (E.NOTHING, S.CLOSED),
    (S.INTERIM, I.HEADERS): (E.REPLACE, S.OPEN),
    (S.INTERIM, I.HEADERS_END): (E.REPLACE_END, S.CLOSED),
    (S.INTERIM, I.INTERIM): (E.REPLACE, S.INTERIM),
    (S.INTERIM, I.UNSURE): (E.REPLACE, S.UNSURE),
    (S.INTERIM, I.CONNECT): (E.REPLACE_END, S.TUNNEL),
    (S.INTERIM, I.GONE): (E.END, S.CLOSED),
    (S.UNSURE, I.HEADERS): (E.REPLACE, S.OPEN),  # trailers end the stream: so the one before was interim
    (S.UNSURE, I.INTERIM): (E.REPLACE, S.INTERIM),
    (S.UNSURE, I.UNSURE): (E.REPLACE, S.UNSURE),
    (S.UNSURE, I.HEADERS_END): (E.TRAILERS, S.CLOSED),
    (S.UNSURE, I.DATA): (E.PIECE, S.BODY),
    (S.UNSURE, I.DATA_END): (E.PIECE_END, S.CLOSED),
    (S.UNSURE, I.GONE): (E.END, S.CLOSED),
    (S.OPEN, I.HEADERS_END): (E.TRAILERS, S.CLOSED),
    (S.OPEN, I.DATA): (E.PIECE, S.BODY),
    (S.OPEN, I.DATA_END): (E.PIECE_END, S.CLOSED),
    (S.OPEN, I.GONE): (E.END, S.CLOSED),
    (S.BODY, I.HEADERS_END): (E.TRAILERS, S.CLOSED),
    (S.BODY, I.DATA): (E.PIECE, S.BODY),
    (S.BODY, I.DATA_END): (E.PIECE_END, S.CLOSED),
    (S.BODY, I.GONE): (E.END, S.CLOSED),
    (S.TUNNEL, I.DATA): (E.PASS, S.TUNNEL),
    (S.TUNNEL, I.DATA_END): (E.PASS, S.CLOSED),
    (S.TUNNEL, I.HEADERS_END): (E.PASS, S.CLOSED),
    (S.TUNNEL, I.GONE): (E.NOTHING, S.CLOSED),
    (S.CLOSED, I.HEADERS): (E.LATE, S.CLOSED),
    (S.CLOSED, I.HEADERS_END): (E.LATE, S.CLOSED),
    (S.CLOSED, I.INTERIM): (E.LATE, S.CLOSED),
    (S.CLOSED, I.UNSURE): (E.LATE, S.CLOSED),
    (S.CLOSED, I.CONNECT): (E.LATE, S.CLOSED),
    (S.CLOSED, I.DATA): (E.LATE, S.CLOSED),
    (S.CLOSED, I.DATA_END): (E.LATE, S.CLOSED),
    (S.CLOSED, I.GONE): (E.NOTHING, S.CLOSED),
}


def step(state: State, given: Input) -> tuple[Effect, State]:
    """Return what to do and the next state."""
    return TABLE.get((state, given), (Effect.MALFORMED, State.CLOSED))


def packed() -> bytes:
    """Return the table for compiled code: effect << 4 | next state, at state * 8 + input."""
    steps = (step(state, given) for state in State for given in Input)
    return bytes(effect << 4 | state for effect, state in steps)
