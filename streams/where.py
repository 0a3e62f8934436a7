"""Which records a user wants to see: a small expression over their fields, read once, evaluated for each of them.

`outcome!=success and (service~nudm or status>=500)`: `=` and `!=` compare, `~` and `!~` look for a part of the text in
any case, `<`, `<=`, `>`, `>=` take numbers; `and`, `or`, `not` and brackets join; `null` is what is unknown.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from schemas.refusal import Refusal

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

LONGEST = 2_000  # characters
DEEPEST = 20  # brackets and `not`, one in the other
_WORD = re.compile(
    r'\s*(?:(?P<op>!=|!~|<=|>=|[=~<>])|(?P<bracket>[()])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()=~<>!"]+))\s*'
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS = frozenset({"int", "long", "float", "double"})
_TRUTHS = {"true": True, "false": False}
ADVICE = "write field=value, field~part, and, or, not, ( ), as in: outcome!=success and service~nudm"


def where(text: str, kinds: Mapping[str, str]) -> Test:
    """Return the test that `text` describes; `kinds`: each field's kind as schemas.fields has them.

    Raises Refusal where it is no such expression.
    """
    if len(text) > LONGEST:
        raise Refusal("--where is too long", f"{len(text)} characters", f"write at most {LONGEST}")
    reading = _Reading(text, kinds)
    test = reading.any_of(0)
    if reading.left:
        raise reading.refused(f"{reading.left[0][1]!r} where the expression should end")
    return test


class _Reading:
    """One expression and how far it is read."""

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self.left: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _WORD.match(text, at)
            if found is None:
                raise self.refused(f"{text[at:][:20]!r} is none of its words")
            kind = str(found.lastgroup)
            self.left.append((kind, re.sub(r"\\(.)", r"\1", found[kind]) if kind == "quoted" else found[kind]))
            at = found.end()

    def refused(self, seen: str) -> Refusal:
        return Refusal("--where is no expression", seen, ADVICE)

    def any_of(self, depth: int) -> Test:
        tests = [self.all_of(depth)]
        while self._takes("word", "or"):
            tests.append(self.all_of(depth))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def all_of(self, depth: int) -> Test:
        tests = [self.one(depth)]
        while self._takes("word", "and"):
            tests.append(self.one(depth))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def one(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise self.refused(f"more than {DEEPEST} brackets one in the other")
        if self._takes("word", "not"):
            inner = self.one(depth + 1)
            return lambda row: not inner(row)
        if self._takes("bracket", "("):
            test = self.any_of(depth + 1)
            if not self._takes("bracket", ")"):
                raise self.refused("a bracket is not closed")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        name = self._next("a field", "word")
        if name not in self._kinds:
            raise Refusal("--where names no field", name, "see the fields with: sbiscope tail --fields")
        sign = self._next(f"= ~ < or > behind {name}", "op")
        quoted = bool(self.left) and self.left[0][0] == "quoted"
        text = self._next(f"a value behind {name}{sign}", "word", "quoted")
        kind = self._kinds[name].removeprefix("null|")
        if text == "null" and not quoted and sign in ("=", "!="):
            return lambda row: (row[name] is None) == (sign == "=")
        if sign in ("~", "!~"):
            part, wanted = text.lower(), sign == "~"
            return lambda row: (row[name] is not None and part in str(row[name]).lower()) == wanted
        return self._compared(name, kind, sign, text)

    def _compared(self, name: str, kind: str, sign: str, text: str) -> Test:
        value = self._value(name, kind, text)
        if sign in ("=", "!="):
            return lambda row: (row[name] == value) == (sign == "=")
        if kind not in _NUMBERS:
            raise self.refused(f"{name}{sign}: {name} is no number")
        order = _ORDERS[sign]
        return lambda row: row[name] is not None and order(row[name], value)

    def _value(self, name: str, kind: str, text: str) -> object:
        if kind in _NUMBERS:
            try:
                return float(text) if "." in text else int(text)
            except ValueError as error:
                raise self.refused(f"{name} is a number, {text!r} is none") from error
        if kind == "boolean":
            if text not in _TRUTHS:
                raise self.refused(f"{name} is true or false, not {text!r}")
            return _TRUTHS[text]
        if "<" in kind:
            raise self.refused(f"{name} has many values; write {name}~{text}")
        return text

    def _takes(self, kind: str, text: str) -> bool:
        if self.left and self.left[0] == (kind, text):
            del self.left[0]
            return True
        return False

    def _next(self, wanted: str, *kinds: str) -> str:
        if not self.left or self.left[0][0] not in kinds:
            seen = repr(self.left[0][1]) if self.left else "the end"
            raise self.refused(f"{seen} in the place of {wanted}")
        return self.left.pop(0)[1]
