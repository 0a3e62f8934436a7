"""Where Go's function table and Go's part of the code stand in a program, whoever linked it, at a fixed address or not.

Go's own linker gives the table a section; where a C linker makes a position-independent program (Go before 1.26), it
lies among other data. What depends on where a program is loaded may stand in its relocations alone (gABI, chapter 4).
"""

from collections.abc import Iterator
from struct import pack

from collector.elf import Elf, Octets, Section
from collector.go_binary import HEADER, MAGICS

TABLES = (".gopclntab", ".data.rel.ro.gopclntab")
AMONG_OTHERS = ".data.rel.ro"
HEADS = tuple(pack("<IHBB", magic, 0, 1, 8) for magic in MAGICS)  # x86-64: instructions of any length, 64 bits
ALIGNED = 8
TEXT_AT = 24  # in the table's head: the address of Go's first function; 0 since Go 1.26
MODULE_BYTES = 8 * 24
MODULE_TEXT_AT = 8 * 22  # the same in Go 1.26's section for its module, which begins with the table's address
RELOCATIONS = (".rela.dyn", ".rela")
RELATIVE = 8  # R_X86_64_RELATIVE: what is loaded to `offset` is the program's place and the addend


def go_table(elf: Elf) -> tuple[Octets, int] | None:
    """Return the function table of a program and its address, None of one that is not Go's. Raises OSError."""
    for name in TABLES:
        section = elf.named(name)
        if section is not None:
            return elf.octets(section), section.address
    section = elf.named(AMONG_OTHERS)
    return next(_among(elf.octets(section), section), None) if section is not None else None


def go_begin(elf: Elf, table: Octets, address: int) -> int:
    """Return the address that the table's functions are counted from; 0 where it is not told. Raises OSError.

    It is not always the begin of `.text`: a C linker puts code of its own before it.
    """
    module = elf.named(".go.module")
    if module is not None:
        words = elf.octets(module).read(0, MODULE_BYTES)
        if len(words) == MODULE_BYTES and _word(elf, words, module.address, 0) == address:
            return _word(elf, words, module.address, MODULE_TEXT_AT)
    return _word(elf, table.read(0, HEADER.size), address, TEXT_AT)


def _among(octets: Octets, section: Section) -> Iterator[tuple[Octets, int]]:
    for at, _ in octets.places(HEADS):
        if (section.address + at) % ALIGNED == 0:
            yield Octets(octets.file, octets.begin + at, octets.size - at), section.address + at


def _word(elf: Elf, octets: bytes, address: int, at: int) -> int:
    """Return the word at `at` of what is loaded to `address`, as it is before the program is moved; 0 = not told."""
    return int.from_bytes(octets[at : at + 8], "little") or _relocated(elf, address + at)


def _relocated(elf: Elf, address: int) -> int:
    wanted = pack("<QQ", address, RELATIVE)
    for name in RELOCATIONS:
        section = elf.named(name)
        if section is not None:
            octets = elf.octets(section)
            for at, _ in octets.places((wanted,)):
                return int.from_bytes(octets.read(at + len(wanted), 8), "little")
    return 0
