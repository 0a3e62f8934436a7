# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How two halves become the Avro record of a transaction: their fields' bytes are passed on, the rest is computed.

Which half a field comes from stands in one table; 2 us a transaction decoded and encoded are 0.7 us passed on.
"""

from typing import Any
from zlib import crc32

import cython

from schemas.fields import fields_of
from streams.outcome import Outcome
from streams.reframe import Malformed

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.string import memcpy
    from cython.cimports.streams.half import Half, Layout, Offsets, number
else:
    from streams.half import Half, Layout, Offsets, number

COPY = cython.declare(cython.int, 0)  # of the request, else of the response
REQUEST_FIRST = cython.declare(cython.int, 1)  # of the request unless null there
RESPONSE_FIRST = cython.declare(cython.int, 2)
OF_REQUEST = cython.declare(cython.int, 3)  # null without a request
OF_RESPONSE = cython.declare(cython.int, 4)
BOTH = cython.declare(cython.int, 5)  # the entries of both
PLACE = cython.declare(cython.int, 6)  # site, node, shard, incarnation, from the batch
SKIP = cython.declare(cython.int, 7)  # written with the field before
TRANSACTION_ID = cython.declare(cython.int, 8)
VERSION = cython.declare(cython.int, 9)
OUTCOME = cython.declare(cython.int, 10)
REQUEST_US = cython.declare(cython.int, 11)
RESPONSE_US = cython.declare(cython.int, 12)
DURATION_US = cython.declare(cython.int, 13)
DEADLINE_MS = cython.declare(cython.int, 14)
TO_PROXY = cython.declare(cython.int, 15)
ABSENT = cython.declare(cython.int, 255)
RESET = cython.declare(cython.int, int(Outcome.RESET))

FIELDS = fields_of("sbi_transaction_batch", "SbiTransaction")
NAMES = tuple(name for name, _ in FIELDS)
KINDS = dict(FIELDS)

# What is not here is REQUEST_FIRST where it may be null, else COPY, from the event's field of the same name.
SOURCES: dict[str, tuple[int, str]] = {
    "transaction_id": (8, ""),
    "version": (9, ""),
    "outcome": (10, ""),
    "request_event_id": (3, "event_id"),
    "response_event_id": (4, "event_id"),
    "site": (6, ""),
    "node": (7, ""),
    "shard": (7, ""),
    "incarnation": (7, ""),
    "request_us": (11, ""),
    "request_end_us": (3, "last_byte_us"),
    "response_us": (12, ""),
    "response_end_us": (4, "last_byte_us"),
    "duration_us": (13, ""),
    "deadline_ms": (14, ""),
    "request_header_state": (3, "header_state"),
    "response_header_state": (4, "header_state"),
    "request_ended": (3, "ended"),
    "response_ended": (4, "ended"),
    "missing": (5, "missing"),
    "inferred": (5, "inferred"),
    "request_header_bytes": (3, "header_bytes"),
    "request_body_bytes": (3, "body_bytes"),
    "response_header_bytes": (4, "header_bytes"),
    "response_body_bytes": (4, "body_bytes"),
    "to_proxy": (15, ""),
    "status": (2, "status"),
    "cause": (2, "cause"),
    "result": (2, "result"),
    "error_origin": (2, "error_origin"),
    "producer_nf": (2, "producer_nf"),
    "producer_nf_source": (2, "producer_nf_source"),
    "producer_nf_instance": (2, "producer_nf_instance"),
    "server": (2, "server"),
    "location": (2, "location"),
    "retry_after": (2, "retry_after"),
}
DISCOVERY = b"3gpp-sbi-discovery-"
OPERATIONS = bytes(SOURCES.get(name, (int(kind.startswith("null|")), ""))[0] for name, kind in FIELDS)
COUNT = cython.declare(cython.Py_ssize_t, len(FIELDS))

CELL = (
    "operation",
    "consumer_nf",
    "producer_nf",
    "producer_nf_instance",
    "snssai",
    "dnn",
    "plmn",
    "to_proxy",
    "vantage",
    "server_address",
    "server_port",
)
"""The fields of a transaction that a KPI is kept by, in the order in which KpiCell has them."""


@cython.final
@cython.cclass
class Scratch:
    """Room in which a record is put together."""

    def __init__(self) -> None:
        self.store = bytearray(4096)
        self.p: Any = self.store
        self.n = 0

    @cython.cfunc
    @cython.exceptval(-1)
    def reserve(self, room: cython.Py_ssize_t) -> cython.int:
        """Begin anew with room for that many octets; whoever writes more writes into foreign memory."""
        if len(self.store) < room:
            self.store = bytearray(2 * room)
            self.p = self.store
        self.n = 0
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def number(self, value: cython.longlong) -> cython.int:
        """Append an int, long or enum."""
        zigzag: cython.ulonglong
        n: cython.Py_ssize_t = self.n
        if cython.compiled:
            zigzag = cython.cast(cython.ulonglong, value << 1) ^ cython.cast(cython.ulonglong, value >> 63)
        else:
            zigzag = (value << 1) ^ (value >> 63)
        while zigzag > 127:
            self.p[n] = (zigzag & 127) | 128
            n += 1
            zigzag >>= 7
        self.p[n] = zigzag
        self.n = n + 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def copy(self, octets: bytes, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Append octets[begin:end]."""
        if cython.compiled:
            memcpy(cython.address(self.p[self.n]), PyBytes_AS_STRING(octets) + begin, end - begin)
        else:
            self.store[self.n : self.n + end - begin] = octets[begin:end]
        self.n += end - begin
        return 0

    @cython.cfunc
    def since(self, begin: cython.Py_ssize_t) -> bytes:
        """Return what was written from `begin` on."""
        if not cython.compiled:
            return bytes(self.store[begin : self.n])
        octets: bytes = self.p[begin : self.n]
        return octets


@cython.freelist(64)
@cython.final
@cython.cclass
class Row:
    """A transaction as its record, and what KPIs count of it.

    cell: the fields of CELL, as Avro. spread: what its output partition follows from. over_us: until when the exchange
    was open: first byte of the answer, or when it was broken off, at latest the deadline.
    """

    def __init__(self) -> None:
        self.octets = b""
        self.cell = b""
        self.spread = b""
        self.outcome = 0
        self.has_request = False
        self.answered = False
        self.has_duration = False
        self.retransmission = False
        self.request_us = 0
        self.over_us = 0
        self.response_us = 0
        self.duration_us = 0
        self.header_bytes = 0
        self.request_body_bytes = 0
        self.response_body_bytes = 0
        self.status = -1
        self.cause: bytes | None = None

    def spread_over(self, partitions: int) -> int:
        """Return the output partition: by subscriber if known, else by connection."""
        return crc32(self.spread) % partitions


_OUT = cython.declare(Scratch, Scratch())
_CELL = cython.declare(Scratch, Scratch())
_REQUEST = cython.declare(Offsets, Offsets())
_RESPONSE = cython.declare(Offsets, Offsets())
_AT = cython.declare(Offsets, Offsets())
_CELL_FIELDS = bytes(NAMES.index(name) for name in CELL)
_SUPI = cython.declare(cython.int, NAMES.index("supi"))
_TARGET_API_ROOT = cython.declare(cython.int, NAMES.index("target_api_root"))
_CONNECTION_ID = cython.declare(cython.int, NAMES.index("connection_id"))
_RETRANSMISSION = cython.declare(cython.int, NAMES.index("retransmission"))
_STATUS = cython.declare(cython.int, NAMES.index("status"))
_CAUSE = cython.declare(cython.int, NAMES.index("cause"))
_NUMBERS = bytes(
    NAMES.index(name)
    for name in ("request_header_bytes", "response_header_bytes", "request_body_bytes", "response_body_bytes")
)


def _plan(layout: Layout) -> bytes:
    """Return, for each field of a transaction, where an event has its source; ABSENT where an older writer has none."""
    names: dict[str, int] = {name: place for place, name in enumerate(layout.names)}
    places: list[int] = []
    for name, kind in FIELDS:
        operation, source = SOURCES.get(name, (0, ""))
        place = names.get(source or name, 255)
        if place == 255 and operation < 6 and not kind.startswith(("null|", "array<")):
            raise Malformed(f"its events have no {source or name}")
        places.append(place)
    return bytes(places)


def prepare(layout: Layout) -> Layout:
    """Return `layout`, ready for `compose`; raises Malformed where a transaction cannot be made of its events."""
    layout.plan = _plan(layout)
    return layout


@cython.ccall
def compose(
    request: Half | None,
    response: Half | None,
    outcome: cython.int,
    version: cython.int,
    deadline_ms: cython.int,
    place: bytes,
    transaction_id: str,
) -> Row:
    """Return the transaction of a request, a response or both; `place` = site, node, shard, incarnation as Avro."""
    out: Scratch = _OUT
    row: Row = Row()
    i: cython.Py_ssize_t
    operations: cython.p_const_uchar = OPERATIONS
    room: cython.Py_ssize_t = 512 + len(place)
    if request is not None:
        request.layout.locate(request.octets, 0, _REQUEST)
        room += len(request.octets)
    if response is not None:
        response.layout.locate(response.octets, 0, _RESPONSE)
        room += len(response.octets)
    out.reserve(room)
    row.outcome = outcome
    _time(row, request, response, outcome, deadline_ms)
    for i in range(COUNT):
        _AT.at[i] = out.n
        operation: cython.int = operations[i]
        if operation <= BOTH:
            _pass_on(out, i, operation, request, response)
        elif operation == PLACE:
            out.copy(place, 0, len(place))
        elif operation == TRANSACTION_ID:
            out.number(len(transaction_id))
            out.copy(transaction_id.encode(), 0, len(transaction_id))
        elif operation == VERSION:
            out.number(version)
        elif operation == OUTCOME:
            out.number(outcome)
        elif operation == REQUEST_US:
            out.number(row.request_us)
        elif operation == RESPONSE_US:
            _optional(out, row.answered, row.response_us)
        elif operation == DURATION_US:
            _optional(out, row.has_duration, row.duration_us)
        elif operation == DEADLINE_MS:
            out.number(deadline_ms)
        elif operation == TO_PROXY:
            out.number(-1 if _goes_to_proxy(request) else 0)  # one octet, 1 or 0, is what zigzag makes of these
    _AT.at[COUNT] = out.n
    row.octets = out.since(0)
    _describe(row)
    return row


@cython.cfunc
@cython.exceptval(-1)
def _time(
    row: Row, request: Half | None, response: Half | None, outcome: cython.int, deadline_ms: cython.longlong
) -> cython.int:
    """Note the times of an exchange and which of its halves there are."""
    row.has_request = request is not None
    if request is not None:
        row.request_us = request.first_byte_us
    elif response is not None:
        row.request_us = response.first_byte_us
    if response is not None and response.has_headers:
        row.answered = True
        row.response_us = response.first_byte_us
        if request is not None:
            row.has_duration = True
            row.duration_us = response.first_byte_us - request.last_byte_us
    row.over_us = _over_us(request, response, outcome, deadline_ms)
    return 0


@cython.cfunc
@cython.exceptval(check=False)
def _over_us(
    request: Half | None, response: Half | None, outcome: cython.int, deadline_ms: cython.longlong
) -> cython.longlong:
    """Return when the exchange was over for its consumer: at the deadline if not before."""
    over_us: cython.longlong = 0x7FFFFFFFFFFFFFFF
    if response is not None:
        over_us = response.first_byte_us
    elif request is not None and outcome == RESET:
        over_us = request.last_byte_us
    if request is not None:
        over_us = min(over_us, request.first_byte_us + deadline_ms * 1000)
    return over_us


@cython.cfunc
@cython.exceptval(-1)
def _pass_on(
    out: Scratch, i: cython.Py_ssize_t, operation: cython.int, request: Half | None, response: Half | None
) -> cython.int:
    """Append field `i` from where it stands."""
    half: Half | None = response
    other: Half | None = request
    place: cython.int
    if operation == BOTH:
        return _merge(out, i, request, response)
    if operation == OF_REQUEST or operation == OF_RESPONSE:
        half = request if operation == OF_REQUEST else response
        place = _place(half, i)
        if place == ABSENT:
            return out.number(0)
        out.number(1)
        return _copy(out, half, place, half is request)
    if operation != RESPONSE_FIRST:
        half = request
        other = response
    place = _place(half, i)
    if place == ABSENT or (operation != COPY and _is_null(half, place, half is request)):
        half = other
        place = _place(half, i)
        if place == ABSENT:
            return out.number(0)
    return _copy(out, half, place, half is request)


@cython.cfunc
@cython.exceptval(check=False)
def _place(half: Half | None, i: cython.Py_ssize_t) -> cython.int:
    if half is None:
        return ABSENT
    plan: cython.p_const_uchar = half.layout.plan
    place: cython.int = plan[i]
    return place


@cython.cfunc
@cython.exceptval(check=False)
def _is_null(half: Half | None, place: cython.int, is_request: cython.bint) -> cython.bint:
    assert half is not None
    p: cython.p_const_uchar = half.octets
    octet: cython.uchar = p[_REQUEST.at[place]] if is_request else p[_RESPONSE.at[place]]
    return octet == 0


@cython.cfunc
@cython.exceptval(-1)
def _copy(out: Scratch, half: Half | None, place: cython.int, is_request: cython.bint) -> cython.int:
    assert half is not None
    if is_request:
        return out.copy(half.octets, _REQUEST.at[place], _REQUEST.at[place + 1])
    return out.copy(half.octets, _RESPONSE.at[place], _RESPONSE.at[place + 1])


@cython.cfunc
@cython.exceptval(check=False)
def _goes_to_proxy(request: Half | None) -> cython.bint:
    """Tell whether a request asks a proxy to carry it on (TS 29.500 6.10.2.5 with apiRoot, 6.10.3 with discovery)."""
    if request is None:
        return False
    place: cython.int = _place(request, _TARGET_API_ROOT)
    if place != ABSENT and not _is_null(request, place, True):
        return True
    place = request.layout.sbi_headers
    return place >= 0 and DISCOVERY in request.octets[_REQUEST.at[place] : _REQUEST.at[place + 1]]


@cython.cfunc
@cython.exceptval(-1)
def _optional(out: Scratch, there: cython.bint, value: cython.longlong) -> cython.int:
    out.number(1 if there else 0)
    if there:
        out.number(value)
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _merge(out: Scratch, i: cython.Py_ssize_t, request: Half | None, response: Half | None) -> cython.int:
    """Append the entries of an array of both halves, each once; mostly one of them is empty."""
    a: cython.int = _place(request, i)
    b: cython.int = _place(response, i)
    if a == ABSENT and b == ABSENT:
        return out.number(0)
    if a == ABSENT or _is_null(request, a, True):
        return _copy(out, request, a, True) if b == ABSENT else _copy(out, response, b, False)
    if b == ABSENT or _is_null(response, b, False):
        return _copy(out, request, a, True)
    assert request is not None
    assert response is not None
    both: list[bytes] = _strings(request.octets, _REQUEST.at[a]) + _strings(response.octets, _RESPONSE.at[b])
    entries: list[bytes] = list(dict.fromkeys(both))
    out.number(len(entries))
    for entry in entries:
        out.number(len(entry))
        out.copy(entry, 0, len(entry))
    return out.number(0)


@cython.cfunc
def _strings(octets: bytes, at: cython.Py_ssize_t) -> list[bytes]:
    """Return the entries of an array of strings whose form was proved."""
    p: cython.p_const_uchar = octets
    found: list[bytes] = []
    count: cython.longlong
    size: cython.longlong
    while True:
        count = number(p, at)
        at = _behind(p, at)
        if count == 0:
            return found
        if count < 0:
            count = -count
            at = _behind(p, at)
        for _ in range(count):
            size = number(p, at)
            at = _behind(p, at)
            found.append(octets[at : at + size])
            at += size


@cython.cfunc
@cython.exceptval(check=False)
def _behind(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    while p[at] > 127:
        at += 1
    return at + 1


@cython.cfunc
@cython.exceptval(-1)
def _describe(row: Row) -> cython.int:
    """Note what the KPIs and the output partition need of the record just written."""
    p: cython.p_const_uchar = row.octets
    fields: cython.p_const_uchar = _CELL_FIELDS
    numbers: cython.p_const_uchar = _NUMBERS
    i: cython.Py_ssize_t
    field: cython.int
    _CELL.reserve(len(row.octets))
    for i in range(len(_CELL_FIELDS)):
        field = fields[i]
        _CELL.copy(row.octets, _AT.at[field], _AT.at[field + 1])
    row.cell = _CELL.since(0)
    field = _SUPI if p[_AT.at[_SUPI]] else _CONNECTION_ID
    row.spread = row.octets[_AT.at[field] : _AT.at[field + 1]]
    row.retransmission = p[_AT.at[_RETRANSMISSION]] != 0
    row.status = number(p, _AT.at[_STATUS] + 1) if p[_AT.at[_STATUS]] else -1
    row.cause = row.octets[_behind(p, _AT.at[_CAUSE] + 1) : _AT.at[_CAUSE + 1]] if p[_AT.at[_CAUSE]] else None
    row.header_bytes = _counted(p, numbers[0]) + _counted(p, numbers[1])
    row.request_body_bytes = _counted(p, numbers[2])
    row.response_body_bytes = _counted(p, numbers[3])
    return 0


@cython.cfunc
@cython.exceptval(check=False)
def _counted(p: cython.p_const_uchar, field: cython.int) -> cython.longlong:
    return number(p, _AT.at[field] + 1) if p[_AT.at[field]] else 0


@cython.ccall
def text_of(half: Half | None, name: str) -> str | None:
    """Return an optional text of an event, decoded; None where it is null, or not there."""
    if half is None or name not in half.layout.names:
        return None
    place: cython.Py_ssize_t = half.layout.names.index(name)
    half.layout.locate(half.octets, 0, _REQUEST)
    p: cython.p_const_uchar = half.octets
    at: cython.Py_ssize_t = _REQUEST.at[place]
    if p[at] == 0:
        return None
    octets: Any = half.octets[_behind(p, at + 1) : _REQUEST.at[place + 1]]
    return str(octets, errors="replace")
