"""The parts of an ELF file of x86-64 (gABI 4 and 5): its sections, their octets, and what is loaded where.

Anybody's program is read, so nothing in it is believed: what lies beyond the file's end is no part, tables and names
are read as far as real ones go, and of a section no more than a piece is in memory at a time.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from struct import Struct, error
from typing import BinaryIO

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little endian
X86_64 = 62
HEADER = Struct("<16xHHIQQQIHHHHHH")  # type, machine, version, entry, program and section headers' place, flags, sizes
SECTION = Struct("<IIQQQQIIQQ")  # name, type, flags, address, offset, size, link, info, alignment, size of an entry
SEGMENT = Struct("<IIQQQQQQ")  # type, flags, offset, address, physical address, size in the file, in memory, alignment
LOADED = 1  # PT_LOAD
RELOCATED = 0x6474E552  # PT_GNU_RELRO
NO_OCTETS = 8  # SHT_NOBITS: only its size stands in the file
SYMBOL_TABLES = frozenset({2, 11})  # SHT_SYMTAB, SHT_DYNSYM
MOST_BYTES = 1 << 28  # of one section: programs of 130 MB have tables of 40 MB
MOST_SECTIONS, MOST_SEGMENTS = 4_096, 256
MOST_NAMES, LONGEST_NAME = 1 << 20, 64  # octets of the sections' names; those that are asked for have ten
PIECE = 1 << 20


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


@dataclass(frozen=True, slots=True)
class Octets:
    """Those of a section, read piece by piece."""

    file: BinaryIO
    begin: int
    size: int

    def read(self, at: int, length: int) -> bytes:
        """Return `length` octets from `at`, fewer at the section's end, none outside of it. Raises OSError."""
        if not 0 <= at < self.size:
            return b""
        self.file.seek(self.begin + at)
        return self.file.read(min(length, self.size - at))

    def places(self, parts: Collection[bytes], begin: int = 0, end: int = MOST_BYTES) -> Iterator[tuple[int, bytes]]:
        """Give where each of `parts` stands between `begin` and `end`, and which one it is. Raises OSError."""
        overlap = max(map(len, parts)) - 1
        for at in range(max(begin, 0), min(end, self.size), PIECE):
            piece = self.read(at, min(PIECE + overlap, end - at))
            for part in parts:
                found = piece.find(part)
                while 0 <= found < PIECE:  # what begins later stands in the next piece too
                    yield at + found, part
                    found = piece.find(part, found + 1)


class Elf:
    """An open file's parts."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the tables. `relocated`: what is written by the dynamic linker alone. Raises NotElfError, OSError."""
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
            segments = list(self._segments(segments_at, size, min(count, MOST_SEGMENTS)))
            self.segments = tuple(segment for kind, segment in segments if kind == LOADED)
            self.relocated = next((segment for kind, segment in segments if kind == RELOCATED), None)
            self.sections = self._sections(sections_at, section_size, min(sections, MOST_SECTIONS), names)
        except (error, IndexError) as reason:
            raise NotElfError from reason

    def octets(self, section: Section) -> Octets:
        """Return what stands in a section: nothing in one that has none, or more than any real one."""
        if section.kind == NO_OCTETS or section.size > MOST_BYTES or section.offset >= self._end:
            return Octets(self._file, 0, 0)
        return Octets(self._file, section.offset, min(section.size, self._end - section.offset))

    def offset(self, address: int) -> int | None:
        """Return where in the file stands what is loaded to `address`."""
        segments = (one for one in self.segments if one.address <= address < one.address + one.size)
        return next((address - one.address + one.offset for one in segments), None)

    def loaded(self, address: int, length: int) -> bytes:
        """Return `length` octets of what is loaded to `address`, fewer at the file's end. Raises OSError."""
        offset = self.offset(address)
        return b"" if offset is None else self._read(offset, length)

    def named(self, name: str) -> Section | None:
        """Return the first section of that name."""
        return next((one for one in self.sections if one.name == name), None)

    def _segments(self, at: int, size: int, count: int) -> Iterator[tuple[int, Segment]]:
        for number in range(count):
            kind, _, offset, address, _, octets, _, _ = SEGMENT.unpack(self._read(at + number * size, SEGMENT.size))
            yield kind, Segment(address, octets, offset)

    def _sections(self, at: int, size: int, count: int, names: int) -> tuple[Section, ...]:
        if not count:
            return ()
        heads = [SECTION.unpack(self._read(at + number * size, SECTION.size)) for number in range(count)]
        texts = self._read(heads[names][4], min(heads[names][5], MOST_NAMES))
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
    """Return the name that stands at `at`, "" for one without an end or of more octets than any that is asked for."""
    end = texts.find(0, at, at + LONGEST_NAME)
    return texts[at:end].decode("ascii", "replace") if end >= 0 else ""
