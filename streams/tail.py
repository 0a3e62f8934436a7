"""A transaction as one line for people who watch them come."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from streams.report import units
from streams.report.inert import visible

FINE = frozenset({"success", "redirect", "business"})


def line(row: Mapping[str, Any]) -> str:
    """Return when, who asked whom for what, about whom, and how it ended; captured text can do nothing to a terminal.

    `row`: the fields of SbiTransaction, times in microseconds.
    """
    asked = row["operation"] or f"{row['method'] or '?'} {row['resource'] or row['path'] or '?'}"
    words = [
        _clock(row["request_us"] if row["request_us"] is not None else row["response_us"]),
        f"{_end(row, 'consumer', 'client')} → {_end(row, 'producer', 'server')}",
        f"{row['service']} {asked}" if row["service"] else asked,
        row["supi"] or row["subscriber_reference"] or "",
        f"/{row['pdu_session_id']}" if row["pdu_session_id"] is not None else "",
        _answer(row),
        units.duration(row["duration_us"]) if row["duration_us"] is not None else "",
        f"{row['node']} {row['vantage']}",
    ]
    return visible("  ".join(word for word in words if word))


def _answer(row: Mapping[str, Any]) -> str:
    outcome = row["outcome"]
    mark = "" if outcome in FINE else "✗ "
    words = [None if row["status"] is None else str(row["status"]), outcome, row["cause"]]
    return mark + " ".join(word for word in words if word)


def _end(row: Mapping[str, Any], nf: str, end: str) -> str:
    return str(row[f"{nf}_nf"] or f"{row[f'{end}_address']}:{row[f'{end}_port']}")


def _clock(microseconds: int | None) -> str:
    if microseconds is None:
        return "--:--:--.---"
    try:
        return f"{units.EPOCH + timedelta(microseconds=microseconds):%H:%M:%S.%f}"[:-3]
    except OverflowError:
        return f"{microseconds} us"
