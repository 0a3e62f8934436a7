"""What the observer hands on: one request or response of one stream, and how it ended."""

import enum
from dataclasses import dataclass, field

from collector.workload import Workload

NOWHERE = Workload()


class Half(enum.IntEnum):
    """Which half of an exchange a message is."""

    REQUEST = 0
    RESPONSE = 1


class Ended(enum.IntEnum):
    """How a half ended; every stream that starts ends exactly once per half that was seen. Names as in Avro."""

    COMPLETE = 0  # END_STREAM seen (RFC 9113 5.1), or the HTTP/1.1 framing says so
    RESET = 1  # RST_STREAM (RFC 9113 6.4)
    GOAWAY = 2  # above the last stream id of a GOAWAY (RFC 9113 6.8)
    CLOSED = 3  # the connection ended first
    GAP = 4  # bytes of it are missing
    TIMEOUT = 5  # nothing more came for the configured time
    MALFORMED = 6  # its frames or header block break the RFC
    EVICTED = 7  # the observer's bound on streams or connections was reached


class HeaderState(enum.IntEnum):
    """What can be vouched for in a header block."""

    EXACT = 0
    PARTIAL = 1
    UNKNOWN = 2


class Vantage(enum.IntEnum):
    """Where the node stands on a connection."""

    CLIENT = 0
    SERVER = 1
    WIRE = 2


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What is known of a connection from its birth; addresses in text form, ports in host order.

    `connection_id` is content, never position (DESIGN 6): 128-bit BLAKE2b, hex.
    `answers_from`: TCP sequence number of the server's first octet, the same at both ends of one connection; None where
    it is not known, and under TLS.
    """

    connection_id: str
    vantage: Vantage
    tls: bool
    client_address: str
    client_port: int
    server_address: str
    server_port: int
    process_id: int | None = None
    process_name: str | None = None
    netns: int | None = None
    workload: Workload = NOWHERE
    answers_from: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the observer; what exceeds one is evicted or cut, and counted."""

    max_streams: int = 1_000  # open streams a connection
    max_header_bytes: int = 65_536  # a header block, CONTINUATION included
    max_table_bytes: int = 65_536  # one dynamic table
    body_bytes: int = 16_384  # body prefix kept of a half
    max_open_bytes: int = 1_048_576  # header fields and body prefixes of all open streams of a connection


@dataclass(slots=True)
class Counters:
    """What the observer lost or refused, by named reason; travels in every batch as `loss`."""

    by_reason: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, amount: int = 1) -> None:
        """Count `amount` more of `reason`."""
        self.by_reason[reason] = self.by_reason.get(reason, 0) + amount
