"""How much less an overloaded end asks to be sent: 3gpp-Sbi-Oci among the further header fields of an event."""

import io
import re
from typing import Any

import fastavro

NAME = "3gpp-sbi-oci"
# TS 29.500 5.2.3.2.9: `Timestamp: "…"; Period-of-Validity: 75s; Overload-Reduction-Metric: 50%; …`, one or more.
# Read as collector.header_facts reads it; a number cut off with the value says nothing.
_METRIC = re.compile(
    r"(?<![\w.-])overload-reduction-metric\s*[:=]\s*(?:\"\s*)?([0-9]{1,3})\s*(?:%|(?:\"\s*)?(?=[;,]|\Z))",
    re.IGNORECASE | re.ASCII,
)
_HEADERS = fastavro.parse_schema({"type": "map", "values": "string"})


def reduction_percent(sbi_headers: bytes) -> int:
    """Return the greatest reduction that `sbi_headers`, an event's field as Avro, asks for; -1 without any.

    Its scopes are not told apart: an end that asks for less of one slice is overloaded there.
    """
    headers: Any = fastavro.schemaless_reader(io.BytesIO(sbi_headers), _HEADERS, None)
    asked = [int(metric) for metric in _METRIC.findall(headers.get(NAME, ""))]
    return max((percent for percent in asked if percent <= 100), default=-1)
