# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How a message becomes an event: which operation it is, who asks whom, about which subscriber, how it ended."""

import itertools
from typing import Any

import cython

from collector.body import NO_BODY, BodyState
from collector.body_redaction import BodyRedaction
from collector.identifiers import NO_IDENTIFIERS
from collector.inventory import Inventory
from collector.message import Endpoints, Half, HeaderState
from collector.outcome import error_origin
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.target_identifiers import identifiers_of_headers
from schemas.loss import (
    BODIES_MALFORMED,
    CALLBACKS_EVICTED,
    NF_PROFILES_EVICTED,
    REFERENCES_EVICTED,
)

if cython.compiled:
    from cython.cimports.collector.asked import Asked, Ends, new_asked
    from cython.cimports.collector.asking import Asking
    from cython.cimports.collector.event import event_octets, event_values
    from cython.cimports.collector.halves import Message
    from cython.cimports.collector.identifiers import Identifiers
    from cython.cimports.collector.met_bodies import MetBodies
    from cython.cimports.collector.read import Read
    from cython.cimports.collector.references import References
    from cython.cimports.collector.sbi_headers import Fields, HeaderReader
    from cython.cimports.collector.subject import Subject
    from cython.cimports.collector.told import Told
else:
    from collector.asked import Asked, Ends, new_asked
    from collector.asking import Asking
    from collector.event import event_octets, event_values
    from collector.halves import Message
    from collector.identifiers import Identifiers
    from collector.met_bodies import MetBodies
    from collector.read import Read
    from collector.references import References
    from collector.sbi_headers import Fields, HeaderReader
    from collector.subject import Subject
    from collector.told import Told

Event = tuple[Any, ...]

MOST_ENDS = cython.declare(cython.Py_ssize_t, 65_536)
NEAR = cython.declare(cython.Py_ssize_t, 1_024)  # connections at hand without a dict; a power of two
MALFORMED = cython.declare(object, BodyState.MALFORMED)
MOST_TOLD = cython.declare(cython.Py_ssize_t, 8_192)  # subscribers with session and slice
_NUMBERS = itertools.count(1)
EXACT = cython.declare(object, HeaderState.EXACT)
REQUEST = cython.declare(object, Half.REQUEST)


@cython.final
@cython.cclass
class Meaning:
    """Makes events of the messages of one shard, in their order; what earlier ones disclose counts for later ones."""

    def __init__(self, pseudonyms: Pseudonyms, capture_bodies: bool = False) -> None:
        """Load the catalogue; identifiers leave as `pseudonyms` say, bodies only where asked for, and redacted."""
        redaction = Redaction(pseudonyms)
        self._reader = HeaderReader(redaction)
        self._redact = redaction.text
        self._sentence = redaction.sentence
        self._of = pseudonyms.of
        self._redact_body: Any = BodyRedaction(redaction, pseudonyms).redacted if capture_bodies else None
        self._asking = Asking(pseudonyms, redaction)
        self._references = References()
        self._ends: dict[str, Ends] = {}
        self._near: list[Ends | None] = [None] * NEAR
        self._met_bodies = MetBodies(self._sentence)
        self._told: dict[Identifiers, Told] = {}
        self._number = next(_NUMBERS)
        self._no_body = Read(NO_BODY, self._sentence)
        self._no_subject = Told(NO_IDENTIFIERS, self._of, self._redact)
        self._in_avro = False
        self._malformed = 0

    @property
    def inventory(self) -> Inventory:
        """Return the NFs known so far."""
        found: Inventory = self._asking.inventory
        return found

    def losses(self) -> dict[str, int]:
        """Return what could not be read or was forgotten so far, by reason; none of it hid a message."""
        return {
            BODIES_MALFORMED: self._malformed,
            CALLBACKS_EVICTED: self._asking.callbacks.evicted,
            NF_PROFILES_EVICTED: self.inventory.evicted,
            REFERENCES_EVICTED: self._references.evicted,
        }

    def event(self, endpoints: Endpoints, message: Message) -> Event:
        """Return the event of a message; a response carries what its request says of operation and ends."""
        self._in_avro = False
        event: Event = self._of_message(endpoints, message)
        return event

    def octets(self, endpoints: Endpoints, message: Message) -> bytes:
        """Return the event of a message in Avro's binary encoding, of which batches are made (collector.avro)."""
        self._in_avro = True
        octets: bytes = self._of_message(endpoints, message)
        return octets

    def _of_message(self, endpoints: Endpoints, message: Message) -> Any:
        ends: Ends = self._ends_of(endpoints)
        fields: Fields = self._reader.read(message.headers)
        body: Read = self._body(message, fields)
        if body.state is MALFORMED:
            self._malformed += 1
        if message.half is REQUEST:
            return self._request(ends, message, fields, body)
        return self._response(ends, message, fields, body)

    def _request(self, ends: Ends, message: Message, fields: Fields, body: Read) -> Any:
        now_us: cython.longlong = message.last_byte_ns // 1_000
        asked: Asked = self._asking.ask(ends, fields, now_us)
        asked.awaited = self._references.request(
            now_us,
            fields.method,
            asked.place,
            asked.plain_path,
            NO_IDENTIFIERS if fields.plain is None else self._of_headers(fields),
            body.facts,
        )
        subject: Subject = asked.awaited.subject
        if body.teaches or (asked.matched.is_of_nrf and body is not self._no_body):
            self._asking.learn(asked, body.facts, now_us)
        told: Told = self._told_of(subject.identifiers)
        if told.nf_instance is not None:
            asked.consumer = self._asking.consumer_named(ends, asked, told.nf_instance)
        exact: cython.bint = message.header_state is EXACT
        is_whole: cython.bint = exact or (fields.user_agent is not None and fields.method is not None)
        is_stamped: cython.bint = fields.sender_timestamp is not None or fields.idempotency_key is not None
        if is_whole and is_stamped:
            if body.short is None or body is self._no_body:
                body.short = self._asking.short(message.body)
            self._asking.carried(asked, body.short, message.body_bytes)
        self._asking.name(asked, ends, message.stream_id, is_whole and is_stamped)
        asked.teller = self._number
        asked.exact = exact
        message.note(asked)
        return self._event(ends, message, asked, fields, body, subject, told)

    def _response(self, ends: Ends, message: Message, fields: Fields, body: Read) -> Any:
        now_us: cython.longlong = message.last_byte_ns // 1_000
        asked: Asked = self._asked_of(ends, message, now_us)
        subject: Subject = self._references.response(
            asked.awaited,
            now_us,
            fields.status,
            asked.place,
            asked.plain_path,
            fields.location_plain,
            NO_IDENTIFIERS if fields.plain is None else self._of_headers(fields),
            body.facts,
        )
        if fields.status is not None and 200 <= fields.status < 300:
            self._asking.learn_answer(asked, body.facts, now_us)
        if fields.plain is not None:
            self._asking.producer_told(asked, fields)
        return self._event(ends, message, asked, fields, body, subject, self._told_of(subject.identifiers))

    def _asked_of(self, ends: Ends, message: Message, now_us: cython.longlong) -> Asked:
        """Return what the request of a response said; one not read exactly may have been mended since, so again."""
        request: Message | None = message.request
        if request is None:
            asked: Asked = new_asked()
            asked.place = ends.server
            self._asking.name(asked, ends, message.stream_id, False)
            return asked
        before: Asked | None = request.about if isinstance(request.about, Asked) else None
        if before is not None and before.teller != self._number:
            before = None
        if before is not None and before.exact:
            return before
        asked = self._asking.ask(ends, self._reader.read(request.headers), now_us)
        self._asking.name(asked, ends, message.stream_id, False)
        if before is not None:
            asked.awaited = before.awaited
        return asked

    def _body(self, message: Message, fields: Fields) -> Read:
        if message.body_bytes == 0:
            return self._no_body
        read: Read = self._met_bodies.read(
            fields.content_type_whole, fields.content_encoding, message.body, message.body_bytes
        )
        return self._no_body if read.facts is NO_BODY else read

    def _captured(self, message: Message, fields: Fields) -> bytes | None:
        """Return the body as it may leave the node."""
        captured: bytes | None = self._redact_body(
            fields.content_type_whole, fields.content_encoding, message.body, message.body_bytes
        )
        return captured

    def _of_headers(self, fields: Fields) -> Identifiers:
        if fields.plain is None or not fields.names_subject:
            return NO_IDENTIFIERS
        return identifiers_of_headers(fields.plain)

    def _ends_of(self, endpoints: Endpoints) -> Ends:
        at: cython.Py_ssize_t = 0
        ends: Ends | None
        if cython.compiled:  # the same object for each message of a connection
            at = (cython.cast(cython.size_t, cython.cast(cython.p_void, endpoints)) >> 4) & (NEAR - 1)
            ends = self._near[at]
            if ends is not None and ends.endpoints is endpoints:
                return ends
        ends = self._ends.get(endpoints.connection_id)
        if ends is None or ends.endpoints is not endpoints:
            if len(self._ends) >= MOST_ENDS:
                self._ends.clear()
            ends = self._ends[endpoints.connection_id] = Ends(endpoints)
        if cython.compiled:
            self._near[at] = ends
        return ends

    def _told_of(self, identifiers: Identifiers) -> Told:
        if identifiers is NO_IDENTIFIERS:
            return self._no_subject
        if identifiers.teller == self._number:
            at_hand: Told = identifiers.told
            return at_hand
        told: Told | None = self._told.get(identifiers)
        if told is None:
            told = Told(identifiers, self._of, self._redact)
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            self._told[identifiers] = told
        identifiers.told = told
        identifiers.teller = self._number
        return told

    def _event(
        self,
        ends: Ends,
        message: Message,
        asked: Asked,
        fields: Fields,
        body: Read,
        subject: Subject,
        told: Told,
    ) -> Any:
        """Put the event together."""
        is_response: cython.bint = message.half is not REQUEST
        cause = body.cause if is_response else None
        origin = None
        if is_response and fields.status is not None and fields.status >= 300:
            origin = error_origin(fields.status, fields.server, body.remote_error, cause)
        result = body.result
        if result is None and not is_response and asked.matched.is_of_nrf:
            result = body.nf_status  # how an NF says that it lives, is SUSPENDED …: the answer says it again
        reference = None if subject.reference is None else self._redact(subject.reference)
        captured = None
        if self._redact_body is not None and body is not self._no_body:
            captured = self._captured(message, fields)
        if self._in_avro:
            return event_octets(
                ends, message, asked, fields, body, subject, told, reference, captured, cause, result, origin
            )
        return event_values(
            ends, message, asked, fields, body, subject, told, reference, captured, cause, result, origin
        )
