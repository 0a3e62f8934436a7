# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What the header block of a request says of its exchange: operation or callback, ends, keys."""

import cython

from collector.catalogue import METHOD_NOT_IN_API, Catalogue
from collector.inventory import DEREGISTERED
from collector.network_function import NOBODY, NRF_PROFILE, End, instance_in
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.uri import authority_of

if cython.compiled:
    from cython.cimports.collector.asked import Asked, Ends, new_asked
    from cython.cimports.collector.body import BodyFacts
    from cython.cimports.collector.callbacks import Callbacks
    from cython.cimports.collector.hop import Keys
    from cython.cimports.collector.inventory import Inventory
    from cython.cimports.collector.network_function import NetworkFunctions
    from cython.cimports.collector.request_target import Concluded, Matched, RequestTarget, RequestTargets
    from cython.cimports.collector.sbi_headers import Fields
else:
    from collector.asked import Asked, Ends, new_asked
    from collector.body import BodyFacts
    from collector.callbacks import Callbacks
    from collector.hop import Keys
    from collector.inventory import Inventory
    from collector.network_function import NetworkFunctions
    from collector.request_target import Concluded, Matched, RequestTarget, RequestTargets
    from collector.sbi_headers import Fields

MOST_PLACES = 4_096
OF_INSTANCE = "/nf-instances/{nfInstanceID}"
WRITES = frozenset({"PUT", "PATCH", "DELETE"})


@cython.final
@cython.cclass
class Asking:
    """Works out, request by request, what is asked, by whom and of whom; learns callback URIs and NFs."""

    def __init__(self, pseudonyms: Pseudonyms, redaction: Redaction) -> None:
        """Load the catalogue."""
        self._keys = Keys(pseudonyms.derived(b"request_key"))
        self.callbacks = Callbacks()
        self.inventory = Inventory()
        self._targets = RequestTargets(Catalogue(), self.callbacks, redaction)
        self._functions = NetworkFunctions(self.inventory)
        self._places: dict[str, str] = {}
        self._named: dict[tuple[End, str], End] = {}

    def ask(self, ends: Ends, fields: Fields, now_us: cython.longlong) -> Asked:
        """Work out what the header block of a request says of its exchange, its keys aside (`name`)."""
        asked: Asked = new_asked()
        asked.fields = fields
        asked.place = self._place(fields, ends)
        if fields.path is not None:
            target: RequestTarget = self._targets.of(fields.path)
            asked.target = target
            asked.text = target.text
            asked.plain_path = target.plain
            asked.matched = self._targets.match(target, fields.method)
            # Open5GS puts 3gpp-Sbi-Callback also on requests that tell a callback URI: the API's own path counts first.
            if not asked.matched.has_operation or asked.matched.is_callback:
                self._find_callback(asked, target, now_us)
        self._find_ends(asked, ends)
        return asked

    def _find_callback(self, asked: Asked, target: RequestTarget, now_us: cython.longlong) -> None:
        """Look for a callback: by header, then learned URI, then the vendor's shape that stands already (SBI.md 4)."""
        segments = target.segments()
        method: str | None = asked.fields.method
        is_of_api: cython.bint = asked.matched.match.operation_source == METHOD_NOT_IN_API  # a path that no NF makes up
        learned = self.callbacks.learned(asked.place, target.path(), segments, method, now_us)
        if learned is not None:
            if target.called is None or target.called.match is not learned[0]:
                target.called = Matched(learned[0])
            asked.matched = target.called
            asked.receiver = learned[1]
        if asked.fields.callback is not None and not is_of_api:
            told = self.callbacks.by_header(asked.fields.callback, segments, method)
            if told is not None and (told.operation is not None or learned is None):
                asked.matched = Matched(told)

    def _find_ends(self, asked: Asked, ends: Ends) -> None:
        fields: Fields = asked.fields
        match: Matched = asked.matched
        requester: str | None = None
        target_nf: str | None = None
        if fields.plain is not None:
            requester = fields.plain.get("3gpp-sbi-discovery-requester-nf-type")
            target_nf = fields.plain.get("3gpp-sbi-discovery-target-nf-type")
        if requester is None and asked.target is not None:
            requester = asked.target.requester
        sender = match.producer_nf if match.is_callback else None
        version: cython.longlong = self.inventory.version
        if (
            ends.version != version
            or ends.agent is not fields.user_agent
            or ends.requester is not requester
            or ends.sender is not sender
        ):
            ends.consumer = self._functions.consumer(
                fields.user_agent, requester, sender, ends.client_address, ends.client_process
            )
            ends.agent = fields.user_agent
            ends.requester = requester
            ends.sender = sender
            ends.version = version
        asked.consumer = ends.consumer
        asked.producer = self._producer(asked, target_nf, ends.server_process, version)

    def _producer(self, asked: Asked, target_nf: str | None, process: str | None, version: cython.longlong) -> End:
        """Return who answers, as concluded for this target before where that holds."""
        target: RequestTarget | None = asked.target
        match: Matched = asked.matched
        known: Concluded | None = None if target is None else target.concluded
        if known is not None and known.holds(match, asked.place, target_nf, asked.receiver, process, version):
            return known.producer
        if target is not None:
            known, target.concluded_before = target.concluded_before, known
            target.concluded = known
            if known is not None and known.holds(match, asked.place, target_nf, asked.receiver, process, version):
                return known.producer
        service_nf = None if match.is_callback else match.producer_nf
        producer: End = self._functions.producer(
            service_nf, target_nf, asked.receiver, asked.place, match.service, process
        )
        if target is not None:
            target.concluded = Concluded(match, asked.place, target_nf, asked.receiver, process, version, producer)
        return producer

    def _place(self, fields: Fields, ends: Ends) -> str:
        """Return host and port of the NF that is meant: of Target-apiRoot, else :authority, else the server's."""
        if fields.target_api_root is not None:
            place = self._places.get(fields.target_api_root)
            if place is None:
                place = authority_of(fields.target_api_root) or ""
                if len(self._places) >= MOST_PLACES:
                    self._places.clear()
                self._places[fields.target_api_root] = place
            if place:
                return place
        authority: str | None = fields.authority
        return authority if authority is not None else ends.server

    def short(self, body: bytes) -> bytes:
        """Return what stands for a body in `request_key`."""
        return self._keys.short(body)

    def carried(self, asked: Asked, body: bytes, body_bytes: cython.Py_ssize_t) -> None:
        """Let the request that is named next share a key with all its hops.

        Its Sender-Timestamp or idempotency key is known; `body` as `short` gives it, `body_bytes` on the wire.
        """
        fields: Fields = asked.fields
        stamp: bytes | None = fields.sender_timestamp
        self._keys.carried(
            fields.method,
            None if asked.target is None else asked.target.tail,
            fields.user_agent,
            fields.correlation_info,
            asked.place if asked.matched.is_callback else None,  # one notification may go to several at once
            stamp or (fields.idempotency_key or "").encode(),
            body,
            body_bytes,
        )

    def name(self, asked: Asked, ends: Ends, stream_id: cython.uint, is_carried: cython.bint) -> None:
        """Set the keys of an exchange and its events; request_key if `carried` was called for it."""
        asked.keys = self._keys.of(ends.connection, ends.client, stream_id, asked.fields.method, asked.text, is_carried)

    def consumer_named(self, ends: Ends, asked: Asked, named: str | None) -> End:
        """Return the consumer with the instance that the request names, if that one is of the consumer's type."""
        consumer: End = asked.consumer
        if (
            named is None
            or consumer is NOBODY
            or (asked.matched.is_of_management and asked.fields.method not in WRITES)
        ):
            return consumer
        version: cython.longlong = self.inventory.version
        if ends.named_version != version or ends.named_of is not consumer or ends.named != named:
            ends.named_version = version
            ends.named_of = consumer
            ends.named = named
            ends.named_consumer = self._with_instance(consumer, named)
        return ends.named_consumer

    def _with_instance(self, consumer: End, named: str) -> End:
        if consumer.nf_type is None or consumer.instance is not None:
            return consumer
        if self.inventory.type_of(named) != consumer.nf_type:
            return consumer
        end: End | None = self._named.get((consumer, named))
        if end is None:
            end = consumer._replace(instance=named)
            if len(self._named) >= MOST_PLACES:
                self._named.clear()
            self._named[consumer, named] = end
        return end

    def producer_told(self, asked: Asked, fields: Fields) -> None:
        """Take 3gpp-Sbi-Producer-Id: which instance answered (TS 29.500 5.2.3.2.7)."""
        told = fields.plain.get("3gpp-sbi-producer-id") if fields.plain is not None else None
        instance = instance_in(told) if told is not None else None
        if instance is not None:
            producer: End = asked.producer
            nf_type = producer.nf_type or self.inventory.type_of(instance)
            source = producer.source or (NRF_PROFILE if nf_type else None)
            asked.producer = End(nf_type, source, instance)

    def learn(self, asked: Asked, body: BodyFacts, now_us: cython.longlong) -> None:
        """Learn from a request's body: where its sender wants to be called, which NFs there are."""
        if body.callbacks:
            self.callbacks.learn(
                asked.matched.match, asked.fields.method or "", body.callbacks, asked.consumer.nf_type, now_us
            )
        if asked.matched.is_of_nrf:
            if body.profiles:
                self.inventory.learn(body.profiles, now_us)
            if asked.fields.method == "PATCH":
                self._hear(asked, status_in(body), now_us)

    def learn_answer(self, asked: Asked, body: BodyFacts, now_us: cython.longlong) -> None:
        """Learn from a successful answer of an NRF."""
        if asked.matched.is_of_nrf:
            if body.profiles:
                self.inventory.learn(body.profiles, now_us)
            if asked.fields.method == "DELETE":
                self._hear(asked, DEREGISTERED, now_us)

    def _hear(self, asked: Asked, status: str | None, now_us: cython.longlong) -> None:
        """Take a heartbeat or a deregistration of the NF that the path names (TS 29.510 5.2.2.3, 5.2.2.4)."""
        target: RequestTarget | None = asked.target
        if target is not None and asked.matched.match.resource == OF_INSTANCE:
            instance = target.instance()
            if instance is not None:
                self.inventory.heartbeat(instance, status, now_us)


def status_in(body: BodyFacts) -> str | None:
    """Return the NF status that a JSON Patch sets, or that of the one profile in the body."""
    for path, value in body.patched:
        if path == "/nfStatus" and isinstance(value, str):
            return value
    return body.profiles[0].status if len(body.profiles) == 1 else None
