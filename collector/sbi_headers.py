"""What the header fields of a message say, by name: text, numbers, times; secrets stay out."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collector.halves import Message

CUSTOM = "3gpp-sbi-"
# Tokens and credentials (TS 29.500 5.2.3.2): their values never leave the node.
SECRET = frozenset(("3gpp-sbi-access-token", "3gpp-sbi-client-credentials", "3gpp-sbi-source-nf-client-credentials"))
# Those with a field of their own in the event.
NAMED = frozenset(
    (
        "3gpp-sbi-callback",
        "3gpp-sbi-correlation-info",
        "3gpp-sbi-max-rsp-time",
        "3gpp-sbi-message-priority",
        "3gpp-sbi-sender-timestamp",
        "3gpp-sbi-target-apiroot",
    )
)
MOST_CHARACTERS = 1_024
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TIMESTAMP = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))? GMT")


@dataclass(slots=True)
class SbiHeaders:
    """The header fields of one half by lower-case name, decoded; of a repeated one the first."""

    values: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, most: int) -> int | None:
        """Return a field as a whole number 0..most, None if it is absent or none."""
        text = self.values.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most else None

    def others(self) -> dict[str, str]:
        """Return the further 3gpp-Sbi-* fields, secrets left out."""
        return {
            name: value
            for name, value in self.values.items()
            if name.startswith(CUSTOM) and name not in SECRET and name not in NAMED
        }


def text_of(value: bytes) -> str:
    """Return a header value as text; octets that are no UTF-8 stay visible, escaped, and absurd lengths are cut."""
    return value[:MOST_CHARACTERS].decode(errors="backslashreplace")


def read_headers(message: Message) -> SbiHeaders:
    """Return what is known of the fields of `message`."""
    read = SbiHeaders()
    for name, value in message.headers:
        if name is not None and value is not None:
            read.values.setdefault(name.decode(errors="backslashreplace"), text_of(value))
    return read


def timestamp_us(text: str) -> int | None:
    """Return 3gpp-Sbi-Sender-Timestamp in us since the epoch (TS 29.500 5.2.3.3.2), None if it is no such date."""
    found = TIMESTAMP.fullmatch(text.strip('"'))
    if found is None or found[2] not in MONTHS:
        return None
    day, month, year, hour, minute, second = (found[1], MONTHS.index(found[2]) + 1, *found.group(3, 4, 5, 6))
    try:
        whole = datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    return int(whole.timestamp()) * 1_000_000 + int((found[7] or "0").ljust(6, "0"))
