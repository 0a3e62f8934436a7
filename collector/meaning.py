# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How a message becomes an event: which operation it is, who asks whom, about which subscriber, how it ended."""

from typing import Any

import cython

from collector.body import NO_BODY, BodyFacts, read_body
from collector.body_redaction import BodyRedaction
from collector.hop import event_id, exchange_key
from collector.identifiers import NO_IDENTIFIERS, Identifiers, identifiers_of_headers
from collector.inventory import Inventory
from collector.message import Ended, Endpoints
from collector.outcome import error_origin
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.references import References, Subject
from collector.unread import inferred, missing

if cython.compiled:
    from cython.cimports.collector.asked import Asked, Ends
    from cython.cimports.collector.asking import Asking
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.sbi_headers import Fields, HeaderReader
else:
    from collector.asked import Asked, Ends
    from collector.asking import Asking
    from collector.halves import Message
    from collector.sbi_headers import Fields, HeaderReader

Event = tuple[Any, ...]

HTTP_VERSIONS = {"h2": 0, "http1": 1}
MOST_ENDS = 65_536
MOST_ASKED = 32_768  # requests whose answer is awaited, twice
MOST_BODIES = 1_024
LARGEST_BODY = 2_048  # remembered, as it comes again on the next hop
CLOSED = int(Ended.CLOSED)
NO_OTHERS: dict[str, str] = {}
NO_SUBJECT = (None,) * 10
EXACT = cython.declare(cython.int, 0)  # HeaderState.EXACT


@cython.final
@cython.cclass
class Meaning:
    """Makes events of the messages of one shard, in their order; what earlier ones disclose counts for later ones."""

    _reader: HeaderReader
    _redact: Any
    _of: Any
    _redact_body: Any
    _asking: Asking
    _references: Any
    _ends: dict[Any, Any]
    _asked: dict[Any, Any]
    _asked_before: dict[Any, Any]
    _bodies: dict[Any, Any]

    def __init__(self, pseudonyms: Pseudonyms, capture_bodies: bool = False) -> None:
        """Load the catalogue; identifiers leave as `pseudonyms` say, bodies only where asked for, and redacted."""
        redaction = Redaction(pseudonyms)
        self._reader = HeaderReader(redaction)
        self._redact = redaction.text
        self._of = pseudonyms.of
        self._redact_body = BodyRedaction(redaction, pseudonyms).redacted if capture_bodies else None
        self._asking = Asking(pseudonyms, redaction)
        self._references = References()
        self._ends = {}
        self._asked = {}
        self._asked_before = {}
        self._bodies = {}

    @property
    def inventory(self) -> Inventory:
        """Return the NFs known so far."""
        found: Inventory = self._asking.inventory
        return found

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
        asked: Asked = self._asking.ask(ends, message, fields, now_us)
        subject = self._references.request(
            (ends.connection_id, message.stream_id),
            now_us,
            fields.method,
            asked.place,
            asked.plain_path,
            identifiers_of_headers(fields.plain or {}) if fields.names_subject else NO_IDENTIFIERS,
            body,
        )
        if body is not NO_BODY:
            self._asking.learn(asked, body, now_us)
        asked.consumer = self._asking.consumer_named(asked, subject.identifiers.nf_instance)
        is_whole: cython.bint = exact or (fields.user_agent is not None and fields.method is not None)
        if is_whole and (fields.sender_timestamp is not None or fields.idempotency_key is not None):
            asked.request_key = self._asking.request_key(asked, message)
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
            identifiers_of_headers(fields.plain or {}) if fields.names_subject else NO_IDENTIFIERS,
            body,
        )
        if fields.status is not None and 200 <= fields.status < 300:
            self._asking.learn_answer(asked, body, now_us)
        if fields.plain is not None:
            self._asking.producer_told(asked, fields)
        return self._event(ends, message, asked, fields, body, subject, b"response")

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
                return self._asking.ask(ends, request, self._reader.read(request.headers), now_us)
            asked.place = ends.server
            asked.exchange_key = exchange_key(ends.client, message.stream_id, None, None)
        return asked

    def _await(self, key: tuple[str, int], asked: Asked) -> None:
        if len(self._asked) >= MOST_ASKED:
            self._asked_before = self._asked
            self._asked = {}
        self._asked[key] = asked

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

    def _captured(self, message: Message, fields: Fields) -> bytes | None:
        """Return the body as it may leave the node."""
        captured: bytes | None = self._redact_body(
            fields.content_type_whole, fields.content_encoding, message.body, message.body_bytes
        )
        return captured

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
            None if told.dnn is None else self._redact(told.dnn),
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
            None if self._redact_body is None or body is NO_BODY else self._captured(message, fields),
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
            ends.process_id,
            ends.process_name,
            ends.container_id,
            ends.pod,
            ends.namespace,
            ends.netns,
            ends.executable,
            ends.container_name,
            ends.image,
            ends.pod_uid,
            ends.labels,
        )
