"""Durations as counts in logarithmic bins: they add up, and every quantile is right to 1 % (DDSketch, VLDB 2019).

The bins are those of the library ddsketch; its classes hold their counts in forms that do not travel in Avro.
"""

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
MULTIPLIER = 1 / math.log1p(2 * RELATIVE_ERROR / (1 - RELATIVE_ERROR))
NOTHING = -1  # the bin of zero and less: an answer may begin before its request has ended


def bin_of(duration_us: int) -> int:
    """Return the number of the bin that holds a duration: the next power of GAMMA above it."""
    return math.ceil(math.log(duration_us) * MULTIPLIER) if duration_us > 0 else NOTHING


def value_of(index: int) -> float:
    """Return the duration that stands for a bin: none in it is farther away than RELATIVE_ERROR."""
    return 0.0 if index == NOTHING else math.exp(index / MULTIPLIER) * 2 / (1 + GAMMA)


def quantiles(bins: Mapping[int, int], wanted: tuple[float, ...]) -> tuple[int | None, ...]:
    """Return the quantiles `wanted` (rising), in whole microseconds; None of nothing.

    The element meant is the one at floor(quantile × count) of the sorted durations, as in ClickHouse's quantileExact.
    """
    total = sum(bins.values())
    if total <= 0:
        return (None,) * len(wanted)
    found: list[int | None] = []
    ordered = iter(sorted(bins.items()))
    index, seen = NOTHING, 0
    for quantile in wanted:
        rank = min(int(quantile * total), total - 1)
        while seen <= rank:
            index, count = next(ordered)
            seen += count
        found.append(round(value_of(index)))
    return tuple(found)
