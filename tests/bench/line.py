"""The one form of a bench's line: value and unit, and what the same run gave for the baseline."""

import json


def show(
    name: str, value: float, unit: str, baseline: str = "", baseline_value: float | None = None, **more: object
) -> None:
    """Print one JSON line; `baseline_value` is in the same unit, `baseline` says whose it is; ratio = value / it."""
    line: dict[str, object] = {"name": name, "value": _round(value), "unit": unit}
    if baseline_value is not None:
        line |= {"baseline": baseline, "baseline_value": _round(baseline_value)}
        line["ratio"] = round(value / baseline_value, 3)
    print(json.dumps(line | more), flush=True)


def _round(value: float) -> float:
    return round(value) if abs(value) >= 1_000 else round(value, 3)
