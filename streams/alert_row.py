"""The record of an alert that was raised or cleared: fields after ITU-T X.733 and TS 28.532."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro

from schemas.fields import document
from schemas.identity import content_id
from schemas.plain import without_logical_types
from streams.alert_rules import Rule
from streams.alert_watch import Verdict, Watch

OBJECT = ("operation", "consumer_nf", "producer_nf", "producer_nf_instance", "snssai", "dnn", "plmn", "site", "node")
# By which of X.733's words for what changed: TS 28.532 11.2.1.1.
NEW, CLEARED = "notifyNewAlarm", "notifyClearedAlarm"
_PRODUCER = {"site": "Site", "node": "Node", "producer_nf": "NF", "producer_nf_instance": "Instance"}
_CONSUMER = {"site": "Site", "node": "Node", "consumer_nf": "NF"}
_SCHEMA = fastavro.parse_schema(without_logical_types(document("alert")))


def record(
    rule: Rule, watch: Watch, kpi_id: str, of: Sequence[str | None], verdict: Verdict, start_us: int, why: str = ""
) -> dict[str, Any]:
    """Return the record Alert of a watch that was just turned by the window from `start_us` on; `of`: as OBJECT.

    `why`: what ended it where no good window did.
    """
    fields = dict(zip(OBJECT, of, strict=True))
    event_us = max(start_us + rule.window_s * 1_000_000, watch.raised_us)  # none is over before it began
    return {
        "alarm_id": content_id(rule.name, kpi_id),
        "version": watch.version,
        "notification": NEW if watch.is_raised else CLEARED,
        "event_us": event_us,
        "event_type": rule.event_type,
        "probable_cause": rule.cause,
        "perceived_severity": watch.severity if watch.is_raised else "cleared",
        "raised_severity": watch.severity,
        "specific_problem": rule.name,
        "object_instance": _instance(fields, _CONSUMER if rule.of_consumer else _PRODUCER),
        "additional_text": why or _text(rule, fields, verdict),
        "window_start_us": start_us,
        "window_s": rule.window_s,
        "raised_us": watch.raised_us,
        "cleared_us": None if watch.is_raised else event_us,
        "observed": verdict.observed,
        "threshold": verdict.threshold,
        "kpi_id": kpi_id,
        **fields,
    }


def encode(row: dict[str, Any]) -> bytes:
    """Return the record's Avro bytes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _SCHEMA, row)
    return out.getvalue()


def _instance(fields: Mapping[str, str | None], names: Mapping[str, str]) -> str:
    """Return the object as a distinguished name (TS 32.300): what would end a value is escaped."""
    named = ((name, fields[field]) for field, name in names.items())
    return ",".join(f"{name}={_escaped(value)}" for name, value in named if value)


def _escaped(value: str) -> str:
    return "".join(f"\\{c}" if c in ',=+<>#;\\"' else c for c in value)


def _text(rule: Rule, fields: Mapping[str, str | None], verdict: Verdict) -> str:
    value = "+".join(rule.value) + (f" / {'+'.join(rule.per)}" if rule.per else "")
    ends = f"{fields['consumer_nf'] or '?'} to {fields['producer_nf'] or '?'}"
    what = fields["operation"] or "operation not known"
    if rule.absent_after:
        times = f"{rule.absent_after} windows of " if verdict.is_bad else ""
        return f"{value} = {verdict.observed:.6g} in {times}{rule.window_s} s: {what}, {ends}"
    return f"{value} = {verdict.observed:.6g}, threshold {verdict.threshold:.6g}, in {rule.window_s} s: {what}, {ends}"
