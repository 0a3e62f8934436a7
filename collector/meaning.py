# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How a message becomes an event: which operation it is, who asks whom, about which subscriber, how it ended."""

from typing import Any

import cython

from collector.body import NO_BODY, BodyFacts, read_body
from collector.callbacks import Callbacks
from collector.catalogue import NOTHING, Catalogue
from collector.hop import event_id, exchange_key, request_key
from collector.identifiers import NO_IDENTIFIERS, Identifiers, identifiers_of_headers
from collector.inventory import DEREGISTERED, Inventory
from collector.message import Ended, Endpoints, Vantage
from collector.network_function import NOBODY, NRF_PROFILE, End, NetworkFunctions, instance_in
from collector.outcome import error_origin
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.references import References, Subject
from collector.request_target import RequestTargets
from collector.unread import inferred, missing
from collector.uri import authority_of

if cython.compiled:
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.sbi_headers import Fields, HeaderReader
else:
    from collector.halves import Message
    from collector.sbi_headers import Fields, HeaderReader

Event = tuple[Any, ...]

HTTP_VERSIONS = {"h2": 0, "http1": 1}
MOST_ENDS = 65_536
MOST_ASKED = 32_768  # requests whose answer is awaited, twice
MOST_BODIES = 1_024
LARGEST_BODY = 2_048  # remembered, as it comes again on the next hop
NRF_SERVICES = frozenset({"nnrf-nfm", "nnrf-disc"})
WRITES = frozenset({"PUT", "PATCH", "DELETE"})
CLOSED = int(Ended.CLOSED)
NO_OTHERS: dict[str, str] = {}
NO_SUBJECT = (None,) * 10
NO_FIELDS = cython.declare(Fields, Fields())
EXACT = cython.declare(cython.int, 0)  # HeaderState.EXACT


@cython.final
@cython.cclass
class Ends:
    """What all events of a connection have in common."""

    endpoints: Any
    connection_id: str
    connection: bytes
    client: bytes
    server: str
    server_process: str
    client_process: str
    vantage: Any
    tls: Any
    client_address: str
    client_port: Any
    server_address: str
    server_port: Any
    attribution: tuple[Any, ...]

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.connection_id = endpoints.connection_id
        self.connection = endpoints.connection_id.encode()
        self.client = f"{endpoints.client_address}\0{endpoints.client_port}".encode()
        self.server = f"{endpoints.server_address}:{endpoints.server_port}"
        self.vantage = int(endpoints.vantage)
        self.client_process = endpoints.process_name if endpoints.vantage == Vantage.CLIENT else None
        self.server_process = endpoints.process_name if endpoints.vantage == Vantage.SERVER else None
        self.tls = endpoints.tls
        self.client_address = endpoints.client_address
        self.client_port = endpoints.client_port
        self.server_address = endpoints.server_address
        self.server_port = endpoints.server_port
        self.attribution = (
            endpoints.process_id,
            endpoints.process_name,
            endpoints.container_id,
            endpoints.pod,
            endpoints.namespace,
            endpoints.netns,
        )


@cython.final
@cython.cclass
class Asked:
    """What a request says of its exchange; its answer says the same."""

    fields: Fields
    target: Any
    text: str
    plain_path: str
    match: Any
    consumer: Any
    producer: Any
    receiver: str
    place: str
    exchange_key: str
    request_key: str

    def __init__(self) -> None:
        self.fields = NO_FIELDS
        self.target = None
        self.text = None
        self.plain_path = None
        self.match = NOTHING
        self.consumer = NOBODY
        self.producer = NOBODY
        self.receiver = None
        self.place = None
        self.exchange_key = ""
        self.request_key = None


@cython.final
@cython.cclass
class Meaning:
    """Makes events of the messages of one shard, in their order; what earlier ones disclose counts for later ones."""

    _reader: HeaderReader
    _redact: Any
    _of: Any
    _key: bytes
    _targets: Any
    _callbacks: Any
    _functions: Any
    _references: Any
    _ends: dict
    _asked: dict
    _asked_before: dict
    _bodies: dict
    _places: dict
    inventory: Any

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        """Load the catalogue; identifiers leave as `pseudonyms` say."""
        redaction = Redaction(pseudonyms)
        self._reader = HeaderReader(redaction)
        self._redact = redaction.text
        self._of = pseudonyms.of
        self._key = pseudonyms.derived(b"request_key")
        self._callbacks = Callbacks()
        self._targets = RequestTargets(Catalogue(), self._callbacks, redaction)
        self.inventory = Inventory()
        self._functions = NetworkFunctions(self.inventory)
        self._references = References()
        self._ends = {}
        self._asked = {}
        self._asked_before = {}
        self._bodies = {}
        self._places = {}

    def event(self, endpoints: Endpoints, message: Message) -> Event:
        """Return the event of a message; a response carries what its request says of operation and ends."""
        ends: Ends | None = self._ends.get(endpoints.connection_id)
        if ends is None or ends.endpoints is not endpoints:
            ends = self._new_ends(endpoints)
        if message.half == 0:
            return self._request(ends, message)
        return self._response(ends, message)

    def _request(self, ends: Ends, message: Message) -> Event:
        exact: cython.bint = message.header_state == EXACT
        now_us: cython.longlong = message.last_byte_ns // 1_000
        fields: Fields = self._reader.read(message.headers)
        body = self._body(message, fields)
        asked: Asked = self._ask(ends, message, fields, now_us)
        subject = self._references.request(
            (ends.connection_id, message.stream_id),
            now_us,
            fields.method,
            asked.place,
            asked.plain_path,
            identifiers_of_headers(fields.plain) if fields.names_subject else NO_IDENTIFIERS,
            body,
        )
        if body is not NO_BODY:
            self._learn(asked, body, now_us)
        asked.consumer = self._instance_of_consumer(asked, subject.identifiers.nf_instance)
        if fields.sender_timestamp is not None or fields.idempotency_key is not None:
            asked.request_key = self._request_key(asked, message)
        if exact:
            self._await((ends.connection_id, message.stream_id), asked)
        return self._event(ends, message, asked, fields, body, subject, b"request")

    def _response(self, ends: Ends, message: Message) -> Event:
        now_us: cython.longlong = message.last_byte_ns // 1_000
        fields: Fields = self._reader.read(message.headers)
        body = self._body(message, fields)
        asked: Asked = self._asked_of(ends, message, now_us)
        subject = self._references.response(
            (ends.connection_id, message.stream_id),
            now_us,
            fields.status,
            asked.place,
            asked.plain_path,
            fields.location_plain,
            identifiers_of_headers(fields.plain) if fields.names_subject else NO_IDENTIFIERS,
            body,
        )
        if fields.status is not None and 200 <= fields.status < 300:
            self._learn_answer(asked, body, now_us)
        if fields.plain is not None:
            self._told_producer(asked, fields)
        return self._event(ends, message, asked, fields, body, subject, b"response")

    def _ask(self, ends: Ends, message: Message, fields: Fields, now_us: cython.longlong) -> Asked:
        """Work out what the header block of a request says of its exchange."""
        asked: Asked = Asked()
        asked.fields = fields
        asked.place = self._place(fields, ends)
        if fields.path is not None:
            target = self._targets.of(fields.path)
            asked.target = target
            asked.text = target.text
            asked.plain_path = target.plain
            asked.match = target.matches.get(fields.method) or self._targets.match(target, fields.method)
            if fields.callback is not None or asked.match.operation is None or asked.match.is_callback:
                self._find_callback(asked, now_us)
        self._find_ends(asked, ends)
        asked.exchange_key = exchange_key(ends.client, message.stream_id, fields.method, asked.text)
        return asked

    def _find_callback(self, asked: Asked, now_us: cython.longlong) -> None:
        """Look for a callback: by header, then learned URI, then the vendor's shape that stands already (SBI.md 4)."""
        target = asked.target
        learned = self._callbacks.learned(asked.place, target.path, target.segments, now_us)
        if learned is not None:
            asked.match, asked.receiver = learned
        if asked.fields.callback is not None:
            told = self._callbacks.by_header(asked.fields.callback, target.segments)
            if told is not None and (told.operation is not None or learned is None):
                asked.match = told

    def _find_ends(self, asked: Asked, ends: Ends) -> None:
        fields: Fields = asked.fields
        match = asked.match
        requester = target_nf = None
        if fields.plain is not None:
            requester = fields.plain.get("3gpp-sbi-discovery-requester-nf-type")
            target_nf = fields.plain.get("3gpp-sbi-discovery-target-nf-type")
        if requester is None and asked.target is not None:
            requester = asked.target.requester
        sender = match.producer_nf if match.is_callback else None
        service_nf = None if match.is_callback else match.producer_nf
        asked.consumer = self._functions.consumer(
            fields.user_agent, requester, sender, ends.client_address, ends.client_process
        )
        asked.producer = self._functions.producer(
            service_nf, target_nf, asked.receiver, asked.place, match.service, ends.server_process
        )

    def _asked_of(self, ends: Ends, message: Message, now_us: cython.longlong) -> Asked:
        """Return what the request of a response said; one not read exactly may have been mended since, so again."""
        key = (ends.connection_id, message.stream_id)
        asked: Asked | None = self._asked.pop(key, None)
        if asked is None:
            asked = self._asked_before.pop(key, None)
        if asked is None:
            asked = Asked()
            request: Message | None = message.request
            if request is not None:
                return self._ask(ends, request, self._reader.read(request.headers), now_us)
            asked.place = ends.server
            asked.exchange_key = exchange_key(ends.client, message.stream_id, None, None)
        return asked

    def _await(self, key: tuple[str, int], asked: Asked) -> None:
        if len(self._asked) >= MOST_ASKED:
            self._asked_before = self._asked
            self._asked = {}
        self._asked[key] = asked

    def _request_key(self, asked: Asked, message: Message) -> str:
        fields: Fields = asked.fields
        tail = asked.target.tail if asked.target is not None else None
        stamp = fields.sender_timestamp or (fields.idempotency_key or "").encode()
        told = (fields.method, tail, fields.user_agent, fields.correlation_info)
        return request_key(self._key, told, stamp, message.body, message.body_bytes)

    def _place(self, fields: Fields, ends: Ends) -> str:
        """Return host and port of the NF that is meant: of Target-apiRoot, else :authority, else the server's."""
        if fields.target_api_root is not None:
            place = self._places.get(fields.target_api_root)
            if place is None:
                place = authority_of(fields.target_api_root) or ""
                if len(self._places) >= MOST_BODIES:
                    self._places.clear()
                self._places[fields.target_api_root] = place
            if place:
                return place
        return fields.authority if fields.authority is not None else ends.server

    def _body(self, message: Message, fields: Fields) -> BodyFacts:
        """Read the body; a small whole one is remembered, as the next hop brings it again."""
        body: bytes = message.body
        size: cython.Py_ssize_t = len(body)
        if size == 0 or size > LARGEST_BODY or size != message.body_bytes:
            if message.body_bytes == 0:
                return NO_BODY
            return read_body(fields.content_type_whole, fields.content_encoding, body, message.body_bytes)
        key = (body, fields.content_type_whole, fields.content_encoding)
        facts = self._bodies.get(key)
        if facts is None:
            facts = read_body(fields.content_type_whole, fields.content_encoding, body, size)
            if len(self._bodies) >= MOST_BODIES:
                self._bodies.clear()
            self._bodies[key] = facts
        return facts

    def _learn(self, asked: Asked, body: BodyFacts, now_us: cython.longlong) -> None:
        """Learn from a request: where its sender wants to be called, which NFs there are."""
        match = asked.match
        if body.callbacks:
            self._callbacks.learn(match, asked.fields.method or "", body.callbacks, asked.consumer.nf_type, now_us)
        if match.service in NRF_SERVICES:
            self.inventory.learn(body.profiles, now_us)
            if body.patched and asked.fields.method == "PATCH":
                self._heartbeat(asked, body, now_us)

    def _heartbeat(self, asked: Asked, body: BodyFacts, now_us: cython.longlong) -> None:
        instance = instance_in(asked.target.path)
        status = next((value for path, value in body.patched if path == "/nfStatus"), None)
        if instance is not None:
            self.inventory.heartbeat(instance, status if isinstance(status, str) else None, now_us)

    def _learn_answer(self, asked: Asked, body: BodyFacts, now_us: cython.longlong) -> None:
        """Learn from a successful answer of an NRF."""
        if asked.match.service not in NRF_SERVICES:
            return
        self.inventory.learn(body.profiles, now_us)
        if asked.fields.method == "DELETE" and asked.match.resource == "/nf-instances/{nfInstanceID}":
            instance = instance_in(asked.target.path)
            if instance is not None:
                self.inventory.heartbeat(instance, DEREGISTERED, now_us)

    def _instance_of_consumer(self, asked: Asked, named: str | None) -> End:
        """Return the consumer with the instance that the request names, if that one is of the consumer's type."""
        consumer: End = asked.consumer
        if named is None or consumer.nf_type is None or consumer.instance is not None:
            return consumer
        if asked.match.service == "nnrf-nfm" and asked.fields.method not in WRITES:
            return consumer
        return consumer._replace(instance=named) if self.inventory.type_of(named) == consumer.nf_type else consumer

    def _told_producer(self, asked: Asked, fields: Fields) -> None:
        """Take 3gpp-Sbi-Producer-Id: which instance answered (TS 29.500 5.2.3.2.7)."""
        told = fields.plain.get("3gpp-sbi-producer-id")
        instance = instance_in(told) if told is not None else None
        if instance is not None:
            producer: End = asked.producer
            nf_type = producer.nf_type or self.inventory.type_of(instance)
            source = producer.source or (NRF_PROFILE if nf_type else None)
            asked.producer = End(nf_type, source, instance)

    def _new_ends(self, endpoints: Endpoints) -> Ends:
        if len(self._ends) >= MOST_ENDS:
            self._ends.clear()
        ends: Ends = Ends(endpoints)
        self._ends[ends.connection_id] = ends
        return ends

    def _subject(self, subject: Subject) -> tuple[Any, ...]:
        """Return the subscriber's fields, identifiers as pseudonyms."""
        told: Identifiers = subject.identifiers
        if told is NO_IDENTIFIERS and subject.reference is None:
            return NO_SUBJECT
        supi = told.supi
        gpsi = told.gpsi
        pei = told.pei
        reference = subject.reference
        return (
            None if supi is None else self._of(supi),
            subject.source,
            None if reference is None else self._redact(reference),
            None if gpsi is None else self._of(gpsi),
            None if pei is None else self._of(pei),
            told.pdu_session_id,
            told.snssai,
            told.dnn,
            told.plmn,
            told.guami,
        )

    def _event(
        self,
        ends: Ends,
        message: Message,
        asked: Asked,
        fields: Fields,
        body: BodyFacts,
        subject: Subject,
        half: bytes,
    ) -> Event:
        """Put the event together, in the order of the schema's SbiEvent."""
        request: Fields = asked.fields
        is_response: cython.bint = message.half == 1
        cause = result = origin = None
        if body is not NO_BODY:
            cause = None if body.cause is None or not is_response else self._redact(body.cause)
            result = None if body.result is None else self._redact(body.result)
        if is_response and fields.status is not None and fields.status >= 300:
            origin = error_origin(fields.status, fields.server, body.remote_error, cause)
        ended = message.ended
        service, operation, operation_id, operation_source, api_version, resource = asked.match.said
        consumer_nf, consumer_source, consumer_instance = asked.consumer
        producer_nf, producer_source, producer_instance = asked.producer
        supi, supi_source, reference, gpsi, pei, session, snssai, dnn, plmn, guami = self._subject(subject)
        exact: cython.bint = message.header_state == EXACT
        return (
            event_id(ends.connection, message.stream_id, half),
            1 if is_response else 0,
            ends.connection_id,
            ends.vantage,
            ends.tls,
            HTTP_VERSIONS[message.http_version],
            ends.client_address,
            ends.client_port,
            ends.server_address,
            ends.server_port,
            message.stream_id,
            message.first_byte_ns // 1_000,
            message.headers_ns // 1_000,
            message.last_byte_ns // 1_000,
            CLOSED if ended is None else ended,
            message.header_state,
            () if exact else missing(message),
            () if exact else inferred(message),
            request.method,
            asked.text,
            request.authority,
            fields.status,
            fields.content_type,
            request.user_agent,
            fields.server,
            fields.via,
            fields.location,
            fields.retry_after,
            message.header_bytes,
            message.body_bytes,
            len(message.body),
            body.state,
            None,
            service,
            operation,
            operation_id,
            operation_source,
            api_version,
            resource,
            consumer_nf,
            consumer_source,
            consumer_instance,
            producer_nf,
            producer_source,
            producer_instance,
            supi,
            supi_source,
            reference,
            gpsi,
            pei,
            session,
            snssai,
            dnn,
            plmn,
            guami,
            cause,
            result,
            origin,
            fields.priority,
            fields.max_rsp_time_ms,
            fields.sender_timestamp_us,
            fields.correlation_info,
            fields.target_api_root,
            request.callback,
            fields.others if fields.others is not None else NO_OTHERS,
            asked.exchange_key,
            asked.request_key,
            request.retransmission,
            *ends.attribution,
        )
