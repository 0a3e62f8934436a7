"""Where functions of a Go program begin and return, from its own table `.gopclntab`, which stripping leaves in.

Layout: Go's runtime/symtab.go (moduledata, funcTab, _func) and internal/abi; magic 0xFFFFFFF0 is Go 1.18's,
0xFFFFFFF1 that of 1.20 and later. Positions here are offsets in `.text`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

MAGICS = frozenset({0xFFFFFFF0, 0xFFFFFFF1})
HEADER = Struct("<IHBB8Q")  # magic, 0, instruction quantum, pointer size; then counts and offsets
PAIR = Struct("<II")  # of the function table: entry, where its _func stands
MODULE = Struct("<24Q")  # the beginning of moduledata; since Go 1.26 a section begins with it
MODULE_TEXT = 22  # of its words: where Go's own part of `.text` begins
STACK_TABLE = 16  # of pcsp in _func
RET = 0xC3


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

    blob: bytes
    quantum: int
    count: int
    shift: int  # from an entry to its offset in `.text`
    names: int
    names_end: int
    stacks: int
    functions: int


def go_functions(blob: bytes, text: bytes, address: int, names: Sequence[str], begin: int = 0) -> dict[str, GoFunction]:
    """Return those of `names` that the program has; `text` is its `.text`, loaded at `address`. Raises GoTableError.

    `begin`: the address that functions are counted from, where the table does not say it; 0 = that of `.text`.
    """
    table = _table(blob, address, begin)
    found: dict[str, GoFunction] = {}
    try:
        for name in names:
            at = _function(table, name)
            if at is not None:
                entry = PAIR.unpack_from(blob, at)[0] + table.shift
                returns = tuple(_returns(table, at, entry, text))
                found[name] = GoFunction(entry, returns)
    except (IndexError, ValueError) as error:
        raise GoTableError("Go's function table is broken") from error
    return found


def go_begin(module: bytes, table: int) -> int:
    """Return where Go's part of `.text` begins: behind what a C compiler put there, in a program with cgo.

    `module`: the section `.go.module`, `table`: the address of `.gopclntab`. 0 where it is not told.
    """
    words = MODULE.unpack_from(module) if len(module) >= MODULE.size else (0,) * (MODULE_TEXT + 1)
    return words[MODULE_TEXT] if words[0] == table else 0


def _table(blob: bytes, address: int, begin: int) -> _Table:
    if len(blob) < HEADER.size:
        raise GoTableError("Go's function table is cut short")
    magic, _, quantum, pointer, count, _, text, names, files, _, stacks, functions = HEADER.unpack_from(blob)
    if magic not in MAGICS or pointer != 8:
        raise GoTableError(f"Go's function table has magic {magic:#x}: Go 1.18 or later on 64 bits is known")
    begin = text or begin  # Go 1.26 no longer says it here
    return _Table(blob, quantum, count, begin - address if begin else 0, names, files, stacks, functions)


def _function(table: _Table, name: str) -> int | None:
    """Return where the _func of `name` stands, None if there is none."""
    at = table.blob.find(b"\0" + name.encode() + b"\0", table.names, table.names_end)
    if at < 0:
        return None
    wanted = (at + 1 - table.names).to_bytes(4, "little")
    place = table.blob.find(wanted, table.functions)
    while place >= 0:
        if _is_function(table, place - 4):
            return place - 4
        place = table.blob.find(wanted, place + 1)
    return None


def _is_function(table: _Table, at: int) -> bool:
    """Tell whether the function table points to `at`: it is sorted by entry."""
    entry = int.from_bytes(table.blob[at : at + 4], "little")
    low, high = 0, table.count
    while low < high:
        middle = (low + high) // 2
        if _pair(table, middle)[0] < entry:
            low = middle + 1
        else:
            high = middle
    return low < table.count and _pair(table, low) == (entry, at - table.functions)


def _pair(table: _Table, number: int) -> tuple[int, int]:
    entry, place = PAIR.unpack_from(table.blob, table.functions + PAIR.size * number)
    return entry, place


def _returns(table: _Table, at: int, entry: int, text: bytes) -> Iterator[int]:
    """Give each RET: it stands where the stack is again as high as at the function's begin."""
    start = int.from_bytes(table.blob[at + STACK_TABLE : at + STACK_TABLE + 4], "little")
    is_first = True
    for height, begin, _ in _heights(table, table.stacks + start, entry):
        if height == 0 and not is_first and text[begin] == RET:
            yield begin
        is_first = False


def _heights(table: _Table, at: int, position: int) -> Iterator[tuple[int, int, int]]:
    """Give (stack height, begin, end) for the stretches of a function: varints, the height's change zigzag-coded."""
    height = -1
    is_first = True
    while True:
        change, at = _varint(table.blob, at)
        if change == 0 and not is_first:
            return
        height += -(change >> 1) - 1 if change & 1 else change >> 1
        length, at = _varint(table.blob, at)
        end = position + length * table.quantum
        yield height, position, end
        position = end
        is_first = False


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = blob[at]
        at += 1
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")
