"""The parts of an ELF file of x86-64 (gABI 4 and 5): its sections, their octets, and what is loaded where.

Anybody's program is read, so nothing in it is believed: what lies beyond the file's end or is too large is no part.
"""

import os
from dataclasses import dataclass
from struct import Struct, error
from typing import BinaryIO

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
X86_64 = 62
HEADER = Struct("<16xHHIQQQIHHHHHH")  # type, machine, version, entry, program and section headers' place, flags, sizes
SECTION = Struct("<IIQQQQIIQQ")  # name, type, flags, address, offset, size, link, info, alignment, size of an entry
SEGMENT = Struct("<IIQQQQQQ")  # type, flags, offset, address, physical address, size in the file, in memory, alignment
LOADED = 1  # PT_LOAD
NO_OCTETS = 8  # SHT_NOBITS: only its size stands in the file
SYMBOL_TABLES = frozenset({2, 11})  # SHT_SYMTAB, SHT_DYNSYM
MOST_BYTES = 1 << 28  # of one section


class NotElfError(ValueError):
    """The file is no whole ELF file of x86-64."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the file with a purpose; `link` is the number of a section that belongs to it."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the file that is loaded to an address."""

    address: int
    size: int
    offset: int


class Elf:
    """An open file's parts."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the tables. Raises NotElfError, OSError."""
        self._file = file
        self._end = file.seek(0, os.SEEK_END)
        head = self._read(0, HEADER.size)
        if len(head) < HEADER.size or not head.startswith(MAGIC):
            raise NotElfError
        _, machine, _, _, segments_at, sections_at, _, _, size, count, section_size, sections, names = HEADER.unpack(
            head
        )
        if machine != X86_64:
            raise NotElfError
        try:
            self.segments = tuple(self._segments(segments_at, size, count))
            self.sections = self._sections(sections_at, section_size, sections, names)
        except (error, IndexError, UnicodeDecodeError) as reason:
            raise NotElfError from reason

    def data(self, section: Section) -> bytes:
        """Return the octets of a section, none of one that has none or too many. Raises OSError."""
        if section.kind == NO_OCTETS or section.size > MOST_BYTES:
            return b""
        return self._read(section.offset, section.size)

    def named(self, name: str) -> Section | None:
        """Return the first section of that name."""
        return next((one for one in self.sections if one.name == name), None)

    def _segments(self, at: int, size: int, count: int) -> list[Segment]:
        found = []
        for number in range(count):
            kind, _, offset, address, _, octets, _, _ = SEGMENT.unpack(self._read(at + number * size, SEGMENT.size))
            if kind == LOADED:
                found.append(Segment(address, octets, offset))
        return found

    def _sections(self, at: int, size: int, count: int, names: int) -> tuple[Section, ...]:
        if not count:
            return ()
        heads = [SECTION.unpack(self._read(at + number * size, SECTION.size)) for number in range(count)]
        texts = self._read(heads[names][4], min(heads[names][5], MOST_BYTES))
        return tuple(
            Section(_text(texts, name), kind, address, offset, octets, link)
            for name, kind, _, address, offset, octets, link, *_ in heads
        )

    def _read(self, at: int, length: int) -> bytes:
        """Return `length` octets from `at`, fewer at the file's end."""
        if at >= self._end:
            return b""
        self._file.seek(at)
        return self._file.read(min(length, self._end - at))


def _text(texts: bytes, at: int) -> str:
    return texts[at : texts.index(0, at)].decode() if at < len(texts) else ""
