"""The body as it may leave the node, where capture of bodies is switched on: no secrets, no identifiers (DESIGN 7)."""

import re
from typing import Any

import msgspec

from collector.body import json_text
from collector.encoded_identifier import REMOVED
from collector.identifier_grammar import ip_identifier
from collector.identifiers import UUID, ue_id
from collector.json_prefix import closed
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.secret_members import is_opaque, is_secret

DEEPEST = 48
_encode = msgspec.json.Encoder().encode
# Members that name a user, maybe without a prefix that tells.
_NUMBER = re.compile(
    r"supi|suci|gpsi|msisdn|imsi|pei|imei|imp[iu]|guti|tmsi|subscriberid|ueid|userid|username|individualid|"
    r"sipuri|calling|called|number|externalid|extid|originator|recipient|identit",
    re.IGNORECASE,
)
# Objects that describe an NF: addresses in them are not those of a UE (TS 29.510).
_OF_NF = re.compile(r"endpoint|nfservice|nfprofile|nfinstance|ipv[46]addresses|smfinfo|bsfinfo", re.IGNORECASE)


class BodyRedaction:
    """Makes a body fit to leave: JSON alone, also out of multipart; what is no JSON never leaves."""

    def __init__(self, redaction: Redaction, pseudonyms: Pseudonyms) -> None:
        self._redaction = redaction
        self._pseudonyms = pseudonyms

    def redacted(
        self, content_type: str | None, content_encoding: str | None, prefix: bytes, body_bytes: int
    ) -> bytes | None:
        """Return the redacted JSON of a body, cut to its readable beginning; None where nothing may leave.

        Secrets by name (collector.secrets) and whatever looks like key material become "removed", identifiers their
        pseudonyms. With plain pseudonyms identifiers stay, secrets do not.
        """
        found = json_text(content_type, content_encoding, prefix, body_bytes)
        if found is None:
            return None
        text, whole = found
        document = _decoded(text if whole else closed(text))
        if document is None and whole:
            document = _decoded(closed(text))
        return None if document is None else _encode(self._value(document, "", False, 0))

    def _value(self, value: Any, member: str, of_nf: bool, depth: int) -> Any:
        if depth > DEEPEST:
            return REMOVED
        if isinstance(value, dict):
            if "op" in value and isinstance(path := value.get("path"), str):
                return self._patch(value, path, depth)
            return {
                self._text(key, "", True): self._member(inner, key, of_nf or bool(_OF_NF.search(key)), depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._value(inner, member, of_nf, depth + 1) for inner in value]
        if isinstance(value, str):
            return self._text(value, member, of_nf)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**9:
            return self._text(str(value), member, of_nf)
        return value

    def _patch(self, operation: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        """Return an operation of a JSON Patch (RFC 6902): what its path names is what its value is."""
        names = [one.replace("~1", "/").replace("~0", "~") for one in path.split("/")]
        hidden = any(is_secret(one) for one in names)
        value = operation.get("value")
        return {
            "op": self._text(str(operation["op"]), "", True),
            "path": self._text(path, "", True),
            "value": REMOVED if hidden else self._value(value, names[-1], False, depth + 1),
        }

    def _member(self, value: Any, key: str, of_nf: bool, depth: int) -> Any:
        return REMOVED if is_secret(key) else self._value(value, key, of_nf, depth)

    def _text(self, text: str, member: str, of_nf: bool) -> str:
        if not self._pseudonyms.plain:
            if not of_nf and (address := ip_identifier(text)) is not None:
                return self._pseudonyms.of(address)
            if _NUMBER.search(member):
                return self._named(text)
        hidden = self._redaction.text(text)
        return REMOVED if hidden == text and is_opaque(text) else hidden

    def _named(self, text: str) -> str:
        """Return what stands for the value of a member that names a user, whatever it looks like."""
        hidden = self._redaction.text(text)
        if hidden != text or not text or UUID.fullmatch(text):
            return hidden
        whole = ue_id(text)
        return self._pseudonyms.of(whole or f"id-{text}")


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
