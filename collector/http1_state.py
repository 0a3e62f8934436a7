"""How one direction of an HTTP/1.1 connection is read: one table (RFC 9112 2.1, 6, 7.1)."""

import enum


class State(enum.IntEnum):
    """What comes next in a direction."""

    SEEK = 0  # not known: joined late, or octets are missing; a start line at the begin of a chunk is waited for
    START = 1  # a start line (RFC 9112 2.1)
    FIELDS = 2  # field lines (5), or the empty line
    LENGTH = 3  # as many octets as Content-Length says (6.2)
    SIZE = 4  # the line with a chunk's size (7.1)
    CHUNK = 5  # octets of a chunk
    CHUNK_END = 6  # the line end behind a chunk
    TRAILERS = 7  # field lines behind the last chunk (7.1.2)
    REST = 8  # all octets until the connection ends (6.3, rule 8)
    TUNNEL = 9  # no message any more (CONNECT, another protocol)
    SWITCHED = 10  # HTTP/2 (RFC 7540 3.2)


class Input(enum.IntEnum):
    """What was met."""

    START_LINE = 0
    PREFACE = 1  # HTTP/2's, after an upgrade was asked for; it may overtake the answer 101 (RFC 7540 3.2)
    NO_BODY = 2  # end of the fields; no body follows (6.3, rules 1, 6 with zero, 7)
    SIZED = 3  # end of the fields; Content-Length (6.3, rule 6)
    CHUNKED = 4  # end of the fields; chunked (6.3, rule 4)
    UNSIZED = 5  # end of the fields; a response without either (6.3, rule 8)
    INTERIM = 6  # end of the fields of a 1xx response (RFC 9110 15.2)
    LEAVE = 7  # end of the fields of a 2xx to CONNECT (6.3, rule 2), of a 101 to something else than h2c
    SWITCH = 8  # end of the fields of a 101 to h2c
    LAST = 9  # the last octet of a body of known length, of a chunk
    CHUNK_SIZE = 10
    LAST_CHUNK = 11  # size 0
    LINE_END = 12  # behind a chunk
    TRAILERS_END = 13
    MALFORMED = 14  # against the grammar, or larger than allowed
    LOST = 15  # octets are missing, and how many or what they were is not known
    GONE = 16  # the connection ended


class Effect(enum.IntEnum):
    """What the observer does."""

    NOTHING = 0
    BEGIN = 1  # a message begins
    HEAD = 2  # its fields are complete
    REPLACE = 3  # its fields were interim ones: those of the final response count
    COMPLETE = 4  # the message is complete
    HEAD_COMPLETE = 5  # both
    SWITCH = 6  # what follows is HTTP/2
    HOLE = 7  # the message goes on, its body has a hole
    GAP = 8  # the message ends, octets of it are missing
    CLOSED = 9  # the message ends with the connection
    MALFORMED = 10  # the message ends as what it is
    MISTAKEN = 11  # what was taken for a start line is none


S, I, E = State, Input, Effect  # noqa: E741

# (state, input) -> (effect, next state). What is not here does not happen.
TABLE: dict[tuple[State, Input], tuple[Effect, State]] = {
    (S.SEEK, I.START_LINE): (E.BEGIN, S.FIELDS),
    (S.SEEK, I.MALFORMED): (E.MISTAKEN, S.SEEK),
    (S.SEEK, I.LOST): (E.MISTAKEN, S.SEEK),
    (S.SEEK, I.GONE): (E.MISTAKEN, S.SEEK),
    (S.START, I.START_LINE): (E.BEGIN, S.FIELDS),
    (S.START, I.PREFACE): (E.SWITCH, S.SWITCHED),
    (S.START, I.MALFORMED): (E.MALFORMED, S.SEEK),
    (S.START, I.LOST): (E.GAP, S.SEEK),
    (S.START, I.GONE): (E.CLOSED, S.SEEK),  # a message is there only after an interim response
    (S.FIELDS, I.NO_BODY): (E.HEAD_COMPLETE, S.START),
    (S.FIELDS, I.SIZED): (E.HEAD, S.LENGTH),
    (S.FIELDS, I.CHUNKED): (E.HEAD, S.SIZE),
    (S.FIELDS, I.UNSIZED): (E.HEAD, S.REST),
    (S.FIELDS, I.INTERIM): (E.REPLACE, S.START),
    (S.FIELDS, I.LEAVE): (E.HEAD_COMPLETE, S.TUNNEL),
    (S.FIELDS, I.SWITCH): (E.SWITCH, S.SWITCHED),  # its answer comes on stream 1: no message ends here
    (S.FIELDS, I.MALFORMED): (E.MALFORMED, S.SEEK),
    (S.FIELDS, I.LOST): (E.GAP, S.SEEK),
    (S.FIELDS, I.GONE): (E.CLOSED, S.SEEK),
    (S.LENGTH, I.NO_BODY): (E.GAP, S.SEEK),  # the answer to a HEAD that was not seen, or a body like a message
    (S.LENGTH, I.LAST): (E.COMPLETE, S.START),
    (S.LENGTH, I.LOST): (E.GAP, S.SEEK),  # a hole that ends within the body never comes here
    (S.LENGTH, I.GONE): (E.CLOSED, S.SEEK),
    (S.SIZE, I.CHUNK_SIZE): (E.NOTHING, S.CHUNK),
    (S.SIZE, I.LAST_CHUNK): (E.NOTHING, S.TRAILERS),
    (S.SIZE, I.MALFORMED): (E.MALFORMED, S.SEEK),
    (S.SIZE, I.LOST): (E.GAP, S.SEEK),
    (S.SIZE, I.GONE): (E.CLOSED, S.SEEK),
    (S.CHUNK, I.LAST): (E.NOTHING, S.CHUNK_END),
    (S.CHUNK, I.LOST): (E.GAP, S.SEEK),
    (S.CHUNK, I.GONE): (E.CLOSED, S.SEEK),
    (S.CHUNK_END, I.LINE_END): (E.NOTHING, S.SIZE),
    (S.CHUNK_END, I.MALFORMED): (E.MALFORMED, S.SEEK),
    (S.CHUNK_END, I.LOST): (E.GAP, S.SEEK),
    (S.CHUNK_END, I.GONE): (E.CLOSED, S.SEEK),
    (S.TRAILERS, I.TRAILERS_END): (E.COMPLETE, S.START),
    (S.TRAILERS, I.MALFORMED): (E.MALFORMED, S.SEEK),
    (S.TRAILERS, I.LOST): (E.GAP, S.SEEK),
    (S.TRAILERS, I.GONE): (E.CLOSED, S.SEEK),
    (S.REST, I.LOST): (E.HOLE, S.REST),
    (S.REST, I.GONE): (E.COMPLETE, S.SEEK),
    (S.TUNNEL, I.LOST): (E.NOTHING, S.TUNNEL),
    (S.TUNNEL, I.GONE): (E.NOTHING, S.TUNNEL),
    (S.SWITCHED, I.LOST): (E.NOTHING, S.SWITCHED),
    (S.SWITCHED, I.GONE): (E.NOTHING, S.SWITCHED),
}
