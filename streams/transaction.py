# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How two halves become the Avro record of a transaction: their fields' bytes are passed on, the rest is computed.

Which half a field comes from stands in one table; 2 us a transaction decoded and encoded are 0.7 us passed on.
"""

import cython

from streams.outcome import Outcome
from streams.overload import reduction_percent
from streams.transaction_table import ABSENT as NO_PLACE
from streams.transaction_table import CELL, NAMES, ORIGINS, From

if cython.compiled:
    from cython.cimports.streams.half import Half, Offsets
    from cython.cimports.streams.proved import strings
    from cython.cimports.streams.scratch import Scratch
    from cython.cimports.streams.transaction_row import Row
    from cython.cimports.streams.zigzag import behind, number
else:
    from streams.half import Half, Offsets
    from streams.proved import strings
    from streams.scratch import Scratch
    from streams.transaction_row import Row
    from streams.zigzag import behind, number

COPY = cython.declare(cython.int, From.COPY)
RESPONSE_FIRST = cython.declare(cython.int, From.RESPONSE_FIRST)
OF_REQUEST = cython.declare(cython.int, From.REQUEST)
OF_RESPONSE = cython.declare(cython.int, From.RESPONSE)
BOTH = cython.declare(cython.int, From.BOTH)
PLACE = cython.declare(cython.int, From.PLACE)
TRANSACTION_ID = cython.declare(cython.int, From.TRANSACTION_ID)
VERSION = cython.declare(cython.int, From.VERSION)
OUTCOME = cython.declare(cython.int, From.OUTCOME)
REQUEST_US = cython.declare(cython.int, From.REQUEST_US)
RESPONSE_US = cython.declare(cython.int, From.RESPONSE_US)
DURATION_US = cython.declare(cython.int, From.DURATION_US)
DEADLINE_MS = cython.declare(cython.int, From.DEADLINE_MS)
TO_PROXY = cython.declare(cython.int, From.TO_PROXY)
ACCESS_TOKEN = cython.declare(cython.int, From.ACCESS_TOKEN)
OVERLOAD = cython.declare(cython.int, From.OVERLOAD)
REQUEST_FACTS = cython.declare(cython.int, From.REQUEST_FACTS)
RESPONSE_FACTS = cython.declare(cython.int, From.RESPONSE_FACTS)
ABSENT = cython.declare(cython.int, NO_PLACE)
RESET = cython.declare(cython.int, Outcome.RESET)
COUNT = cython.declare(cython.Py_ssize_t, len(NAMES))
DISCOVERY = b"3gpp-sbi-discovery-"
OCI = b"\x183gpp-sbi-oci"  # as a key of an Avro map
NOTHING = (b"", b"\x00")
LEARNED = (b"\x02\x12reference", b"\x02\x0aalias")  # supi_source as Avro
BEARER = b"\x0cbearer"
_OUT = cython.declare(Scratch, Scratch())
_CELL = cython.declare(Scratch, Scratch())
_REQUEST = cython.declare(Offsets, Offsets())
_RESPONSE = cython.declare(Offsets, Offsets())
_AT = cython.declare(Offsets, Offsets())
_CELL_FIELDS = bytes(NAMES.index(name) for name in CELL)
_SUPI = cython.declare(cython.int, NAMES.index("supi"))
_TARGET_API_ROOT = cython.declare(cython.int, NAMES.index("target_api_root"))
_SUPI_SOURCE = cython.declare(cython.int, NAMES.index("supi_source"))
_REFERENCE = cython.declare(cython.int, NAMES.index("subscriber_reference"))
_DNN = cython.declare(cython.int, NAMES.index("dnn"))  # what a subscriber is bound with stands from supi to dnn
_REQUEST_KEY = cython.declare(cython.int, NAMES.index("request_key"))
_EXCHANGE_KEY = cython.declare(cython.int, NAMES.index("exchange_key"))
_RETRANSMISSION = cython.declare(cython.int, NAMES.index("retransmission"))
_RESULT = cython.declare(cython.int, NAMES.index("result"))
_STATUS = cython.declare(cython.int, NAMES.index("status"))
_CAUSE = cython.declare(cython.int, NAMES.index("cause"))
_REQUEST_HEADER_STATE = cython.declare(cython.int, NAMES.index("request_header_state"))
_NUMBERS = bytes(
    NAMES.index(name)
    for name in ("request_header_bytes", "response_header_bytes", "request_body_bytes", "response_body_bytes")
)


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
    operations: cython.p_const_uchar = ORIGINS
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
    is_corrected: cython.bint = _is_corrected(request, response)
    for i in range(COUNT):
        _AT.at[i] = out.n
        operation: cython.int = operations[i]
        if operation <= BOTH:
            _pass_on(out, i, operation, None if is_corrected and _SUPI <= i <= _DNN else request, response)
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
        elif operation >= TO_PROXY:
            _read_from_headers(out, row, operation, i, request, response)
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
    if operation != RESPONSE_FIRST or (i == _RESULT and _tells_failure(request)):
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
@cython.exceptval(-1)
def _is_corrected(request: Half | None, response: Half | None) -> cython.bint:
    """Tell whether an answer names another subscriber than was learned before its request, or lets go of him."""
    if _octets(request, _SUPI_SOURCE, True) not in LEARNED:
        return False
    told: bytes = _octets(response, _SUPI, False)
    is_told: cython.bint = told not in NOTHING or _octets(response, _REFERENCE, False) not in NOTHING
    return is_told and told != _octets(request, _SUPI, True)


@cython.cfunc
@cython.exceptval(-1)
def _tells_failure(request: Half | None) -> cython.bint:
    """Tell whether a request reports a failure (TS 29.502, N2SmInfoType …_FAIL), whatever its answer then tells."""
    return _octets(request, _RESULT, True).endswith(b"_FAIL")


@cython.cfunc
def _octets(half: Half | None, i: cython.Py_ssize_t, is_request: cython.bint) -> bytes:
    """Return field `i` as Avro, nothing where there is none."""
    place: cython.int = _place(half, i)
    if half is None or place == ABSENT:
        return b""
    at: Offsets = _REQUEST if is_request else _RESPONSE
    return half.octets[at.at[place] : at.at[place + 1]]


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
@cython.exceptval(-1)
def _read_from_headers(
    out: Scratch, row: Row, operation: cython.int, i: cython.Py_ssize_t, request: Half | None, response: Half | None
) -> cython.int:
    """Append field `i`, one that header fields of either half tell."""
    if operation == TO_PROXY:
        return out.number(-1 if _goes_to_proxy(request) else 0)  # one octet, 1 or 0, is what zigzag makes of these
    if operation == ACCESS_TOKEN:
        row.token = _token(request, i)
        return _optional(out, row.token >= 0, -row.token)
    if operation == OVERLOAD:
        row.overload = _overload(response, i, False)
        return _optional(out, row.overload >= 0, row.overload)
    if operation == REQUEST_FACTS or operation == RESPONSE_FACTS:
        half: Half | None = request if operation == REQUEST_FACTS else response
        place: cython.int = _place(half, i)
        return out.number(0) if place == ABSENT else _copy(out, half, place, half is request)
    row.consumer_overload = _overload(request, i, True)
    return _optional(out, row.consumer_overload >= 0, row.consumer_overload)


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
@cython.exceptval(check=False)
def _token(request: Half | None, i: cython.Py_ssize_t) -> cython.int:
    """Return what is known of a request's access token; that there is none only a block read whole proves."""
    told: bytes = _octets(request, i, True)
    if told not in NOTHING:
        return told[1:] == BEARER
    place: cython.int = ABSENT if not told else _place(request, _REQUEST_HEADER_STATE)
    return -1 if place == ABSENT or not _is_null(request, place, True) else 0  # its first symbol, exact, is written 0


@cython.cfunc
@cython.exceptval(-2)
def _overload(half: Half | None, i: cython.Py_ssize_t, is_request: cython.bint) -> cython.int:
    headers: bytes = _octets(half, i, is_request)
    return reduction_percent(headers) if OCI in headers else -1


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
    both: list[bytes] = strings(request.octets, _REQUEST.at[a]) + strings(response.octets, _RESPONSE.at[b])
    entries: list[bytes] = list(dict.fromkeys(both))
    out.number(len(entries))
    for entry in entries:
        out.number(len(entry))
        out.copy(entry, 0, len(entry))
    return out.number(0)


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
    if p[_AT.at[_SUPI]]:
        row.spread = _field(row, _SUPI)
    else:
        named: bytes = _field(row, _REFERENCE) if p[_AT.at[_REFERENCE]] else b"/"
        if b"/" in named:  # a place, which may be spelled otherwise on another hop
            named = _field(row, _REQUEST_KEY if p[_AT.at[_REQUEST_KEY]] else _EXCHANGE_KEY)
        row.spread = named
    row.retransmission = p[_AT.at[_RETRANSMISSION]] != 0
    row.status = number(p, _AT.at[_STATUS] + 1) if p[_AT.at[_STATUS]] else -1
    row.cause = row.octets[behind(p, _AT.at[_CAUSE] + 1) : _AT.at[_CAUSE + 1]] if p[_AT.at[_CAUSE]] else None
    row.header_bytes = _counted(p, numbers[0]) + _counted(p, numbers[1])
    row.request_body_bytes = _counted(p, numbers[2])
    row.response_body_bytes = _counted(p, numbers[3])
    return 0


@cython.cfunc
def _field(row: Row, field: cython.int) -> bytes:
    return row.octets[_AT.at[field] : _AT.at[field + 1]]


@cython.cfunc
@cython.exceptval(check=False)
def _counted(p: cython.p_const_uchar, field: cython.int) -> cython.longlong:
    return number(p, _AT.at[field] + 1) if p[_AT.at[field]] else 0
