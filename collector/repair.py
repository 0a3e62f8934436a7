"""Repair by meaning: names and values that were not read but follow from others; always marked as inferred."""

from collections import OrderedDict

from collector.both_ends import BothEnds
from collector.catalogue import Catalogue
from collector.halves import Message, partial
from collector.identities import Identities
from collector.inference import (
    AUTHORITY,
    JSON_PATCH,
    METHOD,
    PSEUDO,
    STATUS,
    leading,
    method_of,
    names_by_value,
    pseudo_by_value,
    status_of,
    target_roots,
    value_of,
)
from collector.message import Endpoints, Half
from collector.value_grammar import SENDER_TIMESTAMP, TARGET_API_ROOT, candidates

MAX_CONNECTIONS = 4_096  # with fields not read; what is known of the one longest unused is forgotten
MAX_METHODS = 32  # noted of a connection


class Known:
    """What is known of the unseen table entries of one connection, by the end that inserted them."""

    def __init__(self) -> None:
        self.client = Identities()
        self.server = Identities()
        self.methods: dict[bytes, int] = {}  # those read, with the first stream that had them

    def of(self, message: Message) -> Identities:
        """Return what is known of the end that sent `message`."""
        return self.client if message.half is Half.REQUEST else self.server


class Repair:
    """Mends the messages of one shard, between `Connections.take` and their meaning.

    What it fills in is written to `Message.headers` in place, so a response's request, which shares the list, is
    mended with it. The names filled in are added to `Message.inferred` and leave `Message.missing`, the fields leave
    `Message.unknown`; `header_state` stays what was proved. A message of state EXACT is never touched, and costs one
    look. An inference binds the table entry it is about (`Message.unknown`), so that whatever else refers to that
    entry is mended with it, later messages of the connection and those taken at the same time.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._both_ends = BothEnds()
        self._catalogue: Catalogue | None = None

    def mend(self, taken: list[tuple[Endpoints, Message]]) -> None:
        """Mend the messages of one `take`; what one of them discloses counts for all of them."""
        unread = partial(taken)
        if unread or not self._both_ends.is_idle:
            self._tell_other_ends(taken)
        if not unread:
            return
        for endpoints, message in unread:
            self._learn(self._of(endpoints), message)
        for endpoints, message in unread:
            known = self._of(endpoints)
            if message.request is not None:
                _fill(known.client, message.request)
            _fill(known.of(message), message)

    def _tell_other_ends(self, taken: list[tuple[Endpoints, Message]]) -> None:
        """Learn the entries that the other end of the same connection read (collector.both_ends)."""
        for told in self._both_ends.see(taken):
            known = self._of(told.endpoints)
            end = known.client if told.half is Half.REQUEST else known.server
            if told.is_whole:
                end.bind(told.identity, told.name, told.value)
            else:
                end.bind_name(told.identity, told.name)

    def _of(self, endpoints: Endpoints) -> Known:
        known = self._known.get(endpoints.connection_id)
        if known is None:
            known = self._known[endpoints.connection_id] = Known()
            if len(self._known) > MAX_CONNECTIONS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(endpoints.connection_id)
        return known

    def _learn(self, known: Known, message: Message) -> None:
        if self._catalogue is None:
            self._catalogue = Catalogue()
        if message.half is Half.REQUEST:
            _learn_leading(known.client, message)
            _learn_patch(known, message)
        else:
            if message.request is not None:
                _learn_leading(known.client, message.request)
            _learn_status(known.server, message)
            _learn_method(known, message, self._catalogue)
            for identity in target_roots(message):
                known.client.bind_name(identity, TARGET_API_ROOT)
        _learn_names(known.of(message), message, self._catalogue)


def _learn_leading(known: Identities, request: Message) -> None:
    """Name the pseudo-headers of a request that have no name: by value, else by which are missing."""
    missing = [name.encode() for name in request.missing]
    nameless = []
    for at, identity in leading(request):
        name = known.name(identity) or pseudo_by_value(request, request.headers[at][1])
        if name is None:
            nameless.append(identity)
        elif name in missing:
            known.bind_name(identity, name)
            missing.remove(name)
    if len(nameless) == 1 and (len(missing) == 1 or missing == [METHOD, AUTHORITY]):
        known.bind_name(nameless[0], missing[0])


def _learn_status(known: Identities, response: Message) -> None:
    first = response.unknown[0] if response.unknown else (-1, 0)
    if first[0] != 0 or ":status" not in response.missing:
        return
    identity, value = first[1], response.headers[0][1]
    status = status_of(response, value)
    if status is None:
        return
    if value is None:
        known.bind(identity, STATUS, status)
    else:
        known.bind_name(identity, STATUS)


def _learn_patch(known: Known, request: Message) -> None:
    """Note the method; where it was not read, an array of operations (RFC 6902) is a PATCH."""
    method = value_of(request, METHOD)
    if method is not None:
        known.methods.setdefault(method, request.stream_id)
        if len(known.methods) > MAX_METHODS:
            known.methods.clear()
    elif ":method" in request.missing and JSON_PATCH.match(request.body):
        _bind_method(known.client, request, b"PATCH")


def _learn_method(known: Known, response: Message, catalogue: Catalogue) -> None:
    request = response.request
    if request is None or ":method" not in request.missing:
        return
    status = value_of(response, STATUS)
    if status is None and response.unknown and response.unknown[0][0] == 0:
        status = known.server.value(response.unknown[0][1])
    # An encoder that wrote a method in another way before does not refer to this entry for it.
    others = {method for method, stream_id in known.methods.items() if stream_id < request.stream_id}
    method = method_of(response, status, others, catalogue)
    if method is not None:
        _bind_method(known.client, request, method)


def _bind_method(known: Identities, request: Message, method: bytes) -> None:
    for at, identity in leading(request):
        if request.headers[at][1] is None and known.name(identity) == METHOD:
            known.bind(identity, METHOD, method)


def _learn_names(known: Identities, message: Message, catalogue: Catalogue) -> None:
    """Weigh the values that have no name; a header of 3GPP stands in a message once."""
    present = {name for name, _ in message.headers} | {known.name(identity) for _, identity in message.unknown}
    alone = len(message.unknown) == 1 and SENDER_TIMESTAMP in present
    for at, identity in message.unknown:
        value, name = message.headers[at][1], known.name(identity)
        if value is None:
            continue
        if name is None:
            known.weigh(identity, names_by_value(message, value, catalogue) - present, value, alone)
        elif name not in PSEUDO and name not in candidates(message.half, value):
            known.refute(identity)


def _fill(known: Identities, message: Message) -> None:
    """Write what is known of the fields that were not read into the message."""
    if not message.unknown:
        return
    own = set(message.missing)
    unknown, inferred = [], []
    for at, identity in message.unknown:
        name, value = message.headers[at]
        if name is None:
            name = known.name(identity)
            value = known.value(identity) if value is None else value
        if name is None or value is None or (name in PSEUDO and name.decode() not in own):
            unknown.append((at, identity))
        else:
            message.headers[at] = (name, value)
            inferred.append(name.decode())
    if inferred:
        message.unknown = tuple(unknown)
        message.inferred = tuple(dict.fromkeys((*message.inferred, *inferred)))
        message.missing = tuple(name for name in message.missing if name not in inferred)
