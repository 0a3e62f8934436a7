"""Which protocol the octets of a connection are; conservative, decided by content, on any port."""

import enum
import re


class Protocol(enum.IntEnum):
    """What a connection carries."""

    UNKNOWN = 0  # too little seen
    H2 = 1
    HTTP1 = 2
    FOREIGN = 3  # neither


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 3.4
LONGEST_METHOD = 32
# Request line or status line (RFC 9112 3, 4); a cut one is judged by what is there.
REQUEST_LINE = re.compile(rb"[A-Z][A-Z-]{0,31} [!-~]{1,16384} HTTP/1\.[01]\r?\n")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [^\r\n]{0,256})?\r?\n")
CUT_REQUEST_LINE = re.compile(
    rb"[A-Z][A-Z-]{0,31}(?: (?:[!-~]{1,16384}(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.[01]?)?)?)?)?)?)?)?)?)?)?\r?\Z"
)
FRAME_HEADER = 9
# An API name and version (TS 29.501 4.4.1) as 3GPP gives them, or the NRF's token endpoint (TS 29.510 5.4.2).
SBI_TARGET = re.compile(rb"/(?:n[a-z0-9]{1,15}-[a-z0-9-]{1,64}|3gpp-[a-z0-9-]{1,64})/v[0-9]|/oauth2/token")
UPGRADE = re.compile(rb"^upgrade:[^\r\n]*h2c", re.IGNORECASE | re.MULTILINE)


def is_preface(data: bytes) -> bool:
    """Tell whether `data` begins with HTTP/2's connection preface."""
    return data.startswith(PREFACE)


def may_be_preface(data: bytes) -> bool:
    """Tell whether `data` can be the begin of the preface, cut short."""
    return PREFACE.startswith(data)


def first_octets(data: bytes) -> tuple[Protocol, bool]:
    """Judge the first octets of a direction: the protocol, and whether they are a client's.

    UNKNOWN: they may yet become either; FOREIGN: they cannot. A server's first octets in HTTP/2 are a SETTINGS frame
    (RFC 9113 3.4).
    """
    if data.startswith(PREFACE):
        return Protocol.H2, True
    if PREFACE.startswith(data):
        return Protocol.UNKNOWN, True
    if REQUEST_LINE.match(data):
        return Protocol.HTTP1, True
    if STATUS_LINE.match(data):
        return Protocol.HTTP1, False
    if CUT_REQUEST_LINE.match(data) or b"HTTP/1.1 200 ".startswith(data[:7]):
        return Protocol.UNKNOWN, True
    if _is_first_settings(data):
        return (Protocol.H2 if len(data) >= FRAME_HEADER else Protocol.UNKNOWN), False
    return Protocol.FOREIGN, True


def _is_first_settings(data: bytes) -> bool:
    """Tell whether the octets are, as far as there, the header of a SETTINGS frame that is no acknowledgement."""
    shape = ((0, 0), (0, 1), (0, 255), (4, 4), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0))
    if any(not low <= octet <= high for octet, (low, high) in zip(data, shape, strict=False)):
        return False
    return len(data) < 3 or int.from_bytes(data[:3], "big") % 6 == 0


def is_foreign_http1(data: bytes) -> bool:
    """Tell whether `data` begins with a request of HTTP/1.1 that is none of SBI, nor asks for HTTP/2.

    SBI is HTTP/2 (TS 29.500 5.2); what speaks HTTP/1.1 on a node is mostly health checks, metrics and databases.
    """
    line = REQUEST_LINE.match(data)
    return line is not None and not SBI_TARGET.search(line.group()) and not UPGRADE.search(data)
