"""What an ELF file offers for following TLS: which library it holds, and where the functions to probe begin.

Libraries are told by their functions, not by their file's name: a program linked with OpenSSL or BoringSSL statically
is found too, as long as its symbols were left in it.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from collector.elf import SYMBOL_TABLES, Elf, NotElfError, Section
from collector.go_binary import GoFunction, GoTableError, go_begin, go_functions

SYMBOL = Struct("<IBBHQQ")  # Elf64_Sym (gABI 4): name, info, other, section, value, size
FUNCTION_TYPES = frozenset({2, 10})  # STT_FUNC, STT_GNU_IFUNC


class Function(enum.IntEnum):
    """What a function does, as bpf/tls.c understands it."""

    SENDS = 0
    RECEIVES = 1
    SENDS_POINTING = 2  # the number of bytes is put where the fourth argument points to
    RECEIVES_POINTING = 3
    SHAKES = 4  # handshake; success is 1
    SHAKES_ZERO = 5  # handshake; success is 0
    FREES = 6


class Library(enum.Enum):
    """Who makes TLS of a program's bytes."""

    OPENSSL = "OpenSSL"
    GNUTLS = "GnuTLS"
    GO = "Go crypto/tls"


# OpenSSL 1.1 and 3 (ssl(7)); BoringSSL lacks the _ex functions.
OPENSSL = {
    "SSL_read": Function.RECEIVES,
    "SSL_write": Function.SENDS,
    "SSL_read_ex": Function.RECEIVES_POINTING,
    "SSL_write_ex": Function.SENDS_POINTING,
    "SSL_do_handshake": Function.SHAKES,
    "SSL_free": Function.FREES,
}
# GnuTLS 3; gnutls_handshake(3) returns 0 for success.
GNUTLS = {
    "gnutls_record_recv": Function.RECEIVES,
    "gnutls_record_send": Function.SENDS,
    "gnutls_handshake": Function.SHAKES_ZERO,
    "gnutls_deinit": Function.FREES,
}
# Go 1.18 and later; a handshake's method runs once a connection, Read and Write go through HandshakeContext each time.
GO = {
    "crypto/tls.(*Conn).Read": Function.RECEIVES,
    "crypto/tls.(*Conn).Write": Function.SENDS,
    "crypto/tls.(*Conn).clientHandshake": Function.SHAKES,
    "crypto/tls.(*Conn).serverHandshake": Function.SHAKES,
}
TABLES = ((Library.OPENSSL, OPENSSL), (Library.GNUTLS, GNUTLS))
NEEDED = {
    Library.OPENSSL: {"SSL_read", "SSL_write"},
    Library.GNUTLS: {"gnutls_record_recv", "gnutls_record_send"},
    Library.GO: {"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """A file offset to probe, and what the function there does."""

    offset: int
    function: Function


@dataclass(frozen=True, slots=True)
class TlsCode:
    """A library found in a file: where its functions begin, and, of Go's, where they return."""

    library: Library
    entries: tuple[Place, ...]
    returns: tuple[Place, ...] = ()


class UnfollowableError(ValueError):
    """The file has TLS in it that cannot be followed; the text says why."""


def tls_code(file: BinaryIO) -> tuple[TlsCode, ...]:
    """Return the libraries in `file`; none if it is no x86-64 ELF file or has none. Raises UnfollowableError."""
    try:
        elf = Elf(file)
        return (*_go_code(elf), *_c_code(elf))
    except (NotElfError, OSError):
        return ()


def _c_code(elf: Elf) -> Iterator[TlsCode]:
    found: dict[str, int] = {}
    for section in elf.sections:
        if section.kind in SYMBOL_TABLES and section.link < len(elf.sections):
            names = elf.data(elf.sections[section.link])
            found |= {**_defined(elf, section, names, {*OPENSSL, *GNUTLS}), **found}
    for library, table in TABLES:
        if NEEDED[library] <= found.keys():
            places = (
                Place(value - one.address + one.offset, table[name])
                for name, value in found.items()
                if name in table
                for one in elf.segments
                if one.address <= value < one.address + one.size
            )
            yield TlsCode(library, tuple(places))


def _defined(elf: Elf, section: Section, names: bytes, wanted: set[str]) -> dict[str, int]:
    """Return the addresses of the wanted functions that a symbol table defines."""
    found: dict[str, int] = {}
    symbols = b""
    for name in wanted:
        for place in _all(names, name.encode() + b"\0"):  # also as another name's tail, which linkers share
            symbols = symbols or elf.data(section)
            value = _function_named(symbols, place)
            if value:
                found[name] = value
    return found


def _function_named(symbols: bytes, name: int) -> int:
    """Return the address of the function whose name stands at `name` of the string table, 0 if none is defined."""
    for at in _all(symbols, name.to_bytes(4, "little")):
        if at % SYMBOL.size == 0 and at + SYMBOL.size <= len(symbols):
            _, info, _, section, value, _ = SYMBOL.unpack_from(symbols, at)
            if info & 15 in FUNCTION_TYPES and section:
                return int(value)
    return 0


def _all(text: bytes, part: bytes) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _go_code(elf: Elf) -> tuple[TlsCode, ...]:
    table, text = elf.named(".gopclntab"), elf.named(".text")
    if table is None or text is None:
        return ()
    module = elf.named(".go.module")
    begin = go_begin(elf.data(module), table.address) if module is not None else 0
    try:
        found = go_functions(elf.data(table), elf.data(text), text.address, tuple(GO), begin)
    except GoTableError as error:
        raise UnfollowableError(str(error)) from error
    if not NEEDED[Library.GO] <= found.keys():
        return ()
    if not all(found[name].returns for name in NEEDED[Library.GO]):
        raise UnfollowableError("no RET found in crypto/tls")
    return (_go_places(found, text.offset),)


def _go_places(found: dict[str, GoFunction], start: int) -> TlsCode:
    entries = tuple(Place(start + one.entry, GO[name]) for name, one in found.items())
    returns = tuple(
        Place(start + offset, GO[name])
        for name, one in found.items()
        if GO[name] is not Function.SHAKES
        for offset in one.returns
    )
    return TlsCode(Library.GO, entries, returns)
