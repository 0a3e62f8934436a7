# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Halves of exchanges as pairing keeps them: an event's Avro bytes, and decoded only what pairing decides by.

A writer's schema becomes a plan of field kinds; the plan is walked over the bytes, nothing else is decoded. fastavro
decodes an event in 20 us, this reads it in about 0.6 (tests/bench/bench_pairing.py).
"""

from array import array
from collections.abc import Mapping
from typing import Any

import cython

from schemas.fields import enum_symbols, record_fields, symbols_of
from streams.batch_header import Header
from streams.event_text import KINDS as TEXTS
from streams.reframe import Malformed

if cython.compiled:
    from cython.cimports.streams.event_text import is_text
    from cython.cimports.streams.zigzag import number
else:
    from streams.event_text import is_text
    from streams.zigzag import number

VARINT = cython.declare(cython.int, 0)  # int, long, enum
BOOLEAN = cython.declare(cython.int, 1)
STRING = cython.declare(cython.int, 2)  # string, bytes
STRINGS = cython.declare(cython.int, 3)
STRING_MAP = cython.declare(cython.int, 4)
LONG_MAP = cython.declare(cython.int, 5)
OPTIONAL = cython.declare(cython.int, 8)  # added to a kind: union of null and it

KINDS = {
    "int": 0,
    "long": 0,
    "enum": 0,
    "boolean": 1,
    "string": 2,
    "bytes": 2,
    "array<string>": 3,
    "map<string>": 4,
    "map<long>": 5,
    "null|int": 8,
    "null|long": 8,
    "null|enum": 8,
    "null|string": 10,
    "null|bytes": 10,
}
ENUMS = {
    "half": "Half",
    "vantage": "Vantage",
    "http_version": "HttpVersion",
    "ended": "Ended",
    "header_state": "HeaderState",
}
MAX_FIELDS = 250
LATEST_US = cython.declare(cython.longlong, 1 << 52)  # the year 2112; later ones, added up, leave 64 bits
MOST_OCTETS = cython.declare(cython.longlong, 1 << 44)  # of a message's headers or body


@cython.final
@cython.cclass
class Offsets:
    """Where each field of a record begins; one place more for where the last one ends."""

    def __init__(self) -> None:
        self.at = array("i", bytes(4 * (MAX_FIELDS + 2)))


@cython.freelist(256)
@cython.final
@cython.cclass
class Half:
    """A request or a response.

    octets: its SbiEvent as written (`layout` reads it); empty once the exchange is told. key: connection and stream.
    status, max_rsp_time_ms: -1 where there is none. collector, doubtful, outcome: pairing's own notes.
    """

    def __init__(self, layout: "Layout", octets: bytes) -> None:
        self.layout = layout
        self.octets = octets
        self.key = b""
        self.is_request = False
        self.first_byte_us = 0
        self.last_byte_us = 0
        self.ended = 0
        self.has_headers = False
        self.status = -1
        self.max_rsp_time_ms = -1
        self.collector: Any = None
        self.doubtful = False
        self.outcome = -1

    def connection_id(self) -> str:
        """Return the id of its connection; the key begins with it."""
        size, at = _decoded(self.key, 0, VARINT)
        return self.key[at : at + size].decode(errors="replace")

    def stream_id(self) -> int:
        """Return the number of its stream; the key ends with it."""
        size, at = _decoded(self.key, 0, VARINT)
        return int(_decoded(self.key, at + size, VARINT)[0])

    def event_id(self) -> str:
        """Return the id of the message."""
        return str(_decoded(self.octets, 0, STRING)[0])


@cython.final
@cython.cclass
class Layout:
    """One writer's schema of SbiEventBatch as a plan."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raise Malformed where the schema is not one of ours, of whatever release."""
        try:
            fields = record_fields(schema, "SbiEvent")
            header = record_fields(schema, "SbiEventBatch")
            self.schema = schema
            self.names = tuple(name for name, _ in fields)
            self._kinds = bytes(KINDS[kind] for _, kind in fields)
            self._texts = bytes(TEXTS.get(kind, 0) for _, kind in fields)
            self._header = [(name, KINDS[kind]) for name, kind in header]
            self._bounds = bytes(_bound(schema, name) for name in self.names)
            self._sizes = tuple(self.names.index(name) for name in ("header_bytes", "body_bytes"))
            self._half = self.names.index("half")
            self._connection_id = self.names.index("connection_id")
            self._stream_id = self.names.index("stream_id")
            self._first_byte_us = self.names.index("first_byte_us")
            self._last_byte_us = self.names.index("last_byte_us")
            self._ended = self.names.index("ended")
            self._header_bytes = self.names.index("header_bytes")
            self._status = self.names.index("status")
            self._max_rsp_time_ms = self.names.index("max_rsp_time_ms")
            self.sbi_headers = self.names.index("sbi_headers") if "sbi_headers" in self.names else -1
            self.places = {name: place for place, name in enumerate(self.names)}
            self.plan = b""
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:  # it may be any JSON
            raise Malformed(f"its schema is no SbiEventBatch that can be read: {error}") from error
        self._count = len(self.names)
        if self._count > MAX_FIELDS:
            raise Malformed(f"its schema has {self._count} fields")

    def batch(self, body: bytes) -> tuple[Header, list[Half]]:
        """Return header and events of a body; raises Malformed where it does not fit the schema."""
        values: dict[str, Any] = {}
        at: cython.Py_ssize_t = 0
        try:
            for name, kind in self._header:
                values[name], at = _decoded(body, at, kind)
            header = Header(**{name: values.get(name, 0) for name in Header.__slots__})
        except (IndexError, UnicodeDecodeError) as error:
            raise Malformed(f"the header of the batch cannot be read: {error}") from error
        return header, self._events(body, at)

    def _events(self, body: bytes, at: cython.Py_ssize_t) -> list[Half]:
        halves: list[Half] = []
        count: cython.longlong
        p: cython.p_const_uchar = body
        end: cython.Py_ssize_t = len(body)
        while True:
            after: cython.Py_ssize_t = _after(p, at, end, VARINT)
            if after < 0:
                raise Malformed("its array of events has no end")
            count = number(p, at)
            at = after
            if count == 0:
                break
            if count < 0:  # a block that says its size (Avro 1.11, arrays)
                count = -count
                at = _after(p, at, end, VARINT)
                if at < 0:
                    raise Malformed("its array of events has no end")
            if count > end - at:
                raise Malformed(f"{count} events in {end - at} octets")
            for _ in range(count):
                begin: cython.Py_ssize_t = at
                at = self.locate(body, at, _OFFSETS)
                self._prove_texts(p, _OFFSETS)
                halves.append(self._half_of(body, begin, at))
        if at != end:
            raise Malformed(f"{end - at} octets behind its events")
        return halves

    @cython.cfunc
    def _prove_texts(self, p: cython.p_const_uchar, o: Offsets) -> None:
        """Raise Malformed where a text of the located event is not UTF-8."""
        kinds: cython.p_const_uchar = self._texts
        i: cython.Py_ssize_t
        for i in range(self._count):
            if kinds[i] and p[o.at[i]] and not is_text(p, o.at[i], o.at[i + 1], kinds[i]):  # 0: null, or empty
                raise Malformed(f"the {self.names[i]} of an event is not UTF-8")

    def half(self, octets: bytes) -> Half:
        """Return the half whose SbiEvent is `octets`."""
        end: cython.Py_ssize_t = self.locate(octets, 0, _OFFSETS)
        return self._half_of(octets, 0, end)

    @cython.cfunc
    def _half_of(self, body: bytes, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> Half:
        """Return the half at body[begin:end], whose fields were located."""
        p: cython.p_const_uchar = body
        o: Offsets = _OFFSETS
        half: Half = Half(self, body[begin:end])
        i: cython.Py_ssize_t = self._connection_id
        j: cython.Py_ssize_t = self._stream_id
        half.key = body[o.at[i] : o.at[i + 1]] + body[o.at[j] : o.at[j + 1]]
        half.is_request = number(p, o.at[self._half]) == 0
        half.first_byte_us = number(p, o.at[self._first_byte_us])
        half.last_byte_us = number(p, o.at[self._last_byte_us])
        if not (0 <= half.first_byte_us <= LATEST_US and 0 <= half.last_byte_us <= LATEST_US):
            raise Malformed("an event is of no time")
        place: cython.Py_ssize_t
        for place in self._sizes:
            if not 0 <= number(p, o.at[place]) <= MOST_OCTETS:
                raise Malformed(f"an event has {number(p, o.at[place])} octets as its {self.names[place]}")
        half.ended = number(p, o.at[self._ended])
        half.has_headers = number(p, o.at[self._header_bytes]) > 0
        if p[o.at[self._status]]:
            half.status = number(p, o.at[self._status] + 1)
        if p[o.at[self._max_rsp_time_ms]]:
            half.max_rsp_time_ms = number(p, o.at[self._max_rsp_time_ms] + 1)
        return half

    @cython.cfunc
    @cython.exceptval(-1)
    def locate(self, octets: bytes, at: cython.Py_ssize_t, offsets: Offsets) -> cython.Py_ssize_t:
        """Find where each field of the record at `at` begins; return where it ends. Raises Malformed."""
        p: cython.p_const_uchar = octets
        kinds: cython.p_const_uchar = self._kinds
        bounds: cython.p_const_uchar = self._bounds
        end: cython.Py_ssize_t = len(octets)
        i: cython.Py_ssize_t
        for i in range(self._count):
            offsets.at[i] = at
            if bounds[i] and at < end and (p[at] & 1 or p[at] >= 2 * bounds[i]):
                raise Malformed(f"its {self.names[i]} is none that is known here")
            at = _after(p, at, end, kinds[i])
            if at < 0:
                raise Malformed(f"an event cannot be read at its {self.names[i]}")
        offsets.at[self._count] = at
        return at


_OFFSETS = cython.declare(Offsets, Offsets())


def _bound(schema: Mapping[str, Any], name: str) -> int:
    """Return how many symbols of an enumeration may be passed on as they are; 0 where the field is none."""
    if name not in ENUMS:
        return 0
    ours, theirs = enum_symbols("sbi_event_batch", ENUMS[name]), symbols_of(schema, ENUMS[name])
    if ours[: len(theirs)] != theirs[: len(ours)]:
        raise ValueError(f"{name} has other symbols, or in another order")
    return len(ours)


@cython.cfunc
@cython.exceptval(check=False)
def _after(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, kind: cython.int
) -> cython.Py_ssize_t:
    """Return where the value of `kind` at `at` ends; -1 where it does not, before `end`."""
    first: cython.Py_ssize_t = at
    size: cython.longlong
    if kind >= OPTIONAL:
        if at >= end or p[at] > 2 or p[at] == 1:
            return -1
        if p[at] == 0:
            return at + 1
        at += 1
        first = at
        kind -= OPTIONAL
    if kind == BOOLEAN:
        return at + 1 if at < end and p[at] < 2 else -1
    if kind >= STRINGS:
        return _after_blocks(p, at, end, kind)
    while at < end and p[at] > 127:
        at += 1
        if at - first > 9:
            return -1
    at += 1
    if at > end:
        return -1
    if kind == STRING:
        size = number(p, first)
        if size < 0 or size > end - at:
            return -1
        at += size
    return at


@cython.cfunc
@cython.exceptval(check=False)
def _after_blocks(
    p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, kind: cython.int
) -> cython.Py_ssize_t:
    """Return where an array of strings or a map ends: blocks, the last one empty (Avro 1.11)."""
    count: cython.longlong
    after: cython.Py_ssize_t
    while True:
        after = _after(p, at, end, VARINT)
        if after < 0:
            return -1
        count = number(p, at)
        at = after
        if count == 0:
            return at
        if count < 0:
            count = -count
            at = _after(p, at, end, VARINT)
            if at < 0:
                return -1
        if count > end - at:
            return -1
        while count > 0:
            at = _after(p, at, end, STRING)
            if at >= 0 and kind != STRINGS:
                at = _after(p, at, end, STRING if kind == STRING_MAP else VARINT)
            if at < 0:
                return -1
            count -= 1


@cython.ccall
def text_of(half: Half | None, name: str) -> str | None:
    """Return an optional text of an event, decoded; None where it is null, or not there."""
    if half is None:
        return None
    place: cython.Py_ssize_t = half.layout.places.get(name, -1)
    if place < 0:
        return None
    half.layout.locate(half.octets, 0, _OFFSETS)
    p: cython.p_const_uchar = half.octets
    at: cython.Py_ssize_t = _OFFSETS.at[place]
    if p[at] == 0:
        return None
    end: cython.Py_ssize_t = _OFFSETS.at[place + 1]
    return half.octets[_after(p, at + 1, end, VARINT) : end].decode(errors="replace")


def _decoded(body: bytes, at: cython.Py_ssize_t, kind: cython.int) -> tuple[Any, int]:
    """Return a value of a batch header and where it ends; raises IndexError."""
    p: cython.p_const_uchar = body
    end: cython.Py_ssize_t = _after(p, at, len(body), kind)
    if end < 0:
        raise IndexError(f"octet {at}")
    if kind == VARINT:
        return number(p, at), end
    if kind == BOOLEAN:
        return body[at] == 1, end
    if kind == STRING:
        return body[_after(p, at, end, VARINT) : end].decode(), end
    if kind == LONG_MAP:
        return dict(_long_map(body, at)), end
    return None, end


def _long_map(body: bytes, at: cython.Py_ssize_t) -> list[tuple[str, int]]:
    """Return the entries of a map<long> whose end was found."""
    p: cython.p_const_uchar = body
    found: list[tuple[str, int]] = []
    count: cython.longlong
    while True:
        count = number(p, at)
        at = _after(p, at, len(body), VARINT)
        if count == 0:
            return found
        if count < 0:
            count = -count
            at = _after(p, at, len(body), VARINT)
        for _ in range(count):
            name, at = _decoded(body, at, STRING)
            value, at = _decoded(body, at, VARINT)
            found.append((name, value))
