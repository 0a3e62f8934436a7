"""collector/go_program.py: where Go's table and code stand in programs of earlier releases, made octet by octet."""

import io
import struct

import pytest

from collector import elf
from collector.elf import Elf
from collector.go_program import TEXT_AT, go_begin, go_table

HEAD = struct.pack("<IHBB", 0xFFFFFFF1, 0, 1, 8) + bytes(64)
ADDRESS, BEGIN = 0x7000, 0x1040
BEFORE = b"something else".ljust(32, b"\0")


def program(sections: dict[str, tuple[int, bytes]]) -> Elf:
    """Return a program of sections by name: address, octets."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    parts = {**sections, ".shstrtab": (0, names)}
    heads, body = b"", b""
    begin = 64 + elf.SECTION.size * len(parts)
    for name, (address, octets) in parts.items():
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        heads += elf.SECTION.pack(at, 1, 0, address, begin + len(body), len(octets), 0, 0, 1, 0)
        body += octets
    head = elf.HEADER.pack(3, elf.X86_64, 1, 0, 0, 64, 0, 64, 56, 0, 64, len(parts), len(parts) - 1)
    return Elf(io.BytesIO(elf.MAGIC + head[len(elf.MAGIC) :] + heads + body))


def relocation(address: int, value: int) -> bytes:
    return struct.pack("<QQQ", address, 8, value)


def telling(begin: int) -> bytes:
    """Return a table that says itself where Go's code begins."""
    return HEAD[:TEXT_AT] + struct.pack("<Q", begin) + HEAD[TEXT_AT + 8 :]


RELOCATIONS = relocation(0x10, 0x20) + relocation(ADDRESS + TEXT_AT, BEGIN)
MODULE = struct.pack("<24Q", ADDRESS, *[0] * 21, BEGIN, 0)
UNMOVED = bytes(len(MODULE))
MOVED = relocation(0x8000, ADDRESS) + relocation(0x8000 + 8 * 22, BEGIN)
PROGRAMS = {
    "at a fixed address": {".gopclntab": (ADDRESS, telling(BEGIN))},
    "movable, by Go's linker": {".data.rel.ro.gopclntab": (ADDRESS, telling(BEGIN))},
    "movable, told by a relocation": {".data.rel.ro.gopclntab": (ADDRESS, HEAD), ".rela": (0, RELOCATIONS)},
    "movable, by a C linker": {".data.rel.ro": (ADDRESS - 32, BEFORE + HEAD), ".rela.dyn": (0, RELOCATIONS)},
    "told by the module": {".gopclntab": (ADDRESS, HEAD), ".go.module": (0x8000, MODULE)},
    "told by the module's relocations": {
        ".gopclntab": (ADDRESS, HEAD),
        ".go.module": (0x8000, UNMOVED),
        ".rela.dyn": (0, MOVED),
    },
}


@pytest.mark.parametrize("sections", PROGRAMS.values(), ids=PROGRAMS)
def test_the_table_and_the_begin_of_the_code_are_found(sections: dict[str, tuple[int, bytes]]) -> None:
    made = program(sections)
    found = go_table(made)
    assert found is not None
    table, address = found
    assert address == ADDRESS
    assert table.read(0, 8) == HEAD[:8]
    assert go_begin(made, table, address) == BEGIN


UNTOLD = {
    "nowhere": {".gopclntab": (ADDRESS, HEAD)},
    "another's relocation": {".gopclntab": (ADDRESS, HEAD), ".rela": (0, relocation(ADDRESS, BEGIN))},
    "another table's module": {".gopclntab": (ADDRESS, HEAD), ".go.module": (0x8000, MODULE[8:] + bytes(8))},
    "a table cut short": {".gopclntab": (ADDRESS, HEAD[:16])},
}


@pytest.mark.parametrize("sections", UNTOLD.values(), ids=UNTOLD)
def test_a_begin_that_is_not_told_is_not_guessed(sections: dict[str, tuple[int, bytes]]) -> None:
    made = program(sections)
    found = go_table(made)
    assert found is not None
    assert go_begin(made, *found) == 0


@pytest.mark.parametrize("name", [".text", ".data.rel.ro"])
def test_other_programs_have_none(name: str) -> None:
    assert go_table(program({name: (ADDRESS, BEFORE)})) is None
