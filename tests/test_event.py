"""An event written in Avro at once is, octet by octet, what the encoder makes of the same event as a tuple."""

from pathlib import Path

import pytest

from collector.avro import BatchHeader, encode_batch, encoder
from collector.halves import Message
from collector.meaning import Meaning
from collector.message import Ended, Endpoints, Half, HeaderState, Vantage
from collector.pseudonym import Pseudonyms
from collector.workload import Workload
from tests.messages import messages
from tests.recorded import FULL, MIDSTREAM, SUITE

KEY = bytes(range(32))
NODE = Workload("/usr/bin/smf", "1f" * 32, "smf", "smf:2.7", "uid-1", "smf-0", "5gc", {"app": "smf", "größe": "ü"})
HERE = Endpoints(
    "ab" * 16, Vantage.SERVER, True, "10.0.0.1", 40_000, "10.0.0.2", 7777, 4711, "smf", 4_026_531_992, NODE
)


def both(every: list[tuple[Endpoints, Message]], bodies: bool = False) -> list[tuple[bytes, bytes]]:
    """Return each event twice: through the tuple, and at once; each way has a meaning of its own."""
    encoded, slowly, at_once = (
        encoder("SbiEvent", "sbi_event_batch").encoded,
        *(Meaning(Pseudonyms(KEY), bodies) for _ in range(2)),
    )
    through_tuples = [encoded(slowly.event(*one)) for one in every]
    return list(zip(through_tuples, [at_once.octets(*one) for one in every], strict=True))


@pytest.mark.parametrize("capture", [FULL, MIDSTREAM, SUITE], ids=lambda path: path.stem)
@pytest.mark.parametrize("bodies", [False, True])
def test_a_whole_capture(capture: Path, bodies: bool) -> None:
    for through_tuple, at_once in both(messages(capture), bodies):
        assert at_once == through_tuple


def said(half: Half, headers: list[tuple[bytes | None, bytes | None]], body: bytes = b"") -> Message:
    one = Message(half, 1, 1_000_000_000)
    one.headers, one.header_state, one.body, one.body_bytes = headers, HeaderState.EXACT, body, len(body)
    one.finish(Ended.COMPLETE, 1_000_500_000)
    return one


REQUEST = [
    (b":method", b"POST"),
    (b":path", b"/nsmf-pdusession/v1/sm-contexts"),
    (b":authority", "größe:7777".encode()),
    (b"3gpp-sbi-request-info", b"retrans=true; idempotency-key=k1"),
    (b"3gpp-sbi-message-priority", b"0"),
    (b"3gpp-sbi-max-rsp-time", b"99999"),
    (b"3gpp-sbi-oci", b'Timestamp: "Tue, 28 Jan 2020 13:25:42 GMT"; Period-of-Validity: 75s'),
    (b"authorization", b"Bearer x"),
]
RESPONSE = [(b":status", b"403"), (b"content-type", b"application/problem+json"), (b"server", b"smf")]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(said(Half.REQUEST, REQUEST, b'{"supi":"imsi-999700000000001","pduSessionId":0}'), id="much"),
        pytest.param(said(Half.RESPONSE, RESPONSE, b'{"status":403,"cause":"DNN_DENIED"}'), id="a cause"),
        pytest.param(said(Half.REQUEST, []), id="nothing"),
        pytest.param(said(Half.RESPONSE, []), id="no status"),
        pytest.param(said(Half.REQUEST, [(b":path", b"/" + b"\xff" * 70_000)], b"\xff" * 20_000), id="long, no UTF-8"),
        pytest.param(Message(Half.RESPONSE, 2**31 - 1, 2**62, "http1"), id="unread, HTTP/1.1, late"),
    ],
)
def test_what_captures_lack(message: Message) -> None:
    [(through_tuple, at_once)] = both([(HERE, message)], bodies=True)
    assert at_once == through_tuple


def test_events_in_avro_and_as_tuples_stand_in_one_batch_alike() -> None:
    header = BatchHeader("site", "node", 0, "inc", 1, 0, 1, final=False, loss={})
    event = Meaning(Pseudonyms(KEY)).event(HERE, said(Half.REQUEST, REQUEST))
    octets = encoder("SbiEvent", "sbi_event_batch").encoded(event)
    assert encode_batch(header, [event, octets]) == encode_batch(header, [event, event])
