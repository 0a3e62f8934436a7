# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Records of an Avro body as lists in the order of our schema, whatever release wrote them.

A writer's schema becomes a plan, which is walked over the octets. fastavro asks a stream for each octet: 14 us for a
cell of KPI deltas, this 3 to 5.
"""

from collections.abc import Mapping
from typing import Any

import cython

from streams.reframe import Malformed

NUMBER = cython.declare(cython.int, 0)  # int, long
BOOLEAN = cython.declare(cython.int, 1)
STRING = cython.declare(cython.int, 2)
ENUM = cython.declare(cython.int, 3)
OPTIONAL = cython.declare(cython.int, 4)  # union of null and another, in that order
MAP = cython.declare(cython.int, 5)
ARRAY = cython.declare(cython.int, 6)
RECORD = cython.declare(cython.int, 7)
SIMPLE = {"int": 0, "long": 0, "boolean": 1, "string": 2}


@cython.final
@cython.cclass
class Cursor:
    """A place in a body."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        self.end = len(octets)

    @cython.ccall
    @cython.exceptval(-1, check=True)
    def number(self) -> cython.longlong:
        """Return the zigzag number here (Avro 1.11, binary encoding of int and long); raises Malformed."""
        p: cython.p_const_uchar = self.octets
        at: cython.Py_ssize_t = self.at
        shift: cython.int = 0
        value: cython.ulonglong = 0
        octet: cython.ulonglong
        while True:
            if at >= self.end or shift > 63:
                raise Malformed(f"no number at octet {self.at}")
            octet = p[at]
            at += 1
            value |= (octet & 127) << shift
            if octet < 128:
                break
            shift += 7
        self.at = at
        result: cython.longlong = cython.cast(cython.longlong, (value >> 1) & 0x7FFFFFFFFFFFFFFF)
        return -result - 1 if value & 1 else result

    @cython.ccall
    def text(self) -> str:
        """Return the string here; raises Malformed, UnicodeDecodeError."""
        size: cython.longlong = self.number()
        if size < 0 or size > self.end - self.at:
            raise Malformed(f"a string of {size} octets in {self.end - self.at}")
        begin: cython.Py_ssize_t = self.at
        self.at = begin + size
        return self.octets[begin : self.at].decode()

    @cython.ccall
    @cython.exceptval(-1, check=True)
    def branch(self, count: cython.Py_ssize_t, step: cython.int) -> cython.Py_ssize_t:
        """Return which of `count` is chosen here, one octet, counted in steps; raises Malformed."""
        p: cython.p_const_uchar = self.octets
        if self.at >= self.end or p[self.at] % step or p[self.at] >= count * step:
            raise Malformed(f"no choice of {count} at octet {self.at}")
        self.at += 1
        chosen: cython.Py_ssize_t = p[self.at - 1] // step
        return chosen

    @cython.ccall
    @cython.exceptval(-1, check=True)
    def items(self) -> cython.longlong:
        """Return how many items the block here has, 0 for the last; raises Malformed."""
        count: cython.longlong = self.number()
        if count < 0:  # a block that says its size (Avro 1.11, arrays)
            count = -count
            self.number()
        if count > self.end - self.at:
            raise Malformed(f"{count} items in {self.end - self.at} octets")
        return count


@cython.final
@cython.cclass
class Plan:
    """How the values of one type of a writer are read."""

    def __init__(self, kind: int, parts: "tuple[Plan, ...]" = (), symbols: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.parts = parts
        self.symbols = symbols
        self.places: list[int] = []  # of a record: where each field's value stands in ours, -1 nowhere
        self.blank: list[Any] = []  # of a record: ours, where the writer had no such field

    @cython.ccall
    def read(self, cursor: Cursor) -> Any:
        """Return the value at the cursor; raises Malformed, UnicodeDecodeError."""
        kind: cython.int = self.kind
        if kind == NUMBER:
            return cursor.number()
        if kind == STRING:
            return cursor.text()
        if kind == OPTIONAL:
            return cython.cast(Plan, self.parts[0]).read(cursor) if cursor.branch(2, 2) else None
        if kind == RECORD:
            return self._record(cursor)
        if kind == ENUM:
            return self.symbols[cursor.branch(len(self.symbols), 2)]
        if kind == BOOLEAN:
            return cursor.branch(2, 1) == 1
        return self._array(cursor) if kind == ARRAY else self._map(cursor)

    @cython.cfunc
    def _record(self, cursor: Cursor) -> list[Any]:
        values: list[Any] = self.blank.copy()
        place: cython.Py_ssize_t
        number: cython.Py_ssize_t
        for number in range(len(self.parts)):
            value = cython.cast(Plan, self.parts[number]).read(cursor)
            place = self.places[number]
            if place >= 0:
                values[place] = value
        return values

    @cython.cfunc
    def _array(self, cursor: Cursor) -> list[Any]:
        item: Plan = self.parts[0]
        found: list[Any] = []
        count: cython.longlong = cursor.items()
        while count:
            found += [item.read(cursor) for _ in range(count)]
            count = cursor.items()
        return found

    @cython.cfunc
    def _map(self, cursor: Cursor) -> dict[str, Any]:
        value: Plan = self.parts[0]
        found: dict[str, Any] = {}
        count: cython.longlong = cursor.items()
        while count:
            for _ in range(count):
                name = cursor.text()
                found[name] = value.read(cursor)
            count = cursor.items()
        return found


def plan(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Plan:
    """Return how a writer's values become ours; raises Malformed for a schema that cannot be read as ours."""
    try:
        return _plan(theirs, ours, {}, {})
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"its schema is none that can be read: {type(error).__name__}: {error}") from error


def _plan(theirs: Any, ours: Any, their_names: dict[str, Any], our_names: dict[str, Any]) -> Plan:
    """Return the plan of one type; `ours` is None where we have no place for it.

    A type has its name once its plan is made: one that holds itself is none that can be read.
    """
    theirs, ours = _named(theirs, their_names), _named(ours, our_names)
    if isinstance(theirs, list):
        nothing, something = theirs
        if nothing != "null":
            raise ValueError(f"a union of {theirs}")
        return Plan(OPTIONAL, (_plan(something, ours[1] if ours else None, their_names, our_names),))
    kind = _kind(theirs)
    if ours is not None and SIMPLE.get(kind, kind) != SIMPLE.get(_kind(ours), _kind(ours)):
        raise ValueError(f"{kind} in the place of {ours}")
    made = _plan_of(kind, theirs, ours, their_names, our_names)
    for one, names in ((theirs, their_names), (ours, our_names)):
        if isinstance(one, Mapping) and "name" in one:
            names[one["name"]] = one
    return made


def _plan_of(kind: str, theirs: Any, ours: Any, their_names: dict[str, Any], our_names: dict[str, Any]) -> Plan:
    if kind == "enum":
        if ours is not None and not set(theirs["symbols"]) <= set(ours["symbols"]):
            raise ValueError(f"{theirs['name']} has symbols that are not known here")
        return Plan(ENUM, (), tuple(theirs["symbols"]))
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        part = _plan(theirs[inner], ours[inner] if ours else None, their_names, our_names)
        return Plan(ARRAY if kind == "array" else MAP, (part,))
    return _record_plan(theirs, ours, their_names, our_names) if kind == "record" else Plan(SIMPLE[kind])


def _record_plan(theirs: Any, ours: Any, their_names: dict[str, Any], our_names: dict[str, Any]) -> Plan:
    fields = {field["name"]: field for field in ours["fields"]} if ours else {}
    order = {name: place for place, name in enumerate(fields)}
    parts = []
    for field in theirs["fields"]:
        here = fields.get(field["name"])
        parts.append(_plan(field["type"], here and here["type"], their_names, our_names))
    made = Plan(RECORD, tuple(parts))
    made.places = [order.get(field["name"], -1) for field in theirs["fields"]]
    written = {field["name"] for field in theirs["fields"]}
    missing = [name for name, field in fields.items() if name not in written and "default" not in field]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    made.blank = [None if name in written else field["default"] for name, field in fields.items()]
    return made


def _kind(named: Any) -> str:
    return str(named if isinstance(named, str) else named["type"])


def _named(kind: Any, names: dict[str, Any]) -> Any:
    """Return a type without what is only about its meaning; looked up where it is a name."""
    if isinstance(kind, str):
        return names.get(kind, kind)
    if isinstance(kind, Mapping) and not isinstance(kind["type"], str):
        return _named(kind["type"], names)
    return kind["type"] if isinstance(kind, Mapping) and "logicalType" in kind else kind
