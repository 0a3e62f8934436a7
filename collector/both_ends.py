"""What one end of a connection read, told to the other end's observer, where both ends are on the node.

One TCP connection between two NFs of a node is two sockets, so two connections here. A chunk lost at one of them, or an
observer that joined it later, leaves table entries unknown there that the other end read. The header block is the same
octets at both ends, so its fields are the same in the same order.

Addresses and ports do not tell which sockets are one connection: networks apart from each other on a node may have the
same, and a port is used again at once after a reset. The initial sequence number that the server chose does: the kernel
counts it up every 64 ns (RFC 6528), and every octet's number follows from it at both ends.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from collector.aligned_fields import LARGEST_LIST, Field, aligned, list_octets
from collector.halves import Message
from collector.message import Endpoints, Half, HeaderState, Vantage

MOST_WATCHED = 1_024  # connections with fields not read; the one longest without such a message is forgotten
MOST_KEPT = 4_194_304  # octets of sightings
UNTIL_WHOLE = 1_000  # messages read whole by both ends after which a connection is watched no more
UNTIL_ALONE = 256  # messages of one end, none of the other: it is on another node, or not observed
SIGHTING_BYTES, FIELD_BYTES = 500, 130  # about what they take beside the texts (sys.getsizeof)
WITHIN_NS = 500_000_000  # between the two ends' first octets of a message
OTHER_END = {Vantage.CLIENT: Vantage.SERVER, Vantage.SERVER: Vantage.CLIENT}
EXACT = HeaderState.EXACT


class Ends(NamedTuple):
    """What both ends of one connection have in common and no other connection of the node has.

    first: TCP sequence number of the server's first octet. local: the network namespace of a loopback address, else 0.
    """

    client_address: str
    client_port: int
    server_address: str
    server_port: int
    first: int
    local: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one end read of a message; `unknown` as in Message."""

    endpoints: Endpoints
    is_exact: bool
    first_byte_ns: int
    header_bytes: int
    headers: tuple[Field, ...]
    unknown: tuple[tuple[int, int], ...]
    kept_bytes: int  # about what it takes


@dataclass(slots=True)
class Watched:
    """What came of a connection: messages that both ends read whole, and those of one end since the last of both."""

    ends: Ends
    whole: int = 0
    alone: int = 0


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A field that the end `endpoints` could not read; `identity` is its table entry there."""

    endpoints: Endpoints
    half: Half
    identity: int
    name: bytes
    value: bytes
    is_whole: bool  # the entry gave name and value, else its name alone


class BothEnds:
    """Brings together what both ends of connections of the node read of one message.

    It costs nothing while every message is read whole: a connection is watched from its first message that is not,
    until both ends read all, or one end alone is seen.
    """

    def __init__(self) -> None:
        self._watched: OrderedDict[int | None, Watched] = OrderedDict()  # by `first`
        self._alone: OrderedDict[Ends, None] = OrderedDict()
        self._sightings: OrderedDict[tuple[Ends, int, Half], Sighting] = OrderedDict()
        self._kept_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether no connection is watched."""
        return not self._watched

    @property
    def kept_bytes(self) -> int:
        """About the octets that messages waiting for their other end take."""
        return self._kept_bytes

    def see(self, taken: list[tuple[Endpoints, Message]]) -> list[Disclosed]:
        """Take messages of both ends as they are finished; return what one end discloses of the other's fields."""
        for endpoints, message in taken:
            ends = _ends(endpoints) if message.unknown and _is_plain(message) else None
            if ends is not None and ends not in self._alone:
                self._watch(ends)
        if not self._watched:
            return []
        disclosed = [
            told
            for endpoints, message in taken
            if endpoints.answers_from in self._watched
            for told in self._sight(self._watched[endpoints.answers_from], endpoints, message)
        ]
        if not self._watched:
            self._sightings.clear()
            self._kept_bytes = 0
        return disclosed

    def _watch(self, ends: Ends) -> None:
        watched = self._watched.setdefault(ends.first, Watched(ends))
        watched.whole = 0
        self._watched.move_to_end(ends.first)
        if len(self._watched) > MOST_WATCHED:
            self._watched.popitem(last=False)

    def _sight(self, watched: Watched, endpoints: Endpoints, message: Message) -> Iterator[Disclosed]:
        if _ends(endpoints) != watched.ends or not _is_plain(message):
            return
        seen = _sighting(endpoints, message)
        key = (watched.ends, message.stream_id, message.half)
        other = self._let_go(key)
        if other is None or not _is_same_message(seen, other):
            self._keep(key, seen)
            self._count_alone(watched)
            return
        watched.alone = 0
        if seen.is_exact and other.is_exact:
            self._count_whole(watched)
        elif other.is_exact:
            yield from _disclosed(message.half, seen, other)
        elif seen.is_exact:
            yield from _disclosed(message.half, other, seen)

    def _keep(self, key: tuple[Ends, int, Half], seen: Sighting) -> None:
        if list_octets(seen.headers) > LARGEST_LIST:
            return
        self._sightings[key] = seen
        self._kept_bytes += seen.kept_bytes
        while self._kept_bytes > MOST_KEPT:
            self._let_go(next(iter(self._sightings)))

    def _let_go(self, key: tuple[Ends, int, Half]) -> Sighting | None:
        found = self._sightings.pop(key, None)
        if found is not None:
            self._kept_bytes -= found.kept_bytes
        return found

    def _count_whole(self, watched: Watched) -> None:
        watched.whole += 1
        if watched.whole >= UNTIL_WHOLE:
            del self._watched[watched.ends.first]

    def _count_alone(self, watched: Watched) -> None:
        watched.alone += 1
        if watched.alone >= UNTIL_ALONE:
            del self._watched[watched.ends.first]
            self._alone[watched.ends] = None
            if len(self._alone) > MOST_WATCHED:
                self._alone.popitem(last=False)


def _sighting(endpoints: Endpoints, message: Message) -> Sighting:
    texts = sum(len(name or b"") + len(value or b"") for name, value in message.headers)
    return Sighting(
        endpoints,
        message.header_state is EXACT,
        message.first_byte_ns,
        message.header_bytes,
        tuple(message.headers),
        message.unknown,
        SIGHTING_BYTES + FIELD_BYTES * len(message.headers) + texts,
    )


def _is_plain(message: Message) -> bool:
    """Tell whether it is a head alone, written by the end that its half names.

    Where not all was read, a trailer section may stand for a head and the other way round; a pushed request is the
    server's (RFC 9113 8.4).
    """
    return message.trailers is None and message.stream_id & 1 == 1


def _ends(endpoints: Endpoints) -> Ends | None:
    """Return what tells one connection of the node from all others, None if nothing does.

    Without a sequence number nothing is: under TLS it would be that of the socket which a stream is taken to go
    through. Where addresses are rewritten between the ends (ClusterIP) nothing is concluded.
    """
    first = endpoints.answers_from
    if endpoints.vantage not in OTHER_END or first is None or endpoints.tls:
        return None
    client, server, local = endpoints.client_address, endpoints.server_address, 0
    if client == "::1" or client.startswith("127."):
        if endpoints.netns is None:
            return None
        local = endpoints.netns
    return Ends(client, endpoints.client_port, server, endpoints.server_port, first, local)


def _is_same_message(one: Sighting, other: Sighting) -> bool:
    return (
        one.endpoints.vantage == OTHER_END[other.endpoints.vantage]
        and one.header_bytes == other.header_bytes
        and abs(one.first_byte_ns - other.first_byte_ns) <= WITHIN_NS
    )


def _disclosed(half: Half, partly: Sighting, whole: Sighting) -> Iterator[Disclosed]:
    """Yield what the whole fields say of those not read, as far as it is certain which is which."""
    unknown = dict(partly.unknown)
    for at, to in aligned(partly.headers, unknown, whole.headers):
        name, value = whole.headers[to]
        if name is not None and value is not None:
            is_whole = partly.headers[at][1] is None
            yield Disclosed(partly.endpoints, half, unknown[at], name, value, is_whole)
