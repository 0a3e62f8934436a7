# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a body says, as far as it was kept: only the fields needed are read, and no body can do harm."""

import enum
import re
import zlib
from typing import Any

import cython
import msgspec

from collector.document import (
    FIELDS,
    GROUPS,
    OF_CAUSE,
    OF_CHANGES,
    OF_NFS,
    OF_REFERENCES,
    OF_VERDICT,
    OF_WHOM,
    OF_WRAPPED,
    members_of,
)
from collector.document_facts import (
    profiles_in,
)
from collector.identifiers import NO_IDENTIFIERS
from collector.json_prefix import closed
from collector.nf_profile import NfProfile
from collector.uri import LONGEST, split_uri

if cython.compiled:
    from cython.cimports.collector.document_facts import (
        cause_of,
        identifiers_at_top,
        identifiers_of,
        patched_of,
        references_of,
        verdict_of,
    )
    from cython.cimports.collector.identifiers import Identifiers
    from cython.cimports.collector.json_members import MemberReader
    from cython.cimports.collector.multipart import json_part
    from cython.cimports.collector.string_end import string_end
else:
    from collector.document_facts import (
        cause_of,
        identifiers_at_top,
        identifiers_of,
        patched_of,
        references_of,
        verdict_of,
    )
    from collector.identifiers import Identifiers
    from collector.json_members import MemberReader
    from collector.multipart import json_part
    from collector.string_end import string_end

MOST_BYTES = 262_144  # read of a body, also of what it inflates to
MOST_CALLBACKS = 16
LONGEST_KEY = 128  # characters of the key of a callback URI
LONGEST_WORD = 64
_ENDS = (b"Uri", b"URI", b"Url")
_VALUE = re.compile(rb'\s*:\s*"([^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*)"')
_NO_CALLBACKS = frozenset({"nfInstanceUri", "targetUri", "resourceUri", "n1n2MsgDataUri", "externalDocsUri"})
_WHITE = b" \t\r\n\xef\xbb\xbf"
NO_VERDICT = (None, False)
_BYTE = re.compile(r"\(byte ([0-9]+)\)")
_MEMBERS = cython.declare(MemberReader, MemberReader(FIELDS))
_WHOM = cython.declare(cython.int, OF_WHOM)
_CAUSE = cython.declare(cython.int, OF_CAUSE)
_VERDICT = cython.declare(cython.int, OF_VERDICT)
_REFERENCES = cython.declare(cython.int, OF_REFERENCES)
_NFS = cython.declare(cython.int, OF_NFS)
_CHANGES = cython.declare(cython.int, OF_CHANGES)
_WRAPPED = cython.declare(cython.int, OF_WRAPPED)
REMOTE_ERROR = cython.declare(cython.Py_ssize_t, FIELDS.index("remoteError"))


Text = tuple[bytes, bool]  # JSON, and whether it is all there


class BodyState(enum.IntEnum):
    """As in the schema's enumeration of the same name."""

    NONE = 0  # no body, or one that is not JSON by its kind
    WHOLE = 1
    TRUNCATED = 2  # its known prefix was read
    MALFORMED = 3  # no JSON where JSON must be; what stands before the fault was read


WHOLE, TRUNCATED, MALFORMED = BodyState.WHOLE, BodyState.TRUNCATED, BodyState.MALFORMED


class Callback(msgspec.Struct, frozen=True, gc=False):
    """A URI on which the sender of a request wants to be called: the key it stands under, as in smContextStatusUri.

    place: its authority and path, None if it is no locator.
    """

    key: str
    uri: str
    place: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Take the URI apart once: the same body comes again."""
        msgspec.structs.force_setattr(self, "place", split_uri(self.uri))


@cython.no_gc  # holds what makes no circles
@cython.final
@cython.cclass
class BodyFacts:
    """What is needed of a body.

    cause: of the ProblemDetails wherever it stands, the `error` of OAuth2, or any `cause` the document has.
    result: verdict inside the body (SBI.md 9), failed = it is a failure whatever the status says.
    remote_error: an NF behind the sender made the error (TS 29.502 6.1.6.2.4).
    references: (key, id) of resources named in the body, as ("subscriptionId", "7").
    profiles: of NFs, in registrations, notifications, discovery answers.
    patched: (path, value) of the replacements of a JSON Patch whose value is a text or number, as ("/nfStatus", …).
    unreadable: why a body could not be read at all: a content coding that is not gzip or deflate.
    """

    def __init__(
        self,
        state: BodyState = BodyState.NONE,
        identifiers: Identifiers = NO_IDENTIFIERS,
        cause: str | None = None,
        result: str | None = None,
        failed: cython.bint = False,
        remote_error: cython.bint = False,
        callbacks: tuple[Callback, ...] = (),
        references: tuple[tuple[str, str], ...] = (),
        profiles: tuple[NfProfile, ...] = (),
        patched: tuple[tuple[str, str | int], ...] = (),
        unreadable: str | None = None,
    ) -> None:
        """Say these; never changed thereafter."""
        self.state = state
        self.identifiers = identifiers
        self.cause = cause
        self.result = result
        self.failed = failed
        self.remote_error = remote_error
        self.callbacks = callbacks
        self.references = references
        self.profiles = profiles
        self.patched = patched
        self.unreadable = unreadable


NO_BODY = BodyFacts()
_TRUNCATED = BodyFacts(TRUNCATED)
_MALFORMED = BodyFacts(MALFORMED)
_SCALAR = BodyFacts(WHOLE)
_SCALARS = (b"null", b"true", b"false", b'""')


@cython.ccall
def read_body(
    content_type: str | None, content_encoding: str | None, prefix: bytes, body_bytes: cython.Py_ssize_t
) -> BodyFacts:
    """Return what a body says of which `prefix` was kept and that had `body_bytes` on the wire.

    Never raises, runs in bounded time: at most MOST_BYTES are looked at. A small JSON body takes about 5 µs.
    """
    if not prefix:
        return _TRUNCATED if body_bytes else NO_BODY
    found: tuple[bytes, bool] | None = json_text(content_type, content_encoding, prefix, body_bytes)
    if found is not None:
        return _read_json(found[0], found[1])
    if content_encoding and _inflated(content_encoding, prefix[:MOST_BYTES]) is None:
        return BodyFacts(MALFORMED, unreadable=f"content-encoding {content_encoding}"[:LONGEST_WORD])
    if len(prefix) < body_bytes:
        return _TRUNCATED
    if prefix.strip(_WHITE) in _SCALARS:
        return _SCALAR
    return _MALFORMED if "json" in (content_type or "").lower() else NO_BODY


@cython.ccall
def json_text(
    content_type: str | None, content_encoding: str | None, prefix: bytes, body_bytes: cython.Py_ssize_t
) -> Text | None:
    """Return the JSON of a body, out of gzip and multipart, and whether it is all there; None if there is none."""
    body: bytes = prefix
    whole: cython.bint = len(prefix) >= body_bytes
    if len(body) > MOST_BYTES:
        body, whole = body[:MOST_BYTES], False
    if content_encoding or body.startswith(b"\x1f\x8b"):
        inflated = _inflated(content_encoding, body)
        if inflated is None:
            return None
        body, whole = inflated[0], whole and inflated[1]
    kind: str = content_type or ""
    if _is_multipart(kind) or (not kind and body.startswith(b"--")):
        part: tuple[bytes, bool] | None = json_part(kind, body)
        if part is None:
            return None
        body, whole = part
    text: bytes = body.strip(_WHITE)
    return (text, whole) if text.startswith((b"{", b"[")) else None


@cython.cfunc
@cython.exceptval(check=False)
def _is_multipart(kind: str) -> cython.bint:
    return len(kind) > 8 and kind[0] in "mM" and kind[:9].lower() == "multipart"


def _inflated(encoding: str | None, body: bytes) -> tuple[bytes, bool] | None:
    """Return the inflated body, at most MOST_BYTES of it, and whether that is all; None if it cannot be inflated."""
    coding = (encoding or "gzip").strip().lower()
    if coding in ("identity", ""):
        return body, True
    if coding not in ("gzip", "x-gzip", "deflate"):
        return None
    inflater = zlib.decompressobj(47 if coding != "deflate" or body[:1] == b"\x78" else -15)
    try:
        return inflater.decompress(body, MOST_BYTES), inflater.eof
    except zlib.error:
        return None


@cython.cfunc
def _read_json(body: bytes, whole: cython.bint) -> BodyFacts:
    if whole:
        members: list[Any] | None = _MEMBERS.read(body)
        if members is not None:
            return _facts(WHOLE, members, () if _MEMBERS.calls is None else _called(body, _MEMBERS.calls))
    state = WHOLE if whole else TRUNCATED
    try:
        members = members_of(body if whole else closed(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        state = MALFORMED if whole else TRUNCATED
        members = _before_fault(body, error)
    return _facts(state, members, _callbacks(body))


def _before_fault(body: bytes, error: Exception) -> list[Any]:
    found = _BYTE.search(str(error))
    try:
        return members_of(closed(body[: int(found[1])] if found else body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return [None] * len(FIELDS)


@cython.cfunc
def _facts(state: BodyState, members: list[Any], callbacks: tuple[Callback, ...]) -> BodyFacts:
    told: cython.int = _told(members, GROUPS)
    facts: BodyFacts = BodyFacts.__new__(BodyFacts)  # a quarter of the time of a call of the class
    facts.state = state
    facts.identifiers = NO_IDENTIFIERS
    if told & _WRAPPED:
        facts.identifiers = identifiers_of(members)
    elif told & _WHOM:
        facts.identifiers = identifiers_at_top(members)
    facts.cause = cause_of(members) if told & _CAUSE else None
    facts.result, facts.failed = verdict_of(members) if told & _VERDICT else NO_VERDICT
    facts.remote_error = members[REMOTE_ERROR] is True
    facts.callbacks = callbacks
    facts.references = references_of(members) if told & _REFERENCES else ()
    facts.profiles = profiles_in(members) if told & _NFS else ()
    facts.patched = patched_of(members) if told & _CHANGES else ()
    facts.unreadable = None
    return facts


@cython.cfunc
def _told(members: list[Any], groups: cython.p_const_uchar) -> cython.int:
    """Return what a document with these members may tell of, as the bits of GROUPS say."""
    told: cython.int = 0
    place: cython.Py_ssize_t
    for place in range(len(members)):
        if members[place] is not None:
            told |= groups[place]
    return told


def _callbacks(body: bytes) -> tuple[Callback, ...]:
    """Return the texts under keys that end in Uri, URI, Url or Reference, at any depth."""
    ends: list[int] = []
    p: cython.p_const_uchar = body
    at: cython.Py_ssize_t
    for at in range(4, len(body)):
        # In one pass, as four searches of a body took a fifth of all that the agent does.
        if p[at] == 34 and p[at - 1] in b"iIle":
            ends.append(at)  # noqa: PERF401 (compiled)
    return _called(body, ends)


@cython.ccall
def _called(body: bytes, ends: list[int]) -> tuple[Callback, ...]:
    """Return the callbacks among the keys that end at `ends`."""
    found: list[Callback] = []
    at: cython.Py_ssize_t
    for at in ends:
        if len(found) < MOST_CALLBACKS and _names_callback(body, at):
            uri: str | None = _value(body, at + 1)
            if uri and len(uri) <= LONGEST and (":" in uri or uri[0] == "/"):
                key = body[body.rfind(b'"', 0, at) + 1 : at].decode("ascii", "replace")
                if len(key) <= LONGEST_KEY and key not in _NO_CALLBACKS:
                    found.append(Callback(key, uri))
    return tuple(found)


@cython.cfunc
def _value(body: bytes, at: cython.Py_ssize_t) -> str | None:
    """Return the text that is the value of the key that ends before `at`; the usual one needs no grammar."""
    begin: cython.Py_ssize_t = at + 3 if body.startswith(b': "', at) else at + 2
    end: cython.Py_ssize_t = len(body)
    if begin <= end and body.startswith((b': "', b':"'), at):
        over: cython.Py_ssize_t = string_end(body, begin, end)
        if over < end and body[over] == 34:
            return body[begin:over].decode("ascii")
    value = _VALUE.match(body, at)
    return None if value is None else _text(value[1])


@cython.cfunc
def _names_callback(body: bytes, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether the key that ends at `end` is of a URI."""
    return body[end - 3 : end] in _ENDS or body.endswith(b"Reference", 0, end)


@cython.cfunc
def _text(raw: bytes) -> str | None:
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        decoded: Any = msgspec.json.decode(b'"' + raw + b'"')
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return decoded if isinstance(decoded, str) else None
