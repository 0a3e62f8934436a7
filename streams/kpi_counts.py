# cython: language_level=3, boundscheck=False, wraparound=False
"""Counts that add up: of one key in one window, or of many together."""

from collections.abc import Iterable

import cython
import msgspec

OUTCOMES = 10  # the first counters are by outcome (streams/outcome.py)
ANSWERED = 10
RETRANSMITTED = 11
IN_FLIGHT = 12
HEADER_BYTES = 13
REQUEST_BODY_BYTES = 14
RESPONSE_BODY_BYTES = 15
DURATIONS = 16
DURATION_US_SUM = 17
RESPONSE_SUCCESS = 18
WITH_TOKEN = 19
WITHOUT_TOKEN = 20
OVERLOAD_REPORTS = 21
OVERLOAD_PERCENT_SUM = 22
CONSUMER_OVERLOAD_REPORTS = 23
CONSUMER_OVERLOAD_PERCENT_SUM = 24
AT_EDGE = 25
COUNTERS = 26

NO_MAXIMUM = -(1 << 62)
MAX_FAILURES = 64  # different failures kept apart; the rest counts as other
OTHER = "other"


class Counts(msgspec.Struct, array_like=True, gc=False):
    """Counters in the order of KpiCell's fields, and what is counted by bin, or by name."""

    counters: list[int] = msgspec.field(default_factory=lambda: [0] * COUNTERS)
    maximum_us: int = NO_MAXIMUM
    latencies: dict[int, int] = msgspec.field(default_factory=dict)
    failures: dict[str, int] = msgspec.field(default_factory=dict)
    response_failures: dict[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Complete what an older release kept: of what is counted since there was nothing."""
        if len(self.counters) < COUNTERS:
            self.counters += [0] * (COUNTERS - len(self.counters))

    @property
    def requests(self) -> int:
        """Requests, whatever became of them."""
        return sum(self.counters[:OUTCOMES])

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing is counted; a maximum may be left of what was taken away."""
        names = any(self.failures.values()) or any(self.response_failures.values())
        return not (any(self.counters) or self.latencies or names)

    def add(self, other: "Counts", sign: int = 1) -> None:
        """Add `other`, or take it away; a maximum stays: no correction of a transaction takes a duration away."""
        add_to((self,), other, sign)


def add_to(sums: Iterable[Counts], other: Counts, sign: cython.int) -> None:
    """Add `other` to each of `sums`; a `sign` of -1 takes it away."""
    more: list[int] = other.counters
    place: cython.Py_ssize_t
    told = [place for place in range(COUNTERS) if more[place]]
    maximum_us, latencies = other.maximum_us, other.latencies
    failures, response_failures = other.failures, other.response_failures
    for one in sums:
        counters: list[int] = one.counters
        for place in told:
            counters[place] += more[place] if sign == 1 else -more[place]
        if maximum_us > one.maximum_us:
            one.maximum_us = maximum_us
        if latencies:
            add_bins(one.latencies, latencies, sign)
        if failures:
            _add_names(one.failures, failures, sign)
        if response_failures:
            _add_names(one.response_failures, response_failures, sign)


@cython.ccall
def add_bins(bins: dict[int, int], more: dict[int, int], sign: cython.int) -> None:
    """Add counts by bin; what becomes nothing is left out."""
    for index, count in more.items():
        left = bins.get(index, 0) + (count if sign == 1 else -count)
        if left:
            bins[index] = left
        else:
            bins.pop(index, None)


def _add_names(counts: dict[str, int], more: dict[str, int], sign: cython.int) -> None:
    for name, count in more.items():
        add_named(counts, name, sign * count)


def add_named(counts: dict[str, int], name: str, count: int) -> None:
    """Add to a count by name; from MAX_FAILURES names on, new ones are one."""
    if name not in counts and len(counts) >= MAX_FAILURES:
        name = OTHER
    counts[name] = counts.get(name, 0) + count
