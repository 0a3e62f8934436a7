"""The body as it may leave the node, where capture of bodies is switched on: no secrets, no identifiers (DESIGN 7)."""

import re
from typing import Any

import msgspec

from collector.body import json_text
from collector.encoded_identifier import REMOVED
from collector.identifier_grammar import by_place, ip_identifier
from collector.identifiers import UUID
from collector.json_prefix import closed
from collector.pseudonym import Pseudonyms, is_pseudonym
from collector.redaction import Redaction
from collector.secret_members import is_opaque, is_secret

DEEPEST = 48
_encode = msgspec.json.Encoder().encode
# Members that name a user, maybe without a prefix that tells.
_WHOM = re.compile(
    r"supi|suci|gpsi|msisdn|imsi|pei|imei|imp[iu]|guti|tmsi|subscriberid|ueid|userid|username|individualid|phone|^tel(?:no|num|$)|"
    r"sipuri|calling|called|number|csrn|scaddress|externalid|extid|originator|recipient|identit|"
    r"mac(?:s?$|[_-]?add|48)",
    re.IGNORECASE,
)
# Of them, those whose number may be written as one: what is counted or numbered is none.
_OF_DIGITS = re.compile(
    r"supi|gpsi|msisdn|imsi|pei|imei|tmsi|subscriberid|ueid|userid|individualid|phone|^tel(?:no|num|$)|calling|called|csrn",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\+?[0-9](?:[ ().-]{0,2}[0-9]){3,}")
_MAC = re.compile(r"(?:mac-)?(?:[0-9a-f]{2}[-:.]?){5}[0-9a-f]{2}", re.IGNORECASE)
# Objects that describe an NF: addresses in them are not those of a UE (TS 29.510), but where a member says so.
_OF_NF = re.compile(r"endpoint|nfservice|nfprofile|nfinstance|ipv[46]addresses|smfinfo|bsfinfo", re.IGNORECASE)
_OF_UE = re.compile(r"(?:(?:^|[_-])[uU][eE]|U[eE])[_-]?(?:[iI][pP]|[aA]ddr)|[fF]ramed|FRAMED")
SHORTEST_NUMBER = 10_000  # the least number of five digits
LONG_NUMBER = 10**9  # from here on whatever the member


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
                self._text(key, "", of_nf): self._member(inner, key, of_nf, depth + 1) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._value(inner, member, of_nf, depth + 1) for inner in value]
        if isinstance(value, str):
            return self._text(value, member, of_nf)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(value, member, of_nf)
        return value

    def _number(self, value: float, member: str, of_nf: bool) -> Any:
        """Return what stands for a number that may name a user: one of five digits under his name, else of ten."""
        size = abs(value)
        if size < SHORTEST_NUMBER or value != value // 1 or (size < LONG_NUMBER and not _OF_DIGITS.search(member)):
            return value
        text = str(int(value))
        hidden = self._text(text, member, of_nf)
        return value if hidden == text else hidden

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
        if is_secret(key):
            return REMOVED
        return self._value(value, key, bool(of_nf or _OF_NF.search(key)) and not _OF_UE.search(key), depth)

    def _text(self, text: str, member: str, of_nf: bool) -> str:
        if not self._pseudonyms.plain:
            if not of_nf and (address := ip_identifier(text)) is not None:
                return self._pseudonyms.of(address)
            if _WHOM.search(member):
                return self._named(text, member)
        hidden = self._redaction.text(text) if of_nf else self._redaction.sentence(text)
        return REMOVED if hidden == text and is_opaque(text) else hidden

    def _named(self, text: str, member: str) -> str:
        """Return what stands for the value of a member that names a user, whatever it looks like."""
        if "mac" in member.lower() and _MAC.fullmatch(text):
            return self._pseudonyms.of(f"mac-{text.lower().removeprefix('mac-')}")
        if _DIGITS.fullmatch(text) and not UUID.fullmatch(text):
            return self._pseudonyms.of(by_place(text, member))
        hidden = self._redaction.sentence(text)
        if hidden != text or not text or UUID.fullmatch(text) or is_pseudonym(text):
            return hidden
        return self._pseudonyms.of(f"id-{text}")


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
