"""How numbers, durations, sizes and times are written in a report, for people."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count(value: int) -> str:
    """Return a whole number with thousands separated."""
    return f"{value:,}"


def percent(ratio: float | None) -> str:
    """Return a ratio with two places, never rounded up to 100 % nor down to 0 %; a dash where there is none."""
    if ratio is None:
        return "–"
    if ratio in {0.0, 1.0}:
        return f"{ratio:.0%}".replace("%", " %")
    return f"{min(max(100 * ratio, 0.01), 99.99):.2f} %"


def duration(microseconds: int | None) -> str:
    """Return a duration with three digits and its unit; a dash where there is none."""
    if microseconds is None:
        return "–"
    if microseconds < 1_000:
        return f"{microseconds} µs"
    value, unit = (microseconds / 1e3, "ms") if microseconds < 999_500 else (microseconds / 1e6, "s")
    places = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{places}f} {unit}"


def size(octets: int) -> str:
    """Return a size in decimal units."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets} B"


def moment(microseconds: int) -> str:
    """Return a time of the epoch in UTC to the second; one outside the calendar as its number."""
    try:
        return f"{EPOCH + timedelta(microseconds=microseconds):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{microseconds} us"


def iso(microseconds: int) -> str:
    """Return a time of the epoch in UTC as ISO 8601, to the second."""
    return f"{EPOCH + timedelta(microseconds=microseconds):%Y-%m-%dT%H:%M:%SZ}"


def span(microseconds: int) -> str:
    """Return the length of a period in its two largest units."""
    seconds = max(1, round(microseconds / 1e6))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    shown = [f"{value} {unit}" for value, unit in parts if value]
    return " ".join(shown[:2])
