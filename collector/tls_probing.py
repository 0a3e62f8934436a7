"""Which probes a file gets: by library the programs, and what each probe's cookie tells them."""

from collections.abc import Iterable, Iterator, Mapping

from collector.go_deferred import MOST_BLOCKS, MOST_DISTANCE, MOST_SLOTS, Deferral
from collector.tls_library import Function, Library, Place, TlsCode
from collector.tls_link import attach

MOST_FILES = 1_024  # TLS_FILES of bpf/tls_sockets.c
FILE_SHIFT = 3  # in a cookie: the file's number stands above the function,
FORM_SHIFT = FILE_SHIFT + (MOST_FILES - 1).bit_length()  # where the arguments are above it,
SLOT_SHIFT = FORM_SHIFT + 2  # and of what Go defers where the result is, the caller's size and its distance
BLOCKS_SHIFT = SLOT_SHIFT + (MOST_SLOTS - 1).bit_length()
DISTANCE_SHIFT = BLOCKS_SHIFT + (MOST_BLOCKS - 1).bit_length()
# By library: the programs, and which functions have no probe at their return.
PROGRAMS = {
    Library.OPENSSL: ("tls_enter", "tls_leave"),
    Library.GNUTLS: ("tls_enter", "tls_leave"),
    Library.GO: ("go_enter", "go_leave"),
    Library.NGHTTP2: ("http2_enter", "http2_leave"),
}
UNRETURNING = {
    Library.OPENSSL: {Function.FREES},
    Library.GNUTLS: {Function.FREES},
    Library.GO: set(Function),
    Library.NGHTTP2: {Function.FREES, Function.SENDS},
}


def links(programs: Mapping[str, int], found: TlsCode, number: int, path: str, process_id: int) -> Iterator[int]:
    """Attach the programs to what a file has; give the links. `number`: the file's; a process alone, 0 = all.

    Raises OSError.
    """
    enter, leave = PROGRAMS[found.library]
    entries, returns = _cookies(number, found.entries), _cookies(number, found.returns)
    if returns:
        yield attach(programs[leave], path, returns, process_id)
    unreturning = UNRETURNING[found.library]
    returning = _cookies(number, [place for place in found.entries if place.function not in unreturning])
    if returning:
        yield attach(programs[leave], path, returning, process_id, at_return=True)
    yield attach(programs[enter], path, entries, process_id)


def _cookies(number: int, places: Iterable[Place]) -> list[tuple[int, int]]:
    """Return offset and cookie of each place."""
    return [
        (
            place.offset,
            number << FILE_SHIFT | place.function | place.form << FORM_SHIFT | _deferral_bits(place.deferral),
        )
        for place in places
    ]


def _deferral_bits(deferral: Deferral | None) -> int:
    """Return a deferral's part of a cookie, the distance's sign in its highest bit."""
    if deferral is None:
        return 0
    distance = deferral.distance & (2 * MOST_DISTANCE - 1)
    return deferral.slot << SLOT_SHIFT | deferral.blocks << BLOCKS_SHIFT | distance << DISTANCE_SHIFT
