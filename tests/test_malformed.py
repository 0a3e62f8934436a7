"""Malformed and absurd messages on the wire: an event with what is known, a named counter, no harm to others."""

import json
from pathlib import Path
from typing import Any

import pytest

from collector.batch import Batch
from collector.capture_writing import connection, pcapng
from collector.http2_writing import beginning, conversation
from collector.jsonl import event_json
from collector.meaning import Meaning
from collector.message import Ended, Half
from collector.pcap_source import PcapSource
from collector.pseudonym import Pseudonyms
from collector.redacted_message import Written
from deploy.capture import run_capture
from schemas.config import Config
from schemas.loss import BODIES_MALFORMED, HIDES_NO_MESSAGE
from tests.meant import ENDS

MEGABYTE = 1_000_000
BEGIN_NS = 1_795_381_129_000_000_000
SUPI = "imsi-001010000000001"
JSON = ("content-type", "application/json")
PATH = "/nausf-auth/v1/ue-authentications"
Event = dict[str, Any]
Fields = tuple[tuple[str, str], ...]


def asked(more: Fields = (), path: str = PATH) -> Fields:
    return ((":method", "POST"), (":scheme", "http"), (":authority", "ausf:80"), (":path", path), *more)


def seen(folder: Path, fields: Fields, body: bytes) -> tuple[Event, Event, dict[str, int]]:
    """Return the events of a bad request and of the good one behind it, and what the last batch counts as lost."""
    bad = Written(Half.REQUEST, 1, fields, body, BEGIN_NS, BEGIN_NS + 1_000, Ended.COMPLETE)
    answer = Written(Half.RESPONSE, 1, ((":status", "200"),), b"", BEGIN_NS + 2_000, BEGIN_NS + 2_000, Ended.COMPLETE)
    later = BEGIN_NS + 5_000
    good = Written(Half.REQUEST, 3, asked((JSON,)), b'{"supi":"%s"}' % SUPI.encode(), later, later, Ended.COMPLETE)
    said = [(BEGIN_NS, side, beginning(side)) for side in (True, False)] + conversation([bad, answer, good])
    path = folder / "bad.pcapng"
    path.write_bytes(b"".join(pcapng(connection(ENDS, said), "")))
    batches: list[Batch] = []
    meaning = Meaning(Pseudonyms(None))
    run_capture(PcapSource(path), Config(), meaning.event, batches.append, meaning.losses)
    events = [event_json(event) for batch in batches for event in batch.events]
    first, last = ([one for one in events if one["half"] == "request" and one["stream_id"] == at] for at in (1, 3))
    assert (len(first), len(last)) == (1, 1)
    return first[0], last[0], batches[-1].header.loss


NAMED = b'{"supi":"' + SUPI.encode()
KNOWN: Event = {"supi": SUPI, "body_state": "malformed"}
NOTHING: Event = {"supi": None, "body_state": "malformed"}
WRONG_TYPES = (
    b'{"supi":5,"gpsi":[],"pei":{},"pduSessionId":"x","sNssai":[[]],"dnn":7,"guami":"g","servingNetwork":true,'
    b'"cause":{"cause":1},"nfInstances":"none","callbackUri":{}}'
)
BODIES: dict[str, tuple[bytes, Event, str | None]] = {
    "cut in a value": (NAMED + b'","x":"', KNOWN, BODIES_MALFORMED),
    "no JSON": (b"supi=" + SUPI.encode(), NOTHING, BODIES_MALFORMED),
    "one brace": (b"{", NOTHING, BODIES_MALFORMED),
    "closed wrongly": (NAMED + b'"]', KNOWN, BODIES_MALFORMED),
    "two documents": (NAMED + b'"}{}', KNOWN, BODIES_MALFORMED),
    "nothing but zeros": (bytes(99), NOTHING, BODIES_MALFORMED),
    "10 MB, known prefix": (
        NAMED + b'","x":"' + b"y" * 10 * MEGABYTE + b'"}',
        {"supi": SUPI, "body_state": "truncated", "body_bytes": 10 * MEGABYTE + 38},
        None,
    ),
    "10 MB of brackets": (b"[" * 10 * MEGABYTE, {"supi": None, "body_state": "truncated"}, None),
    "10 MB of members": (b'{"a":' * 2 * MEGABYTE, {"supi": None, "body_state": "truncated"}, None),
    "deep, whole": (b"[" * 5_000 + b"]" * 5_000, NOTHING, BODIES_MALFORMED),
    "deep behind a name": (
        NAMED + b'","a":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
        {"supi": SUPI},
        BODIES_MALFORMED,
    ),
    "the same name twice": (b'{"supi":5,"supi":"' + SUPI.encode() + b'"}', {"supi": SUPI, "body_state": "whole"}, None),
    "every type wrong": (
        WRONG_TYPES,
        {"supi": None, "gpsi": None, "pei": None, "pdu_session_id": None, "snssai": None, "dnn": None}
        | {"guami": None, "plmn": None, "body_state": "whole"},
        None,
    ),
    "numbers beyond bounds": (b'{"pduSessionId":1e999,"sNssai":{"sst":99999999999999999999}}', {"snssai": None}, None),
    "no UTF-8 in a text": (b'{"dnn":"\xff\xfe","supi":"' + SUPI.encode() + b'"}', {}, None),
    "half a surrogate": (b'{"dnn":"\\ud800","supi":"' + SUPI.encode() + b'"}', {}, None),
    "a bomb": (b"\x1f\x8b\x08" + bytes(50), {"supi": None}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body(tmp_path: Path, name: str) -> None:
    body, wanted, reason = BODIES[name]
    event, good, loss = seen(tmp_path, asked((JSON,)), body)
    assert {field: event[field] for field in wanted} == wanted
    assert (event["ended"], event["operation"], event["body_bytes"]) == (
        "complete",
        good["operation"],
        len(body),
    )
    assert good["supi"] == SUPI
    assert reason is None or loss == {reason: 1}
    assert set(loss) <= HIDES_NO_MESSAGE


HEADERS: dict[str, tuple[Fields, Event, dict[str, int]]] = {
    "3,000 fields": (
        asked(tuple((f"3gpp-sbi-x{number}", "y") for number in range(3_000))),
        {"path": PATH, "ended": "complete"},
        {},
    ),
    "a value of 60 KB": (asked((("user-agent", "A" * 60_000),)), {"path": PATH, "ended": "complete"}, {}),
    "a block above the bound": (
        asked((("user-agent", "A" * 70_000),)),
        {"path": None, "header_state": "unknown"},
        {"header_blocks_too_large": 1},
    ),
    "no UTF-8": (asked((("user-agent", "\udcff"),)), {"path": PATH}, {}),
    "control characters": (asked((("user-agent", "a\r\nb\x00\x1b[2J"),)), {"path": PATH}, {}),
    "every number wrong": (
        asked(
            (
                ("3gpp-sbi-message-priority", "99999999999999999999"),
                ("3gpp-sbi-max-rsp-time", "-1"),
                ("3gpp-sbi-sender-timestamp", "Mon, 99 Foo 9999 99:99:99.999 GMT"),
                ("content-length", "-5"),
            )
        ),
        {"priority": None, "max_rsp_time_ms": None, "sender_timestamp_us": None},
        {},
    ),
    "said twice": (asked(((":path", "/other"), (":method", "GET"))), {"path": PATH, "method": "POST"}, {}),
    "no pseudo-header": ((("user-agent", "AMF"),), {"method": None, "path": None, "operation": None}, {}),
    "an empty name": (asked((("", "x"),)), {"path": PATH}, {}),
    "a path of 50 KB": (asked(path="/nudm-sdm/v2/" + "x/" * 25_000), {"operation": None}, {}),
    "a coding nobody knows": (
        asked((JSON, ("content-encoding", "zstd, br, \x00"))),
        {"path": PATH, "ended": "complete"},
        {BODIES_MALFORMED: 1},
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_block(tmp_path: Path, name: str) -> None:
    fields, wanted, lost = HEADERS[name]
    event, good, loss = seen(tmp_path, fields, b"{}")
    assert {field: event[field] for field in wanted} == wanted
    assert (good["supi"], good["header_state"]) == (
        SUPI,
        "exact" if "header_blocks_too_large" not in lost else good["header_state"],
    )
    assert loss == lost
    json.dumps(event).encode()
