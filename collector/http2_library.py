"""What libnghttp2's file offers for following HTTP/2 where nothing shows the TLS below it: its functions' places.

A program may take what it is to send as memory, or have it given to a callback: the call of that one is probed too.
Bodies that are sent past the library (its no-copy callback) it never sees; a program that asks for this is told by what
it imports.
"""

import re
from struct import error
from typing import BinaryIO

from collector.elf import Elf
from collector.tls_library import Function, Library, Place, Symbol, TlsCode, UnfollowableError, defined
from collector.x86_code import UnknownInstructionError, instructions

# nghttp2 1.x; the functions with a 2 came with 1.60, and those before them may be built of them or not.
HTTP2 = {
    "nghttp2_session_mem_recv": Function.RECEIVES,
    "nghttp2_session_mem_recv2": Function.RECEIVES,
    "nghttp2_session_mem_send": Function.SENDS_POINTING,
    "nghttp2_session_mem_send2": Function.SENDS_POINTING,
    "nghttp2_session_client_new": Function.BEGINS,
    "nghttp2_session_client_new2": Function.BEGINS,
    "nghttp2_session_client_new3": Function.BEGINS,
    "nghttp2_session_server_new": Function.BEGINS,
    "nghttp2_session_server_new2": Function.BEGINS,
    "nghttp2_session_server_new3": Function.BEGINS,
    "nghttp2_session_del": Function.FREES,
}
BY_CALLBACK = "nghttp2_session_send"
NEEDED = {"nghttp2_session_mem_recv", "nghttp2_session_mem_send", "nghttp2_session_del", BY_CALLBACK}
# Its only call of what a register or a member of the session names (Intel SDM, FF /2), not of a table of the linker's.
CALL = re.compile(rb"\x3e?[\x40-\x4f]?\xff(?:[\x10-\x14\x16\x17\x50-\x57\x90-\x97\xd0-\xd7])", re.DOTALL)
LONGEST = 4_096  # octets of BY_CALLBACK: 179 of nghttp2 1.52
PAST = b"nghttp2_session_callbacks_set_send_data_callback"


def http2_code(file: BinaryIO) -> tuple[TlsCode, ...]:
    """Return libnghttp2's functions in `file`, none if it has none. Raises UnfollowableError."""
    try:
        elf = Elf(file)
        found = defined(elf, (*HTTP2, BY_CALLBACK))
        if not found.keys() >= NEEDED:
            return ()
        return (TlsCode(Library.NGHTTP2, *_places(elf, file, found)),)
    except UnfollowableError:
        raise
    except (OSError, ValueError, OverflowError, LookupError, error):  # whatever a broken file leads to
        return ()


def sends_past(file: BinaryIO) -> bool:
    """Tell whether a program or library of one asks libnghttp2 to leave bodies to it."""
    try:
        elf = Elf(file)
        tables = [one for one in elf.sections if one.name == ".dynstr"]
        return any(True for table in tables for _ in elf.octets(table).places((PAST,)))
    except (OSError, ValueError, OverflowError, LookupError, error):
        return False


def _places(elf: Elf, file: BinaryIO, found: dict[str, Symbol]) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Return where calls begin, and where the callback's have ended."""
    offsets = {name: elf.offset(symbol.address) for name, symbol in found.items()}
    entries = tuple(
        Place(offset, HTTP2[name]) for name, offset in offsets.items() if offset is not None and name in HTTP2
    )
    begin = offsets[BY_CALLBACK]
    if begin is None:
        return entries, ()
    calls = _calls(file, begin, found[BY_CALLBACK].size)
    if len(calls) != 1:
        raise UnfollowableError(f"{len(calls)} calls of callbacks in {BY_CALLBACK}, not one")
    ((at, end),) = calls
    return (*entries, Place(at, Function.SENDS)), (Place(end, Function.SENDS),)


def _calls(file: BinaryIO, begin: int, size: int) -> list[tuple[int, int]]:
    """Return where calls of callbacks begin and end."""
    file.seek(begin)
    code = file.read(min(size, LONGEST))
    try:
        return [(begin + at, begin + end) for at, end in instructions(code) if CALL.match(code[at:end])]
    except UnknownInstructionError as reason:
        raise UnfollowableError(f"{BY_CALLBACK}: {reason}") from reason
