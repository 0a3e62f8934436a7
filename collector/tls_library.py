"""What an ELF file offers for following TLS: which library it holds, and where the functions to probe begin.

Libraries are told by their functions, not by their file's name: a program linked with OpenSSL or BoringSSL statically
is found too, as long as its symbols were left in it.
"""

import enum
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from struct import Struct, error
from typing import BinaryIO

from collector.elf import SYMBOL_TABLES, Elf, Octets, Section
from collector.go_binary import GoFunction, GoTableError, go_functions
from collector.go_deferred import NAMES, OLD_NAMES, Deferral, deferral
from collector.go_program import go_begin, go_table
from collector.probe_place import LONGEST, Form, cheap_place, go_place, inner_function, typed_functions
from collector.x86_registers import ARGUMENTS, R8, RCX

SYMBOL = Struct("<IBBHQQ")  # Elf64_Sym (gABI 4): name, info, other, section, value, size
FUNCTION_TYPES = frozenset({2, 10})  # STT_FUNC, STT_GNU_IFUNC
SYMBOLS_AT_ONCE, MOST_SYMBOLS = 1 << 15, 1 << 21  # large programs in C++ have a million
MOST_TABLES = 2  # of symbols: a program has one of each kind
MOST_PLACES = 256  # where the wanted names stand in a table of strings: each once, and as the tails of others


class Function(enum.IntEnum):
    """What a function does, as bpf/tls.c, bpf/go_tls.c and bpf/http2.c understand it."""

    SENDS = 0
    RECEIVES = 1
    SENDS_POINTING = 2  # the number of bytes is put where the fourth argument points to; of HTTP/2 the bytes
    RECEIVES_POINTING = 3
    SHAKES = 4  # handshake; success is 1
    SHAKES_ZERO = 5  # handshake; success is 0
    FREES = 6
    BEGINS = 7  # of HTTP/2: puts a new session where the first argument points to


POINTING = frozenset({Function.SENDS_POINTING, Function.RECEIVES_POINTING})


class Library(enum.Enum):
    """Who makes TLS of a program's bytes, or HTTP/2 of what it says."""

    OPENSSL = "OpenSSL, BoringSSL"
    GNUTLS = "GnuTLS"
    GO = "Go crypto/tls"
    NGHTTP2 = "libnghttp2"  # collector.http2_library


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


# Of these the second puts the number of bytes where it is told to; both leave the work to one and the same function.
WRAPPERS = (("SSL_read", "SSL_read_ex"), ("SSL_write", "SSL_write_ex"))
TYPED = "gnutls_record_recv"


@dataclass(frozen=True, slots=True)
class Place:
    """A file offset to probe, what the function there does, and where it has its arguments.

    deferral: the place is in what a function of Go defers, which stands for its return.
    """

    offset: int
    function: Function
    form: Form = Form.OWN
    deferral: Deferral | None = None


@dataclass(frozen=True, slots=True)
class TlsCode:
    """A library found in a file: where its functions begin, and where they end if that is not known by returning."""

    library: Library
    entries: tuple[Place, ...]
    returns: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function by a table of symbols: where it is loaded to, and its octets."""

    address: int
    size: int


class UnfollowableError(ValueError):
    """The file has TLS in it that cannot be followed; the text says why."""


def tls_code(file: BinaryIO) -> tuple[TlsCode, ...]:
    """Return the libraries in `file`; none if it is no x86-64 ELF file or has none. Raises UnfollowableError."""
    try:
        elf = Elf(file)
        return (*_go_code(elf), *_c_code(elf))
    except UnfollowableError:
        raise
    except (OSError, ValueError, OverflowError, LookupError, error):  # whatever a broken file leads to
        return ()


def _c_code(elf: Elf) -> Iterator[TlsCode]:
    found = defined(elf, (*OPENSSL, *GNUTLS))
    for library, table in TABLES:
        if NEEDED[library] <= found.keys():
            addresses = {name: symbol.address for name, symbol in found.items() if name in table}
            places = [*_inner_places(elf, addresses, table), *_typed_places(elf, addresses, table)]
            places += _own_places(elf, addresses, table)
            yield TlsCode(library, tuple(places))


def _inner_places(elf: Elf, addresses: dict[str, int], table: dict[str, Function]) -> Iterator[Place]:
    """Give the functions behind wrappers that would cost more to probe; the wrappers are taken from `addresses`."""
    read = partial(elf.loaded, length=LONGEST)
    for pair in WRAPPERS:
        if not addresses.keys() >= set(pair):
            continue
        plain, pointing = (inner_function(read, addresses[name], name == pair[1]) for name in pair)
        if plain is None or plain != pointing:
            continue
        address, form = plain
        at, offset = cheap_place(read(address), ARGUMENTS | {RCX, R8}), elf.offset(address)
        if at is not None and offset is not None:
            yield Place(offset + at, table[pair[1]], form)
            for name in pair:
                del addresses[name]


def _typed_places(elf: Elf, addresses: dict[str, int], table: dict[str, Function]) -> Iterator[Place]:
    """Give the functions behind GnuTLS's receiving one, which then is taken from `addresses`."""
    if TYPED not in addresses:
        return
    read = partial(elf.loaded, length=LONGEST)
    found = [(elf.offset(one), cheap_place(read(one), ARGUMENTS)) for one in typed_functions(read, addresses[TYPED])]
    places = [
        Place(start + at, table[TYPED], Form.TYPED) for start, at in found if start is not None and at is not None
    ]
    if places and len(places) == len(found):
        yield from places
        del addresses[TYPED]


def _own_places(elf: Elf, addresses: dict[str, int], table: dict[str, Function]) -> Iterator[Place]:
    """Give where functions are probed that nothing stands for: at their begin, or behind it where that costs less."""
    for name, address in addresses.items():
        offset, function = elf.offset(address), table[name]
        kept = ARGUMENTS | {RCX} if function in POINTING else ARGUMENTS
        if offset is not None:
            yield Place(offset + (cheap_place(elf.loaded(address, LONGEST), kept) or 0), function)


def defined(elf: Elf, functions: Collection[str]) -> dict[str, Symbol]:
    """Return those of the named functions that the file defines. Raises OSError."""
    found: dict[str, Symbol] = {}
    tables = (one for one in elf.sections if one.kind in SYMBOL_TABLES and one.link < len(elf.sections))
    for section in islice(tables, MOST_TABLES):
        names = elf.octets(elf.sections[section.link])
        found |= {**_defined(elf.octets(section), names, functions), **found}
    return found


def _defined(symbols: Octets, names: Octets, functions: Collection[str]) -> dict[str, Symbol]:
    """Return the named functions that a symbol table defines."""
    wanted = {name.encode() + b"\0": name for name in functions}
    # Also as another name's tail, which linkers share.
    named = {at: wanted[part] for at, part in islice(names.places(tuple(wanted)), MOST_PLACES)}
    found: dict[str, Symbol] = {}
    end = min(symbols.size, MOST_SYMBOLS * SYMBOL.size) if named else 0
    for at in range(0, end, SYMBOLS_AT_ONCE * SYMBOL.size):
        piece = symbols.read(at, SYMBOLS_AT_ONCE * SYMBOL.size)
        for name, info, _, section, value, size in SYMBOL.iter_unpack(piece[: len(piece) // SYMBOL.size * SYMBOL.size]):
            if name in named and info & 15 in FUNCTION_TYPES and section and value:
                found.setdefault(named[name], Symbol(value, size))
    return found


def _go_code(elf: Elf) -> tuple[TlsCode, ...]:
    found_table, section = go_table(elf), elf.named(".text")
    if found_table is None or section is None:
        return ()
    table, address = found_table
    text = elf.octets(section)
    look = partial(go_functions, table, text, section.address, begin=go_begin(elf, table, address))
    try:
        found = look(names=tuple(GO))
    except GoTableError as reason:
        raise UnfollowableError(str(reason)) from reason
    if not NEEDED[Library.GO] <= found.keys():
        return ()
    if not all(found[name].returns for name in NEEDED[Library.GO]):
        raise UnfollowableError("no RET found in crypto/tls")
    entries = tuple(
        Place(section.offset + one.entry + (go_place(text.read(one.entry, LONGEST)) or 0), GO[name])
        for name, one in found.items()
    )
    returns = _go_returns(found, _deferred(look), text, section)
    return (TlsCode(Library.GO, entries, tuple(returns)),)


def _deferred(look: Callable[..., dict[str, GoFunction]]) -> dict[str, GoFunction]:
    """Return what Read and Write defer, by their names; `look` finds functions by theirs.

    Where the table is broken there nothing is found, and their RETs are probed.
    """
    for names in (NAMES, OLD_NAMES):
        try:
            found = look(names=tuple(names.values()))
        except GoTableError:
            continue
        if found:
            return {name: found[one] for name, one in names.items() if one in found}
    return {}


def _go_returns(
    found: dict[str, GoFunction], deferred: dict[str, GoFunction], text: Octets, section: Section
) -> Iterator[Place]:
    """Give where Read and Write are seen to end."""
    for name, one in found.items():
        if name not in NEEDED[Library.GO]:
            continue
        ended = deferral(one, deferred[name], text, section.address) if name in deferred else None
        if ended is not None:
            yield Place(section.offset + ended[0], GO[name], deferral=ended[1])
        else:
            yield from (Place(section.offset + offset, GO[name]) for offset in one.returns)
