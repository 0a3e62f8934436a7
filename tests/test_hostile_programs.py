"""Programs made to mislead the attacher, which anybody on a node may start: they cost it little and end nothing."""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import elf, go_binary
from collector.elf import Elf, NotElfError, Octets
from collector.go_binary import GoTableError, go_functions
from collector.tls_library import GO, OPENSSL, SYMBOL, Function, Library, Place, UnfollowableError, tls_code

ROOT = Path(__file__).parent.parent
HUGE = elf.MOST_BYTES
MOST_GROWTH_MB = 32
NAMED = (b".gopclntab", b".text", b".dynsym", b".dynstr")
NAMES = b"\0" + b"".join(name + b"\0" for name in NAMED)
PUSHES_POPS_RETURNS = bytes([2, 1, 16, 1, 15, 1, 0])  # the stack is 0, 8 and again 0 high, each for an octet
CODE = b"\x55\x5d\xc3\xcc"


@dataclass(frozen=True)
class Part:
    """A section: its name's place, what it is, its octets, and how many it says that it has."""

    name: int
    kind: int
    octets: bytes
    link: int = 0
    size: int | None = None


def program(*parts: Part, names: bytes = NAMES) -> bytes:
    """Return an ELF file of these sections, all loaded where they stand in the file; the last one has the names."""
    parts = (*parts, Part(0, 3, names))
    offset = 64 + elf.SEGMENT.size + elf.SECTION.size * len(parts)
    heads, body = elf.SEGMENT.pack(elf.LOADED, 5, 0, 0, 0, HUGE, HUGE, 1), b""
    for part in parts:
        size = len(part.octets) if part.size is None else part.size
        at = offset + len(body)
        heads += elf.SECTION.pack(part.name, part.kind, 0, at, at, size, part.link, 0, 1, 0)
        body += part.octets
    head = elf.HEADER.pack(2, elf.X86_64, 1, 0, 64, 64 + elf.SEGMENT.size, 0, 64, 56, 1, 64, len(parts), len(parts) - 1)
    return elf.MAGIC + head[len(elf.MAGIC) :] + heads + body


def named(name: bytes) -> int:
    return NAMES.index(b"\0" + name + b"\0") + 1


def first_of(sections: int) -> int:
    """Return where the first section of a `program` of so many and its names is loaded."""
    return 64 + elf.SEGMENT.size + elf.SECTION.size * (sections + 1)


def go_table(begin: int, count: int = 2) -> bytes:
    """Return a `.gopclntab` of tls.Conn's Read and Write, one behind the other; Go's code is loaded at `begin`."""
    methods = [name.encode() for name in list(GO)[:2]]
    names = b"\0" + b"".join(name + b"\0" for name in methods)
    stacks = go_binary.HEADER.size + len(names)
    functions = stacks + len(PUSHES_POPS_RETURNS)
    pairs = [(number * len(CODE), 24 + 20 * number) for number in range(3)]
    head = (0xFFFFFFF1, 0, 1, 8, count, 0, begin, go_binary.HEADER.size, stacks, 0, stacks, functions)
    table = (
        go_binary.HEADER.pack(*head) + names + PUSHES_POPS_RETURNS + b"".join(struct.pack("<II", *one) for one in pairs)
    )
    for number, name in enumerate(methods):
        table += struct.pack("<IIIII", number * len(CODE), names.index(name), 0, 0, 0)
    return table


def both() -> bytes:
    """Return a program with Go's TLS and with OpenSSL's."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in OPENSSL)
    symbols = b"".join(
        SYMBOL.pack(strings.index(b"\0" + name.encode() + b"\0") + 1, 2, 0, 1, 0x1000 + number, 1)
        for number, name in enumerate(OPENSSL)
    )
    return program(
        Part(named(b".text"), 1, CODE * 2),
        Part(named(b".gopclntab"), 1, go_table(first_of(4))),
        Part(named(b".dynsym"), 11, symbols, link=3),
        Part(named(b".dynstr"), 3, strings),
    )


WHOLE = both()


def test_the_program_that_the_others_are_made_of_is_followed() -> None:
    go, openssl = tls_code(io.BytesIO(WHOLE))
    text = WHOLE.index(CODE * 2)
    assert (go.library, openssl.library) == (Library.GO, Library.OPENSSL)
    assert go.entries == (Place(text, Function.RECEIVES), Place(text + 4, Function.SENDS))
    assert go.returns == (Place(text + 2, Function.RECEIVES), Place(text + 6, Function.SENDS))
    assert set(openssl.entries) == {Place(0x1000 + at, does) for at, does in enumerate(OPENSSL.values())}


def looked_at(octets: bytes) -> None:
    """Look for TLS; what is raised is what the attacher knows."""
    with suppress(NotElfError):
        Elf(io.BytesIO(octets))
    with suppress(UnfollowableError):
        tls_code(io.BytesIO(octets))


def changed() -> Iterator[bytes]:
    for at, octet in enumerate(WHOLE):
        for other in {0, 1, 0x7F, 0x80, 0xFF, octet ^ 1} - {octet}:
            yield WHOLE[:at] + bytes([other]) + WHOLE[at + 1 :]


def test_any_octet_may_be_another() -> None:
    for octets in changed():
        looked_at(octets)


def test_it_may_be_cut_anywhere() -> None:
    for end in range(len(WHOLE)):
        looked_at(WHOLE[:end])


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 8), st.binary(min_size=1, max_size=8)), max_size=6))
def test_any_words_may_be_others(changes: list[tuple[int, bytes]]) -> None:
    octets = bytearray(WHOLE)
    for at, other in changes:
        octets[at : at + len(other)] = other
    looked_at(bytes(octets))


def test_a_name_without_an_end_is_none() -> None:
    """It ended the attacher, and each one that began after it."""
    found = Elf(io.BytesIO(program(Part(1, 1, b""), names=b"\0.text"))).sections
    assert [section.name for section in found] == ["", ""]


@pytest.mark.parametrize("count", [10**6, 2**40, 2**64 - 1])
def test_a_number_of_functions_that_are_not_there_is_a_broken_table(count: int) -> None:
    table, text = go_table(1, count), CODE * 2
    with pytest.raises(GoTableError):
        go_functions(Octets(io.BytesIO(table), 0, len(table)), Octets(io.BytesIO(text), 0, len(text)), 1, list(GO), 1)


def one_long_name() -> bytes:
    return program(*[Part(0, 1, b"")] * 4_000, names=b"A" * 100_000 + b"\0")


def a_huge_table() -> bytes:
    table = Part(named(b".gopclntab"), 1, go_table(first_of(2)), size=HUGE)
    return program(Part(named(b".text"), 1, CODE, size=HUGE), table)


def huge_symbols() -> bytes:
    """Every section is a table of symbols, all of them the same octets."""
    strings = Part(0, 3, both(), size=HUGE)
    return program(strings, *[Part(0, 2, b"", size=HUGE)] * 1_000)


@pytest.mark.parametrize("made", [one_long_name, a_huge_table, huge_symbols])
def test_a_small_file_takes_little_memory(tmp_path: Path, made: Callable[[], bytes]) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(made())
    os.truncate(path, 3 * HUGE)
    assert path.stat().st_blocks * 512 < 1 << 20
    command = [sys.executable, "-c", GROWTH, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < MOST_GROWTH_MB


GROWTH = """
import resource, sys
from contextlib import suppress
from collector.tls_library import UnfollowableError, tls_code

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = most()
with open(sys.argv[1], "rb") as file, suppress(UnfollowableError):
    tls_code(file)
print((most() - before) // 1024)
"""
