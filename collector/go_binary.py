"""Where functions of a Go program begin and return, from its own table `.gopclntab`, which stripping leaves in.

Layout: Go's runtime/symtab.go (moduledata, funcTab, _func) and internal/abi; magic 0xFFFFFFF0 is Go 1.18's,
0xFFFFFFF1 that of 1.20 and later. Positions here are offsets in `.text`.

Of the table, which has tens of megabytes, a piece is in memory at a time, and of `.text` a few octets at a time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import Struct, error

from collector.elf import Octets

MAGICS = frozenset({0xFFFFFFF0, 0xFFFFFFF1})
HEADER = Struct("<IHBB8Q")  # magic, 0, instruction quantum, pointer size; then counts and offsets
PAIR = Struct("<II")  # of the function table: entry, where its _func stands
STACK_TABLE = 16  # of pcsp in _func
# RET, maybe behind NOPs: Go puts some where it would else stand across a border of 32 octets (Intel's JCC erratum).
RET = re.compile(rb"(?:\x66*\x90|\x66*\x0f\x1f(?:\x00|\x40.|\x44..|\x80.{4}|\x84.{5}))*\xc3", re.DOTALL)
LONGEST_END = 32  # octets of the two
MOST_TRIES = 1_024  # where a function's name may be named; a few by chance in real tables
MOST_STACKS = 16_384  # octets of a function's stack heights: some tens in crypto/tls


class GoTableError(ValueError):
    """The table is of a version that is not known, or broken."""


@dataclass(frozen=True, slots=True)
class GoFunction:
    """A function: where it begins, and where each of its RET instructions stands."""

    entry: int
    returns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The parts of `.gopclntab`."""

    octets: Octets
    quantum: int
    count: int
    shift: int  # from an entry to its offset in `.text`
    names: int
    names_end: int
    stacks: int
    functions: int


def go_functions(table: Octets, text: Octets, address: int, names: Sequence[str], begin: int) -> dict[str, GoFunction]:
    """Return those of `names` that the program has; `text` is its `.text`, loaded at `address`.

    `begin`: the address that functions are counted from; 0 = it is not told. Raises GoTableError, OSError.
    """
    parts = _table(table, address, begin)
    found: dict[str, GoFunction] = {}
    try:
        for name in names:
            at = _function(parts, name)
            if at is not None:
                found[name] = _found(parts, at, text)
    except (IndexError, ValueError, OverflowError, error) as reason:
        raise GoTableError("Go's function table is broken") from reason
    return found


def _found(table: _Table, at: int, text: Octets) -> GoFunction:
    entry = _number(table, at) + table.shift
    if not 0 <= entry < text.size:
        raise ValueError("a function stands outside of .text")
    return GoFunction(entry, tuple(_returns(table, at, entry, text)))


def _table(octets: Octets, address: int, begin: int) -> _Table:
    head = octets.read(0, HEADER.size)
    if len(head) < HEADER.size:
        raise GoTableError("Go's function table is cut short, or larger than any")
    magic, _, quantum, pointer, count, _, _, names, files, _, stacks, functions = HEADER.unpack(head)
    if magic not in MAGICS or pointer != 8:
        raise GoTableError(f"Go's function table has magic {magic:#x}: Go 1.18 or later on 64 bits is known")
    if not begin:  # a probe in the middle of an instruction would break the program
        raise GoTableError("where Go's part of the code begins is not told")
    return _Table(octets, quantum, count, begin - address, names, files, stacks, functions)


def _function(table: _Table, name: str) -> int | None:
    """Return where the _func of `name` stands, None if there is none."""
    places = table.octets.places((b"\0" + name.encode() + b"\0",), table.names, table.names_end)
    at, _ = next(places, (None, b""))
    if at is None:
        return None
    wanted = (at + 1 - table.names).to_bytes(4, "little")
    tries = islice(table.octets.places((wanted,), table.functions), MOST_TRIES)
    return next((place - 4 for place, _ in tries if _is_function(table, place - 4)), None)


def _is_function(table: _Table, at: int) -> bool:
    """Tell whether the function table points to `at`: it is sorted by entry."""
    entry = _number(table, at)
    low, high = 0, table.count
    while low < high:
        middle = (low + high) // 2
        if _pair(table, middle)[0] < entry:
            low = middle + 1
        else:
            high = middle
    return low < table.count and _pair(table, low) == (entry, at - table.functions)


def _pair(table: _Table, number: int) -> tuple[int, int]:
    entry, place = PAIR.unpack(table.octets.read(table.functions + PAIR.size * number, PAIR.size))
    return entry, place


def _number(table: _Table, at: int) -> int:
    return int.from_bytes(table.octets.read(at, 4), "little")


def _returns(table: _Table, at: int, entry: int, text: Octets) -> Iterator[int]:
    """Give each RET: it stands where the stack is again as high as at the function's begin."""
    stacks = table.octets.read(table.stacks + _number(table, at + STACK_TABLE), MOST_STACKS)
    is_first = True
    for height, begin, _ in _heights(stacks, table.quantum, entry):
        if height == 0 and not is_first and (end := RET.match(text.read(begin, LONGEST_END))):
            yield begin + end.end() - 1
        is_first = False


def _heights(stacks: bytes, quantum: int, position: int) -> Iterator[tuple[int, int, int]]:
    """Give (stack height, begin, end) for the stretches of a function: varints, the height's change zigzag-coded."""
    height, at = -1, 0
    is_first = True
    while True:
        change, at = _varint(stacks, at)
        if change == 0 and not is_first:
            return
        height += -(change >> 1) - 1 if change & 1 else change >> 1
        length, at = _varint(stacks, at)
        end = position + length * quantum
        yield height, position, end
        position = end
        is_first = False


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = octets[at]
        at += 1
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")
