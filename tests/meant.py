"""How the tests ask for meaning: messages made by hand or of a capture, events by field name."""

from functools import cache
from pathlib import Path
from typing import Any

from collector.halves import Message
from collector.jsonl import event_json
from collector.meaning import Meaning
from collector.message import Ended, Endpoints, Half, HeaderState, Vantage
from collector.pseudonym import Pseudonyms
from tests.messages import messages

ENDS = Endpoints("c" * 32, Vantage.WIRE, False, "10.0.0.1", 40_000, "10.0.0.2", 80)
Headers = list[tuple[bytes | None, bytes | None]]
SECOND_NS = 1_000_000_000


def plain() -> Meaning:
    """Return a meaning that leaves identifiers as they are."""
    return Meaning(Pseudonyms(None))


def request(method: str, path: str, more: Headers | None = None, body: bytes = b"", stream_id: int = 1) -> Message:
    """Return a request that was read exactly."""
    headers: Headers = [(b":method", method.encode()), (b":path", path.encode())]
    return finished(Half.REQUEST, headers + (more or []), body, stream_id)


def response(asked: Message, status: int, more: Headers | None = None, body: bytes = b"") -> Message:
    """Return the answer to a request, read exactly."""
    headers: Headers = [(b":status", b"%d" % status), *(more or [])]
    made = finished(Half.RESPONSE, headers, body, asked.stream_id)
    made.request = asked.without_body()
    return made


def finished(half: Half, headers: Headers, body: bytes = b"", stream_id: int = 1) -> Message:
    """Return a message of these fields."""
    made = Message(half, stream_id, 7 * SECOND_NS + 1_500)
    made.headers = headers
    made.header_state = HeaderState.EXACT
    made.header_bytes = 99
    made.body, made.body_bytes = body, len(body)
    made.finish(Ended.COMPLETE, 8 * SECOND_NS)
    return made


def told(meaning: Meaning, message: Message, ends: Endpoints = ENDS) -> dict[str, Any]:
    """Return the event of a message by field name."""
    return event_json(meaning.event(ends, message))


@cache
def events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a capture with plain identifiers."""
    meaning = plain()
    return [event_json(meaning.event(ends, message)) for ends, message in messages(path)]
