"""Which rules there are: schemas/alert_rules.yaml and nf_roles.yaml, read and checked, and which KPIs each concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent.parent / "schemas" / "alert_rules.yaml"
ROLES = FILE.with_name("nf_roles.yaml")
STATUS = "status:"
ANYWHERE = frozenset({"SCP", "SEPP"})  # they carry what others ask
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
    outside_roles: bool = False
    where_tokens_are: bool = False
    of_consumer: bool = False
    baseline: int = 0
    seasonal: bool = False
    absent_after: int = 0
    clear_below: float = 0.8
    idle_after: int = 60
    usual_after: int = 0

    def concerns(self, kpi: Kpi) -> bool:
        """Tell whether a KPI is judged by this rule."""
        if kpi["window_s"] != self.window_s or (self.operations and kpi["operation"] not in self.operations):
            return False
        return not self.outside_roles or is_outside(kpi["operation"], kpi["consumer_nf"])


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


@cache
def _roles() -> dict[str, frozenset[str]]:
    return {service: frozenset(types) | ANYWHERE for service, types in yaml.safe_load(ROLES.read_text()).items()}


def is_outside(operation: str | None, consumer_nf: str | None) -> bool:
    """Tell whether an NF type asks for what is none of its business; False where either is not known."""
    allowed = _roles().get("_".join(operation.split("_")[:2])) if operation else None
    return allowed is not None and consumer_nf is not None and consumer_nf not in allowed


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
    if rule.where_tokens_are and not kpi["token_expected"]:
        return 0.0
    value = measured(rule.value, kpi)
    return value / max(measured(rule.per, kpi), 1) if rule.per else value


def is_quiet(kpi: Kpi) -> bool:
    """Tell whether a window holds nothing at all of its key."""
    return not (kpi["requests"] or kpi["in_flight"] or any(kpi["measurements"].values()))


def is_measured(rule: Rule, kpi: Kpi) -> bool:
    """Tell whether a window holds the value that is judged: without answers there is no duration to learn from."""
    return all(name.startswith(STATUS) or kpi[name] is not None for name in rule.value) and (
        not rule.volume or measured(rule.volume, kpi) >= rule.least
    )
