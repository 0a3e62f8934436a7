"""TS 28.552 measurements by name: which counters of which operation they are (schemas/measurements.csv)."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from schemas.fields import FOLDER
from streams.kpi_counts import RESPONSE_SUCCESS, Counts


@dataclass(frozen=True, slots=True)
class Measurement:
    """One counter: `label` says whether SBI shows what the specification counts (exact) or something near (proxy)."""

    name: str
    clause: str
    object: str
    label: str
    operations: tuple[str, ...]  # none: not computed, `note` says why
    counter: str
    note: str


@cache
def measurements() -> tuple[Measurement, ...]:
    """Return the table, those not computed yet included."""
    with (FOLDER / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Measurement(**(row | {"operations": tuple(filter(None, row["operations"].split("|")))}))
            for row in csv.DictReader(file)
        )


def measured(operation: str | None, counts: Counts) -> dict[str, int]:
    """Return the measurements of an operation by name; a failure by cause has the cause behind its name."""
    found: dict[str, int] = {}
    for name, counter in _by_operation().get(operation or "", ()):
        for suffix, count in COUNTERS[counter](counts):
            found[name + suffix] = found.get(name + suffix, 0) + count
    return found


@cache
def _by_operation() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in measurements():
        for operation in one.operations:
            found.setdefault(operation, []).append((one.name, one.counter))
    return found


Suffixed = list[tuple[str, int]]


def _requests(counts: Counts) -> Suffixed:
    return [("", counts.requests)]


def _success(counts: Counts) -> Suffixed:
    return [("", counts.counters[RESPONSE_SUCCESS])]


def _by_cause(counts: Counts) -> Suffixed:
    """Failures are named by outcome, status and cause; without a cause the status stands in its place."""
    return [("." + name.split(" ", 2)[-1], count) for name, count in counts.response_failures.items() if count]


def _by_status(first: int, last: int) -> Callable[[Counts], Suffixed]:
    def count(counts: Counts) -> Suffixed:
        statuses = ((name.split(" "), count) for name, count in counts.response_failures.items())
        return [("", sum(n for name, n in statuses if len(name) > 1 and first <= int(name[1]) <= last))]

    return count


COUNTERS: dict[str, Callable[[Counts], Suffixed]] = {
    "requests": _requests,
    "success": _success,
    "failure by cause": _by_cause,
    "failure 400": _by_status(400, 400),
    "failure 403": _by_status(403, 403),
    "failure 5xx": _by_status(500, 599),
}
