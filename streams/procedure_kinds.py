"""Which kinds of procedures there are: schemas/procedures.yaml, read and checked, and which steps a request may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from streams.procedure_step import Seen

FILE = Path(__file__).parent.parent / "schemas" / "procedures.yaml"
DEFAULT_SETTLE_S = 3


class Key(Enum):
    """What one procedure is of."""

    SUBSCRIBER = "subscriber"
    SESSION = "session"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the requests that are it. An empty set asks for nothing."""

    name: str
    operations: frozenset[str]
    consumers: frozenset[str]
    producers: frozenset[str]
    resources: frozenset[str]
    results: frozenset[str]
    fails: frozenset[str]
    tolerates: frozenset[int]
    is_failure: bool
    before: bool
    is_each: bool
    follows: str | None
    after: str | None

    def is_met(self, seen: Seen) -> bool:
        """Tell whether a request of one of its operations is this step; what is not known of it is no hindrance."""
        return (
            (not self.consumers or seen.consumer_nf is None or seen.consumer_nf in self.consumers)
            and (not self.producers or seen.producer_nf is None or seen.producer_nf in self.producers)
            and (not self.resources or seen.resource is None or seen.resource in self.resources)
            and (not self.results or seen.result in self.results)
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of procedure. `begins`: for each step that may begin one, in order, what must go well: one of each set.

    `guard_us`, `settle_us`: after so long without a step an unfinished, a finished one is over. `named`: what it is
    called where one of its requests has that result.
    """

    name: str
    clause: str
    key: Key
    guard_us: int
    settle_us: int
    lookback_us: int
    is_ordered: bool
    again: frozenset[str]
    tolerates: frozenset[int]
    over_by: frozenset[str]
    named: Mapping[str, str]
    begins: Mapping[str, tuple[frozenset[str], ...]]
    steps: Mapping[str, Step]

    def rank(self, step: str) -> int:
        """Return the place of a beginning step among the others."""
        return list(self.begins).index(step)


@cache
def kinds() -> Mapping[str, Kind]:
    """Return the kinds of this release, by name."""
    return read(FILE.read_text())


@cache
def steps_by_operation() -> Mapping[str, tuple[tuple[Kind, Step], ...]]:
    """Return, for each operation, the steps that it may be; an operation that only ends procedures has none."""
    found: dict[str, list[tuple[Kind, Step]]] = {}
    for kind in kinds().values():
        for operation in kind.over_by:
            found.setdefault(operation, [])
        for step in kind.steps.values():
            for operation in step.operations:
                found.setdefault(operation, []).append((kind, step))
    return {operation: tuple(steps) for operation, steps in found.items()}


def read(text: str) -> dict[str, Kind]:
    """Return the kinds that a text in the form of procedures.yaml defines; raises ValueError where it contradicts."""
    return {name: _kind(name, entry) for name, entry in yaml.safe_load(text).items()}


_KIND = frozenset(
    {
        "clause",
        "key",
        "guard_s",
        "settle_s",
        "lookback_s",
        "ordered",
        "again",
        "tolerates",
        "over_by",
        "named",
        "begins",
        "steps",
    }
)
_STEP = frozenset(
    {
        "operation",
        "from",
        "to",
        "resources",
        "results",
        "fails",
        "tolerates",
        "is_failure",
        "before",
        "each",
        "follows",
        "after",
    }
)


def _kind(name: str, entry: Mapping[str, Any]) -> Kind:
    _only(name, entry, _KIND)
    key = Key(entry["key"])
    steps = {step: _step(f"{name}.{step}", step, one) for step, one in entry["steps"].items()}
    begins = {
        step: tuple(frozenset(part.strip() for part in need.split("|")) for need in needs)
        for step, needs in entry["begins"].items()
    }
    named = set(begins).union(*(need for needs in begins.values() for need in needs))
    named |= {other for step in steps.values() for other in (step.follows, step.after) if other is not None}
    if unknown := named - set(steps):
        raise ValueError(f"{name}: no such step: {', '.join(sorted(unknown))}")
    at_once = key is Key.REQUEST
    return Kind(
        name=name,
        clause=entry["clause"],
        key=key,
        guard_us=0 if at_once else entry["guard_s"] * 1_000_000,
        settle_us=0 if at_once else entry.get("settle_s", DEFAULT_SETTLE_S) * 1_000_000,
        lookback_us=entry.get("lookback_s", 0) * 1_000_000,
        is_ordered=entry.get("ordered", False),
        again=frozenset(entry.get("again", ())),
        tolerates=frozenset(entry.get("tolerates", ())),
        over_by=frozenset(entry.get("over_by", ())),
        named=entry.get("named", {}),
        begins=begins,
        steps=steps,
    )


def _step(place: str, name: str, entry: Mapping[str, Any]) -> Step:
    _only(place, entry, _STEP)
    return Step(
        name=name,
        operations=_several(entry["operation"]),
        consumers=_several(entry.get("from", ())),
        producers=_several(entry.get("to", ())),
        resources=frozenset(entry.get("resources", ())),
        results=frozenset(entry.get("results", ())),
        fails=frozenset(entry.get("fails", ())),
        tolerates=frozenset(entry.get("tolerates", ())),
        is_failure=entry.get("is_failure", False),
        before=entry.get("before", False),
        is_each=entry.get("each", False),
        follows=entry.get("follows"),
        after=entry.get("after"),
    )


def _several(value: str | list[str] | tuple[str, ...]) -> frozenset[str]:
    return frozenset((value,) if isinstance(value, str) else value)


def _only(place: str, entry: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := set(entry) - known:
        raise ValueError(f"{place}: not known here: {', '.join(sorted(unknown))}")
