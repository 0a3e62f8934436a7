"""Reads batches of KPI deltas, whoever of our releases wrote them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import fastavro

from schemas.fields import document
from streams.kpi_counts import NO_MAXIMUM, Counts
from streams.kpi_row import Key
from streams.outcome import Outcome
from streams.plain import without_logical_types
from streams.reframe import Malformed

COUNTERS = (
    *(outcome.name.lower() for outcome in Outcome),
    "answered",
    "retransmitted",
    "in_flight",
    "header_bytes",
    "request_body_bytes",
    "response_body_bytes",
    "durations",
    "duration_us_sum",
    "response_success",
    "with_token",
    "without_token",
    "overload_reports",
    "overload_percent_sum",
    "consumer_overload_reports",
    "consumer_overload_percent_sum",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is to be added for one key in 10 s."""

    window_start_us: int
    key: Key
    vantage: str
    server_address: str
    server_port: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Delta:
    """What one collector shard adds; names as in KpiDelta, `blind`: (start of the window, time) each."""

    site: str
    node: str
    shard: int
    incarnation: str
    since_us: int
    watermark_us: int
    over: bool
    blind: list[tuple[int, int]]
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Batch:
    """One message of sbi.kpi-deltas."""

    input_partition: int
    first_number: int
    deltas: list[Delta]


class DeltaReader:
    """Keeps the parsed schemas of the writers."""

    def __init__(self) -> None:
        self._ours = fastavro.parse_schema(without_logical_types(document("kpi_delta_batch")))
        self._theirs: dict[int, tuple[Mapping[str, Any], Any]] = {}

    def read(self, schema: Mapping[str, Any], body: bytes) -> Batch:
        """Return a batch; raises Malformed where the body is none of that schema, or the schema none of ours."""
        stream = io.BytesIO(body)
        try:
            if id(schema) not in self._theirs:
                self._theirs[id(schema)] = schema, fastavro.parse_schema(without_logical_types(schema))
            batch: Any = fastavro.schemaless_reader(stream, self._theirs[id(schema)][1], self._ours)
            found = Batch(batch["input_partition"], batch["first_number"], [_delta(one) for one in batch["deltas"]])
        except Exception as error:  # fastavro raises what the bytes lead it into
            raise Malformed(f"no batch of KPI deltas: {type(error).__name__}: {error}") from error
        if stream.tell() != len(body):
            raise Malformed(f"{len(body) - stream.tell()} octets behind its deltas")
        return found


def _delta(record: dict[str, Any]) -> Delta:
    blind = [(one["window_start_us"], one["blind_us"]) for one in record["blind"]]
    return Delta(**(record | {"blind": blind, "cells": [_cell(cell) for cell in record["cells"]]}))


def _cell(record: dict[str, Any]) -> Cell:
    counts = Counts(
        [record[name] for name in COUNTERS],
        max(record["duration_us_max"], NO_MAXIMUM),
        {one["index"]: one["count"] for one in record["latencies"]},
        record["failures"],
        record["response_failures"],
    )
    key = Key(*(record[name] for name in Key._fields))
    return Cell(
        record["window_start_us"], key, record["vantage"], record["server_address"], record["server_port"], counts
    )
