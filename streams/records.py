# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Records of an Avro body as lists in the order of our schema, whatever release wrote them.

A writer's schema becomes a plan, which is walked over the octets. fastavro asks a stream for each octet: 14 us for a
cell of KPI deltas, this 3 to 5.
"""

from collections.abc import Mapping
from typing import Any

import cython

from streams.reframe import Malformed

if cython.compiled:
    from cython.cimports.streams.zigzag import number
else:
    from streams.zigzag import number

NUMBER = cython.declare(cython.int, 0)  # int, long
BOOLEAN = cython.declare(cython.int, 1)
STRING = cython.declare(cython.int, 2)
ENUM = cython.declare(cython.int, 3)
OPTIONAL = cython.declare(cython.int, 4)  # union of null and another, in that order
MAP = cython.declare(cython.int, 5)
ARRAY = cython.declare(cython.int, 6)
RECORD = cython.declare(cython.int, 7)
SPAN = cython.declare(cython.int, 8)  # as many octets as `size` says: null, float, double, fixed
BYTES = cython.declare(cython.int, 9)
UNION = cython.declare(cython.int, 10)
SIMPLE = {"int": 0, "long": 0, "boolean": 1, "string": 2}
SPANS = {"null": 0, "float": 4, "double": 8}  # what we have no field of: it is passed over


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
        begin: cython.Py_ssize_t = self.at
        at: cython.Py_ssize_t = begin
        while at < self.end and p[at] > 127:
            at += 1
        if at >= self.end or at - begin > 9:
            raise Malformed(f"no number at octet {begin}")
        self.at = at + 1
        return number(p, begin)

    @cython.ccall
    def text(self) -> str:
        """Return the string here; raises Malformed, UnicodeDecodeError."""
        return self.span(self.number()).decode()

    @cython.ccall
    def span(self, size: cython.longlong) -> bytes:
        """Return the next `size` octets; raises Malformed."""
        if size < 0 or size > self.end - self.at:
            raise Malformed(f"{size} octets of {self.end - self.at}")
        begin: cython.Py_ssize_t = self.at
        self.at = begin + size
        return self.octets[begin : self.at]

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
        if count < 0 or count > self.end - self.at:  # the least number has no opposite
            raise Malformed(f"{count} items in {self.end - self.at} octets")
        return count


@cython.final
@cython.cclass
class Plan:
    """How the values of one type of a writer are read."""

    def __init__(self, kind: int, parts: "tuple[Plan, ...]" = (), symbols: tuple[str, ...] = (), size: int = 0) -> None:
        self.kind = kind
        self.parts = parts
        self.symbols = symbols
        self.size = size
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
        if kind == ARRAY:
            return self._array(cursor)
        return self._map(cursor) if kind == MAP else self._passed_over(cursor)

    @cython.cfunc
    def _passed_over(self, cursor: Cursor) -> Any:
        """Read what none of our records holds; raises Malformed."""
        if self.kind != UNION:
            return cursor.span(self.size if self.kind == SPAN else cursor.number())
        chosen: cython.longlong = cursor.number()
        if chosen < 0 or chosen >= len(self.parts):
            raise Malformed(f"no choice of {len(self.parts)} before octet {cursor.at}")
        return cython.cast(Plan, self.parts[chosen]).read(cursor)

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
    """Return how a writer's values become ours; raises Malformed for a schema that cannot be read as ours.

    What a later release added is passed over, of whatever type; what an earlier one lacked has our default.
    """
    try:
        return _Planner().plan(theirs, ours)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"its schema is none that can be read: {type(error).__name__}: {error}") from error


class _Planner:
    """Plans the types of one schema; one has its name once its plan is made, so that none can hold itself."""

    def __init__(self) -> None:
        self._theirs: dict[str, Any] = {}
        self._ours: dict[str, Any] = {}
        self._made: dict[tuple[str, str | None], Plan] = {}

    def plan(self, theirs: Any, ours: Any) -> Plan:
        """Return the plan of one type; `ours` is None where we have no place for it."""
        theirs, ours = _meant(theirs, self._theirs), _meant(ours, self._ours)
        if isinstance(theirs, list):
            return self._union(theirs, ours)
        kind = _kind(theirs)
        if ours is not None and SIMPLE.get(kind, kind) != SIMPLE.get(_kind(ours), _kind(ours)):
            raise ValueError(f"{kind} in the place of {ours}")
        if not isinstance(theirs, Mapping) or "name" not in theirs:
            return self._unnamed(kind, theirs, ours)
        names = theirs["name"], None if ours is None else ours["name"]
        if names not in self._made:
            self._made[names] = self._named(kind, theirs, ours)
            self._theirs[names[0]] = theirs
            if names[1] is not None:
                self._ours[names[1]] = ours
        return self._made[names]

    def _union(self, theirs: list[Any], ours: Any) -> Plan:
        if len(theirs) == 2 and theirs[0] == "null":
            return Plan(OPTIONAL, (self.plan(theirs[1], None if ours is None else ours[1]),))
        if ours is not None:
            raise ValueError(f"a union of {theirs}")
        return Plan(UNION, tuple([self.plan(one, None) for one in theirs]))

    def _unnamed(self, kind: str, theirs: Any, ours: Any) -> Plan:
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            part = self.plan(theirs[inner], ours[inner] if ours else None)
            if part.kind == SPAN and part.size == 0:
                raise ValueError(f"{kind} of what takes no octets")
            return Plan(ARRAY if kind == "array" else MAP, (part,))
        if kind == "bytes":
            return Plan(BYTES)
        return Plan(SPAN, size=SPANS[kind]) if kind in SPANS else Plan(SIMPLE[kind])

    def _named(self, kind: str, theirs: Any, ours: Any) -> Plan:
        if kind == "fixed":
            return Plan(SPAN, size=int(theirs["size"]))
        if kind == "record":
            return self._record(theirs["fields"], ours["fields"] if ours else [])
        if ours is not None and not set(theirs["symbols"]) <= set(ours["symbols"]):
            raise ValueError(f"{theirs['name']} has symbols that are not known here")
        return Plan(ENUM, (), tuple(theirs["symbols"]))

    def _record(self, theirs: list[Any], ours: list[Any]) -> Plan:
        if not theirs:
            raise ValueError("a record without fields takes no octets")
        here = {field["name"]: (place, field["type"]) for place, field in enumerate(ours)}
        found = [here.get(field["name"], (-1, None)) for field in theirs]
        pairs = zip(theirs, found, strict=True)
        made = Plan(RECORD, tuple([self.plan(field["type"], kind) for field, (_, kind) in pairs]))
        written = {field["name"] for field in theirs}
        missing = [field["name"] for field in ours if field["name"] not in written and "default" not in field]
        if missing:
            raise ValueError(f"no {', '.join(missing)}")
        made.places = [place for place, _ in found]
        made.blank = [None if field["name"] in written else field["default"] for field in ours]
        return made


def _kind(meant: Any) -> str:
    return str(meant if isinstance(meant, str) else meant["type"])


def _meant(kind: Any, names: Mapping[str, Any]) -> Any:
    """Return a type without what is only about its meaning; looked up where it is a name."""
    if isinstance(kind, str):
        return names.get(kind, kind)
    if isinstance(kind, Mapping) and not isinstance(kind["type"], str):
        return _meant(kind["type"], names)
    return kind["type"] if isinstance(kind, Mapping) and "logicalType" in kind else kind
