"""Which rules there are: schemas/alert_rules.yaml, read and checked, and what one window says under a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import yaml

FILE = Path(__file__).parent.parent / "schemas" / "alert_rules.yaml"
STATUS = "status:"
Kpi = Mapping[str, Any]  # a record Kpi as it was read


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the file says what each word means."""

    name: str
    window_s: int
    value: tuple[str, ...]
    least: int
    severity: str
    event_type: str
    cause: str
    raise_after: int
    clear_after: int
    above: float = 0.0
    per: tuple[str, ...] = ()
    volume: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    baseline: int = 0
    absent_after: int = 0
    clear_below: float = 0.8

    def concerns(self, kpi: Kpi) -> bool:
        """Tell whether a KPI is judged by this rule."""
        return kpi["window_s"] == self.window_s and (not self.operations or kpi["operation"] in self.operations)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one window says: None where it is too thin to say anything, or lies between both thresholds."""

    is_bad: bool | None
    observed: float
    threshold: float


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules of this release; raises ValueError where the file holds an unknown word."""
    known = {one.name for one in fields(Rule)} - {"name"}
    found = []
    for name, entry in yaml.safe_load(FILE.read_text()).items():
        if not entry.keys() <= known:
            raise ValueError(f"{FILE.name}: {name} has {sorted(entry.keys() - known)}")
        words: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in entry.items()}
        found.append(Rule(name, **words))
    return tuple(found)


def measured(names: Sequence[str], kpi: Kpi) -> float:
    """Return the sum of counters of a KPI; a failure is named by outcome, status and cause."""
    total = 0.0
    for name in names:
        if name.startswith(STATUS):
            status = name.removeprefix(STATUS)
            total += sum(count for failure, count in kpi["failures"].items() if failure.split(" ")[1:2] == [status])
        else:
            total += kpi[name] or 0
    return total


def observed(rule: Rule, kpi: Kpi) -> float:
    """Return the value that is judged: a share where the rule has `per`."""
    value = measured(rule.value, kpi)
    return value / max(measured(rule.per, kpi), 1) if rule.per else value


def judged(rule: Rule, kpi: Kpi, before: Sequence[float]) -> Verdict:
    """Return what a window says, held against the values `before` it where the rule has a baseline."""
    value = observed(rule, kpi)
    threshold = rule.above
    if rule.baseline:
        if len(before) < rule.baseline:
            return Verdict(None, value, 0.0)
        threshold = rule.above * median(before)
    is_thin = measured(rule.volume or rule.per or rule.value, kpi) < rule.least
    if value > threshold and not is_thin:
        return Verdict(True, value, threshold)
    if value <= threshold * rule.clear_below or (is_thin and bool(rule.baseline)):
        return Verdict(False, value, threshold)
    return Verdict(None, value, threshold)
