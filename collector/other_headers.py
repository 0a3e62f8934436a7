# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What the 3gpp-Sbi-* fields without a place of their own in the event say, remembered within one bound."""

import re
from typing import Any

import cython

from collector.header_facts import facts_of
from collector.header_text import LONGEST_NAME, LONGEST_TEXT, is_cached, plain_text, shortened
from collector.redaction import Redaction
from collector.secret_headers import is_secret

DISCOVERY = "3gpp-sbi-discovery-"
PRODUCER_ID = "3gpp-sbi-producer-id"
# What tells nothing of UE, session, slice, network or instance.
NO_SUBJECT = frozenset({PRODUCER_ID, "target-nf-type", "service-names", "requester-nf-type", "requester-features"})
NAME = re.compile(r"3gpp-(?:sbi-[a-z0-9-]{1,60}|connect-req-info)")
MOST_HELD_BYTES = 2_097_152  # names and values of all fields together
NAME_OVERHEAD = 512  # about what a name takes beside its octets
VALUE_OVERHEAD = 256
LONGEST_LAST = 16_384  # octets of the one value kept beside them
FACT_OVERHEAD = 128

Shown = tuple[str | None, str | None, dict[str, str] | None]
"""What is read of a value, what may be told of it, and the facts of that."""


@cython.final
@cython.cclass
class Other:
    """A 3gpp-Sbi-* field without a place of its own in the event, and the values it had.

    is_held: it is counted, so that its values may be.
    """

    def __init__(self, name: bytes, redact: object) -> None:
        text = plain_text(name.lower())
        self.is_secret = is_secret(text)
        self.name = text if NAME.fullmatch(text) else "3gpp-sbi-?"
        if callable(redact):
            self.name = redact(self.name)
        self.is_read = self.name.startswith(DISCOVERY) or self.name == PRODUCER_ID
        self.names_subject = self.is_read and self.name.removeprefix(DISCOVERY) not in NO_SUBJECT
        self.is_held = False
        self.values: dict[bytes, Shown] = {}


@cython.final
@cython.cclass
class OtherHeaders:
    """Tells what such fields say; what is held of all of them is counted in octets, and full it begins anew."""

    def __init__(self, redaction: Redaction) -> None:
        """Read with `redaction`."""
        self._redact = redaction.text
        self._redact_header = redaction.header
        self._named: dict[bytes, Other] = {}
        self.held_bytes = 0
        self._last: Other | None = None
        self._last_value = b""
        self._last_shown: Shown = (None, None, None)

    def of(self, name: bytes, value: bytes) -> tuple[Any, ...]:
        """Return which field it is, its value if it is read, if it may be told, and the facts of what may be told."""
        other: Other | None = self._named.get(name)
        if other is None:
            other = self._met(name)
        if other.is_secret:
            return other, None, None, None
        shown = other.values.get(value)
        if shown is None:
            shown = self._shown_now(other, value)
        return (other, *shown)

    def _shown_now(self, other: Other, value: bytes) -> Shown:
        """Return what a value says that is not held; one too long to be held is kept until another comes."""
        if other is self._last and value == self._last_value:
            return self._last_shown
        shown: Shown = self._shown(other, value)
        if is_cached(value):
            if other.is_held and self._has_room(weight_of(value, shown)):
                other.values[value] = shown
        elif len(value) <= LONGEST_LAST:
            self._last, self._last_value, self._last_shown = other, value, shown
        return shown

    def _met(self, name: bytes) -> Other:
        other: Other = Other(name, self._redact)
        if len(name) <= LONGEST_NAME and self._has_room(len(name) + NAME_OVERHEAD):
            other.is_held = True
            self._named[name] = other
        return other

    def _has_room(self, weight: cython.Py_ssize_t) -> cython.bint:
        """Count what is to be held; where that is too much, all is forgotten, and this is not held."""
        if self.held_bytes + weight <= MOST_HELD_BYTES:
            self.held_bytes += weight
            return True
        other: Other
        for other in self._named.values():  # some are at hand elsewhere: without values, and none comes any more
            other.is_held = False
            other.values.clear()
        self._named.clear()
        self.held_bytes = 0
        return False

    def _shown(self, other: Other, value: bytes) -> Shown:
        text = plain_text(value)
        redacted = self._redact_header(other.name, text)
        read = text if other.is_read else None
        if redacted is None:
            return read, None, None
        return read, shortened(redacted, LONGEST_TEXT), facts_of(other.name, redacted)


def weight_of(value: bytes, shown: Shown) -> int:
    """Return about how many octets a value takes with what it says."""
    facts = shown[2] or {}
    told = 2 * len(shown[1] or "") + sum(FACT_OVERHEAD + 2 * len(fact) for fact in facts.values())
    return VALUE_OVERHEAD + len(value) + len(shown[0] or "") + told
