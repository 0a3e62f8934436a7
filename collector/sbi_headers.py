# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What the header fields of a message say (TS 29.500 5.2.3): redacted text, numbers, times; secrets stay out."""

from collections.abc import Sequence
from typing import Any

import cython

from collector.header_facts import beside
from collector.header_text import (
    CACHED,
    LONGEST_CACHED,
    LONGEST_NAME,
    LONGEST_TEXT,
    LONGEST_URI,
    joined,
    plain_text,
    remember,
    shortened,
)
from collector.http_date import seconds_of, with_fraction
from collector.redaction import Redaction

if cython.compiled:
    from cython.cimports.collector.http_date import begins_with, milliseconds_of
    from cython.cimports.collector.other_headers import Other, OtherHeaders
else:
    from collector.http_date import begins_with, milliseconds_of
    from collector.other_headers import Other, OtherHeaders

CUSTOM = b"3gpp-sbi-"
CONNECT_INFO = b"3gpp-connect-req-info"  # TS 29.573 6.1.2.3.3: what a SEPP's CONNECT is for
ACCESS_TOKEN = b"3gpp-sbi-access-token"  # TS 29.500 5.2.3.2.13: authorization, handed on by a proxy
MOST_OTHERS = cython.declare(cython.Py_ssize_t, 40)  # header fields kept in sbi_headers

METHOD = cython.declare(cython.int, 0)
PATH = cython.declare(cython.int, 1)
AUTHORITY = cython.declare(cython.int, 2)
HOST = cython.declare(cython.int, 3)
STATUS = cython.declare(cython.int, 4)
CONTENT_TYPE = cython.declare(cython.int, 5)
CONTENT_ENCODING = cython.declare(cython.int, 6)
USER_AGENT = cython.declare(cython.int, 7)
SERVER = cython.declare(cython.int, 8)
VIA = cython.declare(cython.int, 9)
LOCATION = cython.declare(cython.int, 10)
RETRY_AFTER = cython.declare(cython.int, 11)
AUTHORIZATION = cython.declare(cython.int, 12)
PRIORITY = cython.declare(cython.int, 13)
MAX_RSP_TIME = cython.declare(cython.int, 14)
SENDER_TIMESTAMP = cython.declare(cython.int, 15)
CORRELATION_INFO = cython.declare(cython.int, 16)
TARGET_API_ROOT = cython.declare(cython.int, 17)
CALLBACK = cython.declare(cython.int, 18)
REQUEST_INFO = cython.declare(cython.int, 19)
OTHER = cython.declare(cython.int, 20)
IGNORED = cython.declare(cython.int, 21)

MET = cython.declare(cython.Py_ssize_t, 2_048)  # fields known by their object, a power of two
NAMES = cython.declare(cython.Py_ssize_t, 256)  # the same of names
_MEANS_ALONE_BYTES = cython.declare(
    bytes, bytes(slot not in (1, 6, 9, 10, 12, 15, 16, 19) for slot in range(IGNORED + 1))
)
_MEANS_ALONE = cython.declare(cython.p_const_uchar)
_MEANS_ALONE = _MEANS_ALONE_BYTES

NAMED = (
    b":method",
    b":path",
    b":authority",
    b"host",
    b":status",
    b"content-type",
    b"content-encoding",
    b"user-agent",
    b"server",
    b"via",
    b"location",
    b"retry-after",
    b"authorization",
    b"3gpp-sbi-message-priority",
    b"3gpp-sbi-max-rsp-time",
    b"3gpp-sbi-sender-timestamp",
    b"3gpp-sbi-correlation-info",
    b"3gpp-sbi-target-apiroot",
    b"3gpp-sbi-callback",
    b"3gpp-sbi-request-info",
)


@cython.no_gc  # texts, and dicts of texts
@cython.freelist(512)
@cython.final
@cython.cclass
class Fields:
    """The fields of one header block that an event is made of; what was not read is None.

    path, sender_timestamp: octets as on the wire. content_type: without parameters. content_type_whole, location_plain
    and plain are not redacted and stay in the process. plain: Correlation-Info, Producer-Id and the discovery
    parameters by lower-case name; names_subject = it may tell of UE, session, slice or network. others: further
    3gpp-Sbi-* fields, redacted, secrets left out. facts: what those with a grammar say (collector.header_facts).
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.method: str | None = None
        self.path: bytes | None = None
        self.authority: str | None = None
        self.status: int | None = None
        self.content_type: str | None = None
        self.content_type_whole: str | None = None
        self.content_encoding: str | None = None
        self.user_agent: str | None = None
        self.server: str | None = None
        self.via: str | None = None
        self.location: str | None = None
        self.location_plain: str | None = None
        self.retry_after: str | None = None
        self.authorization_scheme: str | None = None
        self.priority: int | None = None
        self.max_rsp_time_ms: int | None = None
        self.sender_timestamp_us: int | None = None
        self.sender_timestamp: bytes | None = None
        self.correlation_info: str | None = None
        self.target_api_root: str | None = None
        self.callback: str | None = None
        self.retransmission = False
        self.idempotency_key: str | None = None
        self.others: dict[str, str] | None = None
        self.facts: dict[str, str] | None = None
        self.plain: dict[str, str] | None = None
        self.names_subject = False


@cython.final
@cython.cclass
class HeaderReader:
    """Reads header blocks, values that come again from memory; 0.1 us a field."""

    def __init__(self, redaction: Redaction) -> None:
        """Read with `redaction`: what it hides is hidden in every text of an event."""
        self._redact = redaction.text
        self._slots: dict[bytes, int] = {name: slot for slot, name in enumerate(NAMED)}
        self._slots[ACCESS_TOKEN] = AUTHORIZATION
        self._names: list[bytes | None] = [None] * NAMES
        self._texts: dict[bytes, str] = {}
        self._locations: dict[bytes, tuple[str, str]] = {}
        self._numbers: dict[bytes, int | None] = {}
        self._kinds: dict[bytes, tuple[str, str]] = {}
        self._seconds: dict[bytes, int] = {}
        self._last_date = b""
        self._last_second = 0
        self._met: list[Any] = [None] * MET
        self._met_meanings: list[Any] = [None] * MET
        self._others: OtherHeaders = OtherHeaders(redaction)

    def read(self, headers: Sequence[tuple[bytes | None, bytes | None]]) -> Fields:
        """Return what the fields say; of one that is there twice, the first that says something counts.

        Via, Content-Encoding and further 3gpp-Sbi-* fields are lists: they are joined (RFC 9110 5.3), and of their
        entries one is told in facts (collector.header_facts).
        """
        fields: Fields = Fields.__new__(Fields) if cython.compiled else Fields()
        field: tuple[bytes | None, bytes | None]
        slot: cython.int
        at: cython.Py_ssize_t = 0
        is_short: cython.bint
        for field in headers:
            if cython.compiled:  # fields of an HPACK table are the same object each time (collector.hpack)
                at = (cython.cast(cython.size_t, cython.cast(cython.p_void, field)) >> 4) & (MET - 1)
                if self._met[at] is field:
                    self._put(fields, self._met_slots[at], self._met_meanings[at])
                    continue
            name = field[0]
            value = field[1]
            if name is None or value is None:
                continue
            slot = self._slot_of(name)
            if slot == IGNORED:  # not worth a place among those met: Content-Length is another one each time
                continue
            if not _MEANS_ALONE[slot]:
                self._take(fields, slot, name, value)
                continue
            meaning = self._meaning(slot, name, value)
            self._put(fields, slot, meaning)
            # Neither what is long is kept, nor a secret.
            is_short = len(value) <= LONGEST_CACHED and len(name) <= LONGEST_NAME
            if cython.compiled and is_short and (slot != OTHER or meaning[2] is not None):
                self._met[at] = field
                self._met_slots[at] = slot
                self._met_meanings[at] = meaning
        return fields

    def _slot_of(self, name: bytes) -> cython.int:
        """Return where a field of that name goes; the name of an HPACK table is the same object each time, too."""
        at: cython.Py_ssize_t = 0
        if cython.compiled:
            at = (cython.cast(cython.size_t, cython.cast(cython.p_void, name)) >> 4) & (NAMES - 1)
            if self._names[at] is name:
                return self._name_slots[at]
        known = self._slots.get(name)
        slot: cython.int = self._slot_of_new(name) if known is None else known
        if cython.compiled and len(name) <= LONGEST_NAME:
            self._names[at] = name
            self._name_slots[at] = slot
        return slot

    def _slot_of_new(self, name: bytes) -> cython.int:
        """Remember which fields are further 3gpp-Sbi-* ones, as long as not too many names were made up."""
        slot: cython.int = OTHER if name.startswith(CUSTOM) or name == CONNECT_INFO else IGNORED
        if len(self._slots) < CACHED and len(name) <= LONGEST_NAME:
            self._slots[name] = slot
        return slot

    def _meaning(self, slot: cython.int, name: bytes, value: bytes) -> Any:
        """Return what a field says whatever stands beside it."""
        if slot == STATUS:
            return self._number(value, 999)
        if slot == CONTENT_TYPE:
            return self._content_type(value)
        if slot == PRIORITY:
            return self._number(value, 31)
        if slot == MAX_RSP_TIME:
            return self._number(value, 99_999)
        if slot == OTHER:
            return self._others.of(name, value)
        return self._text(value)

    def _put(self, fields: Fields, slot: cython.int, meaning: Any) -> None:
        """Put what a field says into its place, if nothing stands there."""
        if slot == METHOD:
            fields.method = fields.method or meaning
        elif slot == AUTHORITY or slot == HOST:  # pseudo-header fields come first (RFC 9113 8.3)
            fields.authority = fields.authority or meaning
        elif slot == STATUS:
            fields.status = meaning if fields.status is None else fields.status
        elif slot == CONTENT_TYPE:
            if fields.content_type is None:
                fields.content_type, fields.content_type_whole = meaning
        elif slot == USER_AGENT:
            fields.user_agent = fields.user_agent or meaning
        elif slot == SERVER:
            fields.server = fields.server or meaning
        elif slot == RETRY_AFTER:
            fields.retry_after = fields.retry_after or meaning
        elif slot == PRIORITY:
            fields.priority = meaning if fields.priority is None else fields.priority
        elif slot == MAX_RSP_TIME:
            fields.max_rsp_time_ms = meaning if fields.max_rsp_time_ms is None else fields.max_rsp_time_ms
        elif slot == TARGET_API_ROOT:
            fields.target_api_root = fields.target_api_root or meaning
        elif slot == CALLBACK:
            fields.callback = fields.callback or meaning
        elif slot == OTHER:
            self._put_other(fields, meaning)

    def _take(self, fields: Fields, slot: cython.int, name: bytes, value: bytes) -> None:
        """Take a field whose meaning depends on others, or that is another one each time."""
        if slot == PATH:
            fields.path = fields.path or value
        elif slot == SENDER_TIMESTAMP:
            if fields.sender_timestamp is None:
                fields.sender_timestamp = value
                fields.sender_timestamp_us = self.timestamp_us(value)
        elif slot == CORRELATION_INFO:
            self._take_correlation_info(fields, value)
        elif slot == LOCATION:
            if fields.location is None:
                self._take_location(fields, value)
        elif slot == VIA:
            fields.via = self._beside(fields.via, value)
        elif slot == CONTENT_ENCODING:
            fields.content_encoding = self._beside(fields.content_encoding, value)
        elif slot == AUTHORIZATION:
            fields.authorization_scheme = fields.authorization_scheme or scheme_of(value)
        elif slot == REQUEST_INFO:
            self._take_request_info(fields, value)
            self._put_other(fields, self._others.of(name, value))

    def _beside(self, before: str | None, value: bytes) -> str:
        text: str = self._text(value)
        return text if before is None else joined(before, text)

    def _take_correlation_info(self, fields: Fields, value: bytes) -> None:
        if fields.correlation_info is None:
            fields.correlation_info = self._text(value)
            if fields.plain is None:
                fields.plain = {}
            fields.plain["3gpp-sbi-correlation-info"] = plain_text(value)
            fields.names_subject = True

    def _take_location(self, fields: Fields, value: bytes) -> None:
        shown: tuple[str, str] | None = self._locations.get(value)
        if shown is None:
            plain = plain_text(value)
            shown = (plain, shortened(self._redact(plain), LONGEST_URI))
            remember(self._locations, value, shown)
        fields.location_plain = shown[0]
        fields.location = shown[1]

    def timestamp_us(self, value: bytes) -> int | None:
        """Return 3gpp-Sbi-Sender-Timestamp in us since the epoch, None if it is no such date.

        IMF-fixdate with milliseconds, `Sun, 22 Nov 2026 20:58:15.866 GMT` (TS 29.500 5.2.3.3.2).
        """
        ms: cython.int = milliseconds_of(value, len(value))
        if ms >= 0 and begins_with(value, self._last_date):
            return self._last_second * 1_000_000 + ms * 1_000
        value = value.strip(b'" ')
        second = self._seconds.get(value[:25])
        if second is None:
            second = seconds_of(value[:25])
            if second is None:
                return None
            if len(self._seconds) >= CACHED:
                self._seconds.clear()
            self._seconds[value[:25]] = second
        self._last_date = value[:25]
        self._last_second = second
        return with_fraction(second, value[25:])

    def _content_type(self, value: bytes) -> tuple[str, str]:
        kinds = self._kinds.get(value)
        if kinds is None:
            bare = plain_text(value.partition(b";")[0].strip().lower())
            kinds = (shortened(self._redact(bare), LONGEST_TEXT), plain_text(value))
            remember(self._kinds, value, kinds)
        return kinds

    def _take_request_info(self, fields: Fields, value: bytes) -> None:
        """TS 29.500 5.2.3.3.16: `retrans=true; idempotency-key=...`, separated by semicolons."""
        for part in plain_text(value).split(";"):
            name, _, said = part.partition("=")
            if name.strip().lower() == "retrans":
                fields.retransmission = said.strip().lower() == "true"
            elif name.strip().lower() == "idempotency-key":
                fields.idempotency_key = said.strip() or None

    def _put_other(self, fields: Fields, meaning: tuple[Any, ...]) -> None:
        other: Other = meaning[0]
        plain, redacted, facts = meaning[1], meaning[2], meaning[3]
        if plain is not None:
            if fields.plain is None:
                fields.plain = {}
            fields.plain.setdefault(other.name, plain)
            if other.names_subject:
                fields.names_subject = True
        if redacted is not None:
            if fields.others is None:
                fields.others = {other.name: redacted}
            elif other.name in fields.others:
                fields.others[other.name] = joined(fields.others[other.name], redacted)
            elif len(fields.others) < MOST_OTHERS:
                fields.others[other.name] = redacted
        if facts is not None:
            fields.facts = facts if fields.facts is None else beside(other.name, fields.facts, facts)

    def _text(self, value: bytes) -> str:
        text = self._texts.get(value)
        if text is None:
            text = shortened(self._redact(plain_text(value)), LONGEST_TEXT)
            remember(self._texts, value, text)
        return text

    def _number(self, value: bytes, most: cython.int) -> int | None:
        number = self._numbers.get(value, -1)
        if number == -1:
            digits = value.strip()
            number = int(digits) if digits.isdigit() and len(digits) <= 9 else None
            remember(self._numbers, value, number)
        return number if number is not None and number <= most else None


def scheme_of(value: bytes) -> str:
    """Return how a request proves that it may ask: `bearer` (RFC 6750) or `other`; nothing else of it is kept."""
    return "bearer" if value[:7].lower() == b"bearer " else "other"
