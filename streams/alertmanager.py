"""Alerts as Alertmanager takes them (API v2, POST /api/v2/alerts: an array of postableAlert), from Avro to JSON.

Labels are an alert's identity there, so they hold only what is the same when it is raised and when it is cleared.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import fastavro
import msgspec

LABELS = (
    "alarm_id", "event_type", "probable_cause", "object_instance", "operation", "consumer_nf", "producer_nf",
    "producer_nf_instance", "snssai", "dnn", "plmn", "site", "node",
)  # fmt: skip
POSTED = 500  # alerts in one request
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
STANDS = timedelta(days=3_650)  # a raised alert ends when it is cleared, not when Alertmanager hears no more of it
Alert = Mapping[str, Any]


def read(container: bytes) -> list[Alert]:
    """Return the records Alert of an Avro object container."""
    return [one for one in fastavro.reader(io.BytesIO(container)) if isinstance(one, dict)]


def requests(alerts: Iterable[Alert]) -> Iterator[bytes]:
    """Yield the bodies of requests, in order: no alert twice in one, so that a clearance follows what it clears."""
    batch: list[dict[str, Any]] = []
    seen: set[str] = set()
    for alert in alerts:
        if alert["alarm_id"] in seen or len(batch) == POSTED:
            yield msgspec.json.encode(batch)
            batch, seen = [], set()
        batch.append(postable(alert))
        seen.add(alert["alarm_id"])
    if batch:
        yield msgspec.json.encode(batch)


def postable(alert: Alert) -> dict[str, Any]:
    """Return one postableAlert; what is not known is left out, as an empty label would be."""
    raised = _time(alert["raised_us"])
    ends = raised + STANDS if alert["cleared_us"] is None else _time(alert["cleared_us"])
    known = {name: str(alert[name]) for name in LABELS if alert[name]}
    return {
        "labels": {"alertname": alert["specific_problem"], "severity": alert["raised_severity"], **known},
        "annotations": {
            "summary": alert["additional_text"],
            "observed": f"{alert['observed']:.6g}",
            "threshold": f"{alert['threshold']:.6g}",
            "window_s": str(alert["window_s"]),
        },
        "startsAt": _text(raised),
        "endsAt": _text(max(ends, raised)),
    }


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else EPOCH + timedelta(microseconds=int(str(value)))


def _text(when: datetime) -> str:
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")
