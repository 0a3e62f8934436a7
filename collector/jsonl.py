"""The JSON lines sink: one event a line, the names of the Avro schema, to a file or standard output."""

from collections.abc import Callable
from typing import Any

import msgspec

from collector.batch import Batch, Event
from schemas.fields import enum_symbols, fields_of
from schemas.json_text import silent

NAMES = tuple(name for name, _ in fields_of("sbi_event_batch", "SbiEvent"))
ENUMS = {
    NAMES.index(name): enum_symbols("sbi_event_batch", enum)
    for name, enum in {
        "half": "Half",
        "vantage": "Vantage",
        "http_version": "HttpVersion",
        "ended": "Ended",
        "header_state": "HeaderState",
        "body_state": "BodyState",
    }.items()
}


def event_json(event: Event) -> dict[str, Any]:
    """Return an event by field name, its enumerations as their symbols; unknown stays None."""
    record = dict(zip(NAMES, event, strict=True))
    for place, symbols in ENUMS.items():
        record[NAMES[place]] = symbols[event[place]]
    return record


class JsonLines:
    """Writes the events of each batch by `write`; a body, where captured, as base64."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._encode: Callable[[object], bytes] = msgspec.json.Encoder().encode

    def put(self, batch: Batch) -> None:
        """Write the events of `batch`; batches without events write nothing."""
        if batch.events:
            encode = self._encode
            self._write(silent(b"".join([encode(event_json(event)) + b"\n" for event in batch.events])))
