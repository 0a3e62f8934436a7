"""What one end of a connection read, told to the other end's observer, where both ends are on the node.

One TCP connection between two NFs of a node is two sockets, so two connections here. A chunk lost at one of them, or an
observer that joined it later, leaves table entries unknown there that the other end read. The header block is the same
octets at both ends, so its fields are the same in the same order.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from collector.halves import Message
from collector.message import Endpoints, Half, HeaderState, Vantage

Field = tuple[bytes | None, bytes | None]
Ends = tuple[str, int, str, int, int]  # client, server, and of a loopback address the network namespace, else 0

MOST_WATCHED = 1_024  # connections with fields not read; the one longest without such a message is forgotten
MOST_SIGHTINGS = 4_096
UNTIL_WHOLE = 1_000  # messages read whole by both ends after which a connection is watched no more
LARGEST_LIST = 16_384  # octets of fields; of a larger one some may have been left out (Decoder.cut_fields)
WITHIN_NS = 500_000_000  # ports are used again after a second at the earliest (Linux's tcp_tw_reuse)
OTHER_END = {Vantage.CLIENT: Vantage.SERVER, Vantage.SERVER: Vantage.CLIENT}
EXACT = HeaderState.EXACT


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one end read of a message; `unknown` as in Message."""

    endpoints: Endpoints
    is_exact: bool
    first_byte_ns: int
    header_bytes: int
    headers: tuple[Field, ...]
    unknown: tuple[tuple[int, int], ...]


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

    It costs nothing while every message is read whole: a connection is watched from its first message that is not.
    """

    def __init__(self) -> None:
        self._watched: OrderedDict[Ends, int] = OrderedDict()
        self._sightings: OrderedDict[tuple[Ends, int, Half], Sighting] = OrderedDict()

    @property
    def is_idle(self) -> bool:
        """Whether no connection is watched."""
        return not self._watched

    def see(self, taken: list[tuple[Endpoints, Message]]) -> list[Disclosed]:
        """Take messages of both ends as they are finished; return what one end discloses of the other's fields."""
        for endpoints, message in taken:
            ends = _ends(endpoints) if message.unknown and _is_plain(message) else None
            if ends is not None:
                self._watch(ends)
        if not self._watched:
            return []
        return [disclosed for endpoints, message in taken for disclosed in self._sight(endpoints, message)]

    def _watch(self, ends: Ends) -> None:
        self._watched[ends] = 0
        self._watched.move_to_end(ends)
        if len(self._watched) > MOST_WATCHED:
            self._watched.popitem(last=False)

    def _sight(self, endpoints: Endpoints, message: Message) -> Iterator[Disclosed]:
        ends = _ends(endpoints)
        if ends is None or ends not in self._watched or not _is_plain(message):
            return
        seen = Sighting(
            endpoints,
            message.header_state is EXACT,
            message.first_byte_ns,
            message.header_bytes,
            tuple(message.headers),
            message.unknown,
        )
        key = (ends, message.stream_id, message.half)
        other = self._sightings.pop(key, None)
        if other is None or not _is_same_message(seen, other):
            self._sightings[key] = seen
            if len(self._sightings) > MOST_SIGHTINGS:
                self._sightings.popitem(last=False)
        elif seen.is_exact and other.is_exact:
            self._count_whole(ends)
        elif other.is_exact:
            yield from _disclosed(message.half, seen, other)
        elif seen.is_exact:
            yield from _disclosed(message.half, other, seen)

    def _count_whole(self, ends: Ends) -> None:
        self._watched[ends] += 1
        if self._watched[ends] >= UNTIL_WHOLE:
            del self._watched[ends]


def _is_plain(message: Message) -> bool:
    """Tell whether it is a head alone, written by the end that its half names.

    Where not all was read, a trailer section may stand for a head and the other way round; a pushed request is the
    server's (RFC 9113 8.4).
    """
    return message.trailers is None and message.stream_id & 1 == 1


def _ends(endpoints: Endpoints) -> Ends | None:
    """Return what both ends of one connection have in common and no other connection of the node has; None if nothing.

    A loopback address means another host in each network namespace. Where addresses are rewritten between the ends
    (ClusterIP) they have nothing in common, and nothing is concluded.
    """
    if endpoints.vantage not in OTHER_END:
        return None
    local = 0
    if ip_address(endpoints.client_address).is_loopback:
        if endpoints.netns is None:
            return None
        local = endpoints.netns
    return endpoints.client_address, endpoints.client_port, endpoints.server_address, endpoints.server_port, local


def _is_same_message(one: Sighting, other: Sighting) -> bool:
    return (
        one.endpoints.vantage == OTHER_END[other.endpoints.vantage]
        and one.endpoints.tls == other.endpoints.tls
        and one.header_bytes == other.header_bytes
        and abs(one.first_byte_ns - other.first_byte_ns) <= WITHIN_NS
    )


def _disclosed(half: Half, partly: Sighting, whole: Sighting) -> Iterator[Disclosed]:
    """Yield what the whole fields say of those not read, as far as it is certain which is which."""
    for at, to in _aligned(partly, whole):
        identity = dict(partly.unknown)[at]
        name, value = whole.headers[to]
        if name is not None and value is not None:
            is_whole = partly.headers[at][1] is None
            yield Disclosed(partly.endpoints, half, identity, name, value, is_whole)


def _aligned(partly: Sighting, whole: Sighting) -> list[tuple[int, int]]:
    """Return which field not read (its place) is which of the whole fields; empty where the two contradict each other.

    Fields that nobody reads stand in neither list, unless their name was not read: so between two fields that were
    read there may be fewer whole ones, and then it is open which they are. Pseudo-headers come first, all of them are
    read (RFC 9113 8.3).
    """
    pseudo = sum(1 for name, _ in whole.headers if name is not None and name.startswith(b":"))
    octets = sum(32 + len(name or b"") + len(value or b"") for name, value in partly.headers)
    if octets > LARGEST_LIST or len(partly.headers) < len(whole.headers):
        return []
    if not _agree(partly.headers[:pseudo], whole.headers[:pseudo]):
        return []
    unread = dict(partly.unknown)
    pairs = [(at, at) for at in range(pseudo) if at in unread]
    begin, place = pseudo, pseudo
    for at in range(pseudo, len(partly.headers) + 1):
        if at < len(partly.headers) and at in unread:
            continue
        end = len(whole.headers)
        if at < len(partly.headers):  # a field that both read
            if whole.headers.count(partly.headers[at]) != 1:
                return []
            end = whole.headers.index(partly.headers[at])
        if not 0 <= end - place <= at - begin:
            return []
        if end - place == at - begin:
            if not _agree(partly.headers[begin:at], whole.headers[place:end]):
                return []
            pairs += zip(range(begin, at), range(place, end), strict=True)
        begin, place = at + 1, end + 1
    return pairs


def _agree(partly: tuple[Field, ...], whole: tuple[Field, ...]) -> bool:
    """Tell whether what was read of fields is what they are."""
    return all(
        name in {None, true_name} and value in {None, true_value}
        for (name, value), (true_name, true_value) in zip(partly, whole, strict=True)
    )
