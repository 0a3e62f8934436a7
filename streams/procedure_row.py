"""The record of a procedure that is over."""

import io
from typing import Any

import fastavro

from schemas.fields import document
from schemas.plain import without_logical_types
from schemas.sbi.verdicts import is_failure
from streams.procedure_instance import Outcome
from streams.procedure_timeline import Ended

SCHEMA = fastavro.parse_schema(without_logical_types(document("procedure")))


def record(ended: Ended) -> dict[str, Any]:
    """Return the record Procedure (schemas/procedure.avsc); times in microseconds since the epoch."""
    instance = ended.instance
    steps = sorted(instance.steps.values(), key=lambda one: (one[1].request_us, one[1].logical))
    requests = [seen for _, seen in steps]
    begin_us, end_us = instance.begin_us, _end_us(ended)
    return {
        "procedure_id": instance.procedure_id,
        "kind": instance.name,
        "begun_by": instance.begun_by,
        "outcome": ended.outcome.value,
        **{name: _known(requests, name) for name in ("supi", "pdu_session_id", "snssai", "dnn", "plmn")},
        "site": instance.first.site,
        "node": instance.first.node,
        "consumer_nf": instance.first.consumer_nf,
        "begin_us": begin_us,
        "end_us": end_us,
        "duration_us": end_us - begin_us,
        "requests": len(requests),
        "requests_left_out": instance.left_out,
        **_failure(ended),
        "last_step": steps[-1][0],
        "steps": [name for name, _ in steps],
        "step_operations": [seen.operation for seen in requests],
        "step_begin_us": [seen.request_us - begin_us for seen in requests],
        "step_duration_us": [seen.duration_us for seen in requests],
        "step_status": [seen.status for seen in requests],
        "step_outcomes": [seen.outcome for seen in requests],
        "step_transactions": [seen.transaction_id for seen in requests],
    }


def encode(row: dict[str, Any]) -> bytes:
    """Return the record's Avro bytes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, row)
    return out.getvalue()


def _end_us(ended: Ended) -> int:
    """Return when the last needed step that went well was answered, else when anything was heard of last."""
    instance = ended.instance
    if ended.outcome in (Outcome.SUCCESS, Outcome.PARTIAL):
        needed = {step for need in instance.definition.begins[instance.begun_by] for step in need}
        return max(
            seen.end_us for step, seen in instance.steps.values() if step in needed and instance.went_well(step, seen)
        )
    return instance.last_us


def _known(requests: list[Any], name: str) -> object:
    return next((value for seen in requests if (value := getattr(seen, name)) is not None), None)


def _failure(ended: Ended) -> dict[str, Any]:
    failures = ended.instance.failures if ended.outcome in (Outcome.FAILED, Outcome.PARTIAL) else []
    step, seen = failures[0] if failures else (None, None)
    fails = ended.instance.definition.steps[step].fails if step else frozenset()
    verdict = seen.result if seen and seen.result and (seen.result in fails or is_failure(seen.result)) else None
    return {
        "failed_step": step,
        "failed_operation": seen and seen.operation,
        "failed_producer_nf": seen and seen.producer_nf,
        "failed_status": seen and seen.status,
        "failed_outcome": seen and seen.outcome,
        "failed_cause": seen and (seen.cause or verdict),
    }
