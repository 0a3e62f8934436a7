"""What of a message may be written into a capture: header fields without identifiers and secrets, and its JSON."""

from dataclasses import dataclass

from collector.body_redaction import BodyRedaction
from collector.halves import Message
from collector.header_text import plain_text
from collector.message import Ended, Half
from collector.other_headers import NAME
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.sbi_headers import CONNECT_INFO, CUSTOM
from collector.secret_headers import SECRET_HEADERS
from collector.selection import SBI

CHANGED = frozenset({"content-length", "content-encoding", "content-type", "host"})
JSON, PROBLEM = "application/json", "application/problem+json"

Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """One half of an exchange as it is written: fields in order, the body anew, and when each came."""

    half: Half
    stream_id: int
    fields: tuple[Field, ...]
    body: bytes
    headers_ns: int
    last_byte_ns: int
    ended: Ended


class MessageRedaction:
    """Makes messages fit to be written."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._redaction = Redaction(pseudonyms)
        self._body = BodyRedaction(self._redaction, pseudonyms).redacted

    def of(self, message: Message) -> Written:
        """Return what may be written of a message: inferred fields, whole payloads and trailers are left out."""
        plain = {plain_text(name): plain_text(value) for name, value in message.headers if name and value is not None}
        kind, coding = plain.get("content-type"), plain.get("content-encoding")
        body = self._body(kind, coding, message.body, message.body_bytes) if message.body else None
        fields = [
            field
            for name, value in message.headers
            if name is not None and value is not None and (field := self._field(name, value, message.inferred))
        ]
        if kind is not None:
            fields.append(("content-type", self._kind(kind, body is not None)))
        if body is not None:
            fields.append(("content-length", str(len(body))))
        return Written(
            Half(message.half),
            message.stream_id,
            tuple(sorted(fields, key=lambda field: not field[0].startswith(":"))),  # RFC 9113 8.3
            body or b"",
            message.headers_ns,
            message.last_byte_ns,
            Ended.CLOSED if message.ended is None else Ended(message.ended),
        )

    def _field(self, name: bytes, value: bytes, inferred: tuple[str, ...]) -> Field | None:
        """Return a field of those that events are made of; None where it is no such or must not leave."""
        text = plain_text(name.lower())
        if not SBI.wants(name.lower()) or text in CHANGED or text in inferred:
            return None
        if name.lower().startswith(CUSTOM) or name.lower() == CONNECT_INFO:
            if not NAME.fullmatch(text) or "credentials" in text or "token" in text:
                return None
            text = self._redaction.text(text)
        if text in SECRET_HEADERS:
            return None
        shown = self._redaction.header(text, plain_text(value))
        return None if shown is None else (text, shown)

    def _kind(self, kind: str, has_json: bool) -> str:
        if not has_json:
            return self._redaction.text(kind)
        return PROBLEM if kind.lower().startswith(PROBLEM) else JSON
