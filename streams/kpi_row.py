"""The record of a KPI: what the counts of one key in one window say."""

import io
from typing import Any, NamedTuple

import fastavro

from schemas.fields import document
from schemas.identity import content_id
from schemas.plain import without_logical_types
from streams.kpi_counts import (
    ANSWERED,
    CONSUMER_OVERLOAD_PERCENT_SUM,
    CONSUMER_OVERLOAD_REPORTS,
    DURATION_US_SUM,
    DURATIONS,
    HEADER_BYTES,
    IN_FLIGHT,
    OTHER,
    OVERLOAD_PERCENT_SUM,
    OVERLOAD_REPORTS,
    REQUEST_BODY_BYTES,
    RESPONSE_BODY_BYTES,
    RETRANSMITTED,
    WITH_TOKEN,
    WITHOUT_TOKEN,
    Counts,
)
from streams.measurements import measured
from streams.outcome import Outcome
from streams.sketch import quantiles

TOP_FAILURES = 10
QUANTILES = (0.5, 0.9, 0.95, 0.99)
CLIENT_QUANTILES = (0.5, 0.95, 0.99)


class Key(NamedTuple):
    """What a KPI is kept by."""

    operation: str | None
    consumer_nf: str | None
    producer_nf: str | None
    producer_nf_instance: str | None
    snssai: str | None
    dnn: str | None
    plmn: str | None
    to_proxy: bool


def other(key: Key) -> Key:
    """Return the key of all that is not kept apart; what goes to a proxy stays by itself."""
    return Key("(other)", None, None, None, None, None, None, key.to_proxy)


class Node(NamedTuple):
    """Where it was seen."""

    site: str
    node: str


def kpi_id(width_s: int, key: Key, node: Node, generation: str = "") -> str:
    """Return the id of one KPI of one window length; a field that is not known differs from an empty one.

    `generation`: what else keeps it apart, the prefix of its topics and, for keys not kept apart, the partition of the
    KPI stage. Of two that counted parts of a window neither replaces the other.
    """
    fields = (*key[:7], str(key.to_proxy), *node, *([generation] if generation else []))
    return content_id(str(width_s), *("\1" if field is None else f"={field}" for field in fields))


def kpi(
    width_s: int, start_us: int, version: int, key: Key, node: Node, vantage: str,
    counts: Counts, client: dict[int, int], blind_us: int, token_expected: bool = False,
    generation: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Return the record Kpi; `client`: durations by bin at the client end of what the server end counts."""
    by = counts.counters
    succeeded = by[Outcome.SUCCESS] + by[Outcome.REDIRECT] + by[Outcome.BUSINESS]
    requests, unknown = counts.requests, by[Outcome.UNKNOWN]
    failed = requests - succeeded - unknown
    p50, p90, p95, p99 = quantiles(counts.latencies, QUANTILES)
    client_p50, client_p95, client_p99 = quantiles(client, CLIENT_QUANTILES)
    blind_us = min(blind_us, width_s * 1_000_000)
    return {
        "kpi_id": kpi_id(width_s, key, node, generation),
        "window_start_us": start_us,
        "window_s": width_s,
        "version": version,
        **key._asdict(),
        **node._asdict(),
        "vantage": vantage,
        "requests": requests,
        "answered": by[ANSWERED],
        "succeeded": succeeded,
        "failed": failed,
        "unknown": unknown,
        "unanswered": by[Outcome.UNANSWERED],
        "late": by[Outcome.LATE],
        "resets": by[Outcome.RESET],
        "client_errors": by[Outcome.CLIENT_ERROR],
        "server_errors": by[Outcome.SERVER_ERROR],
        "hidden_failures": by[Outcome.HIDDEN_FAILURE],
        "business": by[Outcome.BUSINESS],
        "redirects": by[Outcome.REDIRECT],
        "retransmitted": by[RETRANSMITTED],
        "in_flight": by[IN_FLIGHT],
        "success_ratio": succeeded / (succeeded + failed) if succeeded + failed else None,
        "header_bytes_sum": by[HEADER_BYTES],
        "request_body_bytes_sum": by[REQUEST_BODY_BYTES],
        "response_body_bytes_sum": by[RESPONSE_BODY_BYTES],
        "durations": by[DURATIONS],
        "duration_us_sum": by[DURATION_US_SUM],
        "p50_us": p50,
        "p90_us": p90,
        "p95_us": p95,
        "p99_us": p99,
        "max_us": counts.maximum_us if by[DURATIONS] else None,
        "client_durations": sum(client.values()),
        "client_p50_us": client_p50,
        "client_p95_us": client_p95,
        "client_p99_us": client_p99,
        "completeness": (1 - unknown / requests if requests else 1.0) * (1 - blind_us / (width_s * 1_000_000)),
        "blind_us": blind_us,
        "failures": _top(counts.failures),
        "measurements": {} if key.to_proxy else measured(key.operation, counts),
        "with_token": by[WITH_TOKEN],
        "without_token": by[WITHOUT_TOKEN],
        "token_expected": token_expected,
        "overload_reports": by[OVERLOAD_REPORTS],
        "overload_percent_sum": by[OVERLOAD_PERCENT_SUM],
        "consumer_overload_reports": by[CONSUMER_OVERLOAD_REPORTS],
        "consumer_overload_percent_sum": by[CONSUMER_OVERLOAD_PERCENT_SUM],
    }


def _top(failures: dict[str, int]) -> dict[str, int]:
    """Return the most frequent failures, and the others together."""
    ordered = sorted(((-count, name) for name, count in failures.items() if count and name != OTHER))
    top = {name: -count for count, name in ordered[:TOP_FAILURES]}
    rest = failures.get(OTHER, 0) - sum(count for count, _ in ordered[TOP_FAILURES:])
    return top | ({OTHER: rest} if rest else {})


_RECORD = fastavro.parse_schema(without_logical_types(document("kpi")))


def encode(record: dict[str, Any]) -> bytes:
    """Return the record as Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _RECORD, record)
    return out.getvalue()
