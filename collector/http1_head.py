"""A message's start line and field lines in HTTP/1.1 (RFC 9112 3, 4, 5), and what they say of its body (6.3)."""

import re

from collector.hpack import shared_name
from collector.http1_state import Input
from collector.selection import Selection

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~\x80-\xff]{1,32768}) HTTP/1\.([01])\r?\n\Z")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n\Z")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*\r?\n\Z")
FOLDED_LINE = re.compile(rb"[ \t]+([^\r\n\0]*?)[ \t]*\r?\n\Z")  # RFC 9112 5.2, obsolete
ABSOLUTE_FORM = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)\Z")  # RFC 9112 3.2.2
PREFACE_LINE = b"PRI * HTTP/2.0\r\n"
EMPTY_LINES = (b"\r\n", b"\n")
MAX_LENGTH = 1 << 60

# What a start line looks like that is believed after a loss: methods of SBI and RFC 9110, not any token.
METHODS = b"GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE"
PLAUSIBLE_REQUEST = re.compile(rb"(?:" + METHODS + rb") [!-~]{1,32768} HTTP/1\.[01]\r?\n\Z")
STARTS = {True: tuple(METHODS.split(b"|")), False: (b"HTTP/1.1 ", b"HTTP/1.0 ")}

METHOD, SCHEME, AUTHORITY, PATH, STATUS = (
    shared_name(name) for name in (b":method", b":scheme", b":authority", b":path", b":status")
)
Fields = list[tuple[bytes | None, bytes | None]]


def may_start(from_client: bool, data: bytes) -> bool:
    """Tell whether octets may be the begin of a start line that is believed after a loss; it may be cut short."""
    if from_client:
        method = data[:8].split(b" ")[0]
        return any(known.startswith(method) if method == data else known == method for known in STARTS[True])
    return any(start.startswith(data[:9]) for start in STARTS[False])


def is_plausible(from_client: bool, line: bytes) -> bool:
    """Tell whether a whole start line is believed after a loss."""
    return not from_client or PLAUSIBLE_REQUEST.match(line) is not None


class Head:
    """The head of one message, line by line; the same fields as HTTP/2 would have (RFC 9113 8.3, 10.3).

    A request's Host becomes `:authority`; there is no `:scheme` unless the target is in absolute form. Names are in
    lower case. Of fields that nobody reads only what frames the body is kept.
    """

    def __init__(self, from_client: bool, selection: Selection) -> None:
        self.from_client = from_client
        self._selection = selection
        self.method = b""
        self.status = 0
        self.pseudo: Fields = []
        self.fields: Fields = []
        self._lengths: list[bytes] = []
        self._codings = b""
        self._upgrade = b""
        self._last: bytes | None = None
        self._has_settings = self._has_origin = False

    def start(self, line: bytes) -> bool:
        """Take the start line; False if it is none."""
        if not self.from_client:
            found = STATUS_LINE.match(line)
            if found:
                self.status = int(found[2])
                self.pseudo = [(STATUS, found[2])]
            return found is not None
        found = REQUEST_LINE.match(line)
        if found:
            self.method = found[1]
            self.pseudo = [(METHOD, found[1]), *_target(found[1], found[2])]
        return found is not None

    def add(self, line: bytes) -> bool:
        """Take a field line; False if it is none."""
        folded = FOLDED_LINE.match(line) if line[:1] in (b" ", b"\t") else None
        if folded:
            return self._unfold(folded[1])
        found = FIELD_LINE.match(line)
        if found is None:
            return False
        name, value = shared_name(found[1].lower()), found[2]
        self._last = name
        if self._note(name, value) and self._selection.wants(name):
            self.fields.append((name, value))
        return True

    @property
    def headers(self) -> Fields:
        """Return the fields read so far, pseudo-headers first."""
        return self.pseudo + self.fields

    @property
    def is_believable(self) -> bool:
        """Whether it is believed after a loss: a request has a Host (RFC 9112 3.2), a response something usual."""
        if self.from_client:
            return not self.missing
        return bool(self._lengths or self._codings or self._upgrade or self._has_origin)

    @property
    def size(self) -> int:
        """Return what the fields kept are worth, in octets (RFC 9113 6.5.2)."""
        return sum(32 + len(name or b"") + len(value or b"") for name, value in self.headers)

    @property
    def missing(self) -> tuple[str, ...]:
        """Name the pseudo-headers that are not there yet."""
        return (":authority",) if self.from_client and self._missing_authority else ()

    @property
    def asks_h2c(self) -> bool:
        """Whether the request asks for HTTP/2 (RFC 7540 3.2)."""
        return self._has_settings and self._names_h2c()

    def body(self, request_method: bytes) -> Input:
        """Return how the message goes on after its fields (RFC 9112 6.3); `request_method` of a response's request."""
        if self.status == 101:
            return Input.SWITCH if self._names_h2c() else Input.LEAVE
        if 100 <= self.status < 200:
            return Input.INTERIM
        if request_method == b"CONNECT" and 200 <= self.status < 300:
            return Input.LEAVE
        if request_method == b"HEAD" or self.status in (204, 304):
            return Input.NO_BODY
        if self._codings:
            return self._coded()
        if not self._lengths:
            return Input.NO_BODY if self.from_client else Input.UNSIZED
        if self.length < 0:
            return Input.MALFORMED
        return Input.SIZED if self.length else Input.NO_BODY

    @property
    def length(self) -> int:
        """Content-Length in octets; -1 if it is none, or there are several (RFC 9112 6.3, rule 5)."""
        values = {value.strip() for length in self._lengths for value in length.split(b",")}
        value = values.pop() if len(values) == 1 else b""
        return int(value) if value.isdigit() and len(value) < 19 else -1

    def _coded(self) -> Input:
        if self._codings.lower().split(b",")[-1].strip() == b"chunked":
            return Input.CHUNKED
        return Input.MALFORMED if self.from_client else Input.UNSIZED

    @property
    def _missing_authority(self) -> bool:
        return all(name is not AUTHORITY for name, _ in self.pseudo)

    def _names_h2c(self) -> bool:
        return b"h2c" in [name.strip() for name in self._upgrade.lower().split(b",")]

    def _note(self, name: bytes, value: bytes) -> bool:
        """Look at what a field says of the message; False: it is told otherwise (Host, RFC 9112 3.2.2)."""
        if name == b"content-length":
            self._lengths.append(value)
        elif name == b"transfer-encoding":
            self._codings += b"," + value if self._codings else value
        elif name == b"upgrade":
            self._upgrade += b"," + value
        elif name == b"http2-settings":
            self._has_settings = True
        elif name in (b"date", b"server"):
            self._has_origin = True
        elif name == b"host" and self.from_client and self._missing_authority:
            self.pseudo.insert(len(self.pseudo) - 1, (AUTHORITY, value))
            return False
        return True

    def _unfold(self, more: bytes) -> bool:
        if self._last is None or self._last in (b"content-length", b"transfer-encoding", b"upgrade", b"host"):
            return False
        if self.fields and self.fields[-1][0] is self._last:
            value = self.fields[-1][1] or b""
            self.fields[-1] = (self._last, value + b" " + more)
        return True


def _target(method: bytes, target: bytes) -> Fields:
    """Split a request target (RFC 9112 3.2) as RFC 9113 8.3.1 does."""
    if method == b"CONNECT":
        return [(AUTHORITY, target)]
    absolute = ABSOLUTE_FORM.match(target)
    if absolute is None:
        return [(PATH, target)]
    path = absolute[3] if absolute[3][:1] == b"/" else b"/" + absolute[3]
    return [(SCHEME, absolute[1].lower()), (AUTHORITY, absolute[2]), (PATH, path)]


def chunk_size(line: bytes) -> int:
    """Return the size in a chunk's first line (RFC 9112 7.1), its extensions passed over; -1 if it is none."""
    digits = line.split(b";", 1)[0].strip()
    if not 1 <= len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        return -1
    return int(digits, 16)


def is_empty(line: bytes) -> bool:
    """Tell whether a line is the empty one."""
    return line in EMPTY_LINES
