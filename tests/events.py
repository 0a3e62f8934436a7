"""Makes batches of events as a collector writes them: blank but for what a test says."""

from typing import Any

from collector.avro import BatchHeader, encode_batch
from schemas.fields import enum_symbols, fields_of
from schemas.identity import content_id, event_id

FIELDS = fields_of("sbi_event_batch", "SbiEvent")
NAMES = tuple(name for name, _ in FIELDS)
ENUMS = {
    "half": "Half",
    "vantage": "Vantage",
    "http_version": "HttpVersion",
    "ended": "Ended",
    "header_state": "HeaderState",
    "body_state": "BodyState",
}
SYMBOLS = {name: enum_symbols("sbi_event_batch", enum) for name, enum in ENUMS.items()}
EMPTY: dict[str, Any] = {
    "string": "",
    "int": 0,
    "long": 0,
    "boolean": False,
    "enum": 0,
    "array<string>": (),
    "map<string>": {},
}
BLANK = {name: EMPTY.get(kind) for name, kind in FIELDS}

Event = tuple[Any, ...]


def event(half: str, connection: str, stream: int, at_us: int, **said: Any) -> Event:
    """Return an event that begins and ends at `at_us`, enumerations by their symbols."""
    connection_id = content_id(connection)
    values = BLANK | {
        "event_id": event_id(connection_id, stream, half),
        "half": half,
        "connection_id": connection_id,
        "vantage": "wire",
        "http_version": "h2",
        "client_address": "10.0.0.1",
        "client_port": 40_000,
        "server_address": "10.0.1.1",
        "server_port": 7_777,
        "stream_id": stream,
        "first_byte_us": at_us,
        "headers_us": at_us,
        "last_byte_us": at_us,
        "ended": "complete",
        "header_state": "exact",
        "header_bytes": 40,
        "body_state": "none",
        "method": "GET",
        "exchange_key": content_id(connection_id, str(stream)),
    }  # fmt: skip
    values |= said
    assert len(values) == len(NAMES), set(values) - set(NAMES)
    for name, symbols in SYMBOLS.items():
        values[name] = symbols.index(values[name])
    return tuple(values[name] for name in NAMES)


def request(stream: int, at_us: int, connection: str = "c", **said: Any) -> Event:
    """Return a request."""
    return event("request", connection, stream, at_us, **said)


def response(stream: int, at_us: int, connection: str = "c", **said: Any) -> Event:
    """Return an answer, 200 unless said otherwise."""
    return event("response", connection, stream, at_us, **({"status": 200} | said))


def batch(
    sequence: int,
    events: list[Event],
    watermark_us: int,
    node: str = "n1",
    incarnation: str = "i1",
    loss: dict[str, int] | None = None,
    clock_us: int = 0,
    final: bool = False,
    shard: int = 0,
) -> bytes:
    """Return the body of an SbiEventBatch."""
    header = BatchHeader(
        "lab", node, shard, incarnation, sequence, watermark_us, 0, final, loss or {}, clock_us or watermark_us
    )
    return encode_batch(header, events)
