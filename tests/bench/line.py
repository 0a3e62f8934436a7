"""The one form of a bench's line: value and unit, and the baseline of the same run with the ratio to it."""

import json


def show(name: str, value: float, unit: str, baseline: float | None = None, of: str = "", **more: object) -> None:
    """Print one JSON line; `baseline` is in the same unit, `of` says whose it is."""
    line: dict[str, object] = {"bench": name, "value": _round(value), "unit": unit}
    if baseline is not None:
        line |= {"baseline": _round(baseline), "baseline_is": of, "ratio": round(value / baseline, 2)}
    print(json.dumps(line | more), flush=True)


def _round(value: float) -> float:
    return round(value) if abs(value) >= 1_000 else round(value, 3)
