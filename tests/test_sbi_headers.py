"""Header fields: text, numbers, times; secrets stay out, what is absurd is cut, what is no UTF-8 stays visible."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.connection import Connection
from collector.message import Limits
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.sbi_headers import ACCESS_TOKEN, CONNECT_INFO, NAMED, HeaderReader
from collector.selection import SBI
from tests.meant import plain, told
from tests.traffic import HEADERS as HEADERS_FRAME
from tests.traffic import PREFACE, frame, settings

KEY = bytes(range(32))
REFERENCE = Path(__file__).parent.parent.parent / "shared" / "reference" / "sbi_headers.csv"


def reader(key: bytes | None = None) -> HeaderReader:
    """Return a reader that hides nothing but secrets, or with `key` identifiers, too."""
    return HeaderReader(Redaction(Pseudonyms(key)))


def others(*fields: tuple[bytes, bytes], key: bytes | None = None) -> dict[str, str] | None:
    """Return the further 3gpp-Sbi-* fields."""
    return reader(key).read(list(fields)).others


@pytest.mark.parametrize(
    ("name", "value", "field", "meaning"),
    [
        (b":method", b"POST", "method", "POST"),
        (b":authority", b"amf1:80", "authority", "amf1:80"),
        (b"host", b"amf1:80", "authority", "amf1:80"),
        (b":status", b"201", "status", 201),
        (b":status", b"2000", "status", None),
        (b":status", b"-1", "status", None),
        (b":status", "²".encode(), "status", None),
        (b"content-type", b'multipart/related; boundary="x"', "content_type", "multipart/related"),
        (b"content-type", b"Application/JSON", "content_type", "application/json"),
        (b"user-agent", b"AMF-1", "user_agent", "AMF-1"),
        (b"retry-after", b"120", "retry_after", "120"),
        (b"location", b"/nudm-uecm/v1/imsi-1", "location", "/nudm-uecm/v1/imsi-1"),
        (b"3gpp-sbi-message-priority", b"31", "priority", 31),
        (b"3gpp-sbi-message-priority", b"32", "priority", None),
        (b"3gpp-sbi-max-rsp-time", b"10000", "max_rsp_time_ms", 10_000),
        (b"3gpp-sbi-max-rsp-time", b"100000", "max_rsp_time_ms", None),
        (b"3gpp-sbi-max-rsp-time", b"9" * 5_000, "max_rsp_time_ms", None),
        (b"3gpp-sbi-target-apiroot", b"http://udm:80", "target_api_root", "http://udm:80"),
        (b"3gpp-sbi-callback", b"Nudm_SDM_Notification", "callback", "Nudm_SDM_Notification"),
        (b"3gpp-sbi-correlation-info", b"imsi-001010000000001", "correlation_info", "imsi-001010000000001"),
        (b"3gpp-sbi-request-info", b"retrans=true; reason=x", "retransmission", True),
        (b"3gpp-sbi-request-info", b"retrans=false", "retransmission", False),
        (b"authorization", b"Bearer eyJhbGciOi.x.y", "authorization_scheme", "bearer"),
        (b"authorization", b"Basic YTpi", "authorization_scheme", "other"),
        (b"3gpp-sbi-access-token", b"bearer eyJhbGciOi.x.y", "authorization_scheme", "bearer"),
        (b"3gpp-sbi-request-info", b"Idempotency-Key=a1;retrans=TRUE", "idempotency_key", "a1"),
        (b"server", b"\xff\xfeSMF", "server", "\\xff\\xfeSMF"),
    ],
)
def test_each_field_has_its_place(name: bytes, value: bytes, field: str, meaning: object) -> None:
    read = reader()
    for _ in range(2):  # the second time from memory
        assert getattr(read.read([(name, value)]), field) == meaning


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (b"Sun, 22 Nov 2026 20:58:15.866 GMT", datetime(2026, 11, 22, 20, 58, 15, 866_000, UTC)),
        (b'"Sun, 22 Nov 2026 20:58:15.1 GMT"', datetime(2026, 11, 22, 20, 58, 15, 100_000, UTC)),
        (b"Thu, 29 Feb 2024 00:00:00 GMT", datetime(2024, 2, 29, tzinfo=UTC)),
        (b"Sun, 22 Nov 2026 20:58:15.866", None),
        (b"Sun, 22 Nov 2026 20:58:15.8666666 GMT", None),
        (b"Sun, 22 Nov 2026 25:58:15.866 GMT", None),
        (b"Sun, 22 Foo 2026 20:58:15.866 GMT", None),
        (b"2026-11-22T20:58:15Z", None),
        (b"", None),
    ],
)
def test_the_senders_time(value: bytes, moment: datetime | None) -> None:
    read = reader().read([(b"3gpp-sbi-sender-timestamp", value)])
    expected = None if moment is None else round(moment.timestamp() * 1_000_000)
    assert (read.sender_timestamp_us, read.sender_timestamp) == (expected, value)


def test_further_fields_are_kept_and_lists_joined() -> None:
    assert others(
        (b"3gpp-sbi-oci", b"a"), (b"3gpp-sbi-oci", b"b"), (b"3gpp-sbi-lci", b"c"), (b"x-other", b"d"), (b"date", b"e")
    ) == {"3gpp-sbi-oci": "a, b", "3gpp-sbi-lci": "c"}
    assert others((b"server", b"x")) is None


# TS 29.500 5.2.3 and, for single services, 29.502, 29.504, 29.573; behind 3gpp-Sbi-.
HEADERS = [
    "Message-Priority",
    "Callback",
    "Target-apiRoot",
    "Scp-apiRoot",
    "Routing-Binding",
    "Binding",
    "Discovery-snssais",
    "Producer-Id",
    "Oci",
    "Lci",
    "Client-Credentials",
    "Source-NF-Client-Credentials",
    "Nrf-Uri",
    "Nrf-Uri-Callback",
    "Target-Nf-Id",
    "Max-Forward-Hops",
    "Originating-Network-Id",
    "Access-Scope",
    "Other-Access-Scopes",
    "Access-Token",
    "Target-Nf-Group-Id",
    "NF-Peer-Info",
    "Sender-Timestamp",
    "Max-Rsp-Time",
    "Correlation-Info",
    "Alternate-Chf-Id",
    "Notif-Accepted-Encoding",
    "Consumer-Info",
    "Response-Info",
    "Selection-Info",
    "Interplmn-Purpose",
    "Request-Info",
    "Retry-Info",
    "Binding-Indication-Notify-Restricted",
    "Origination-Timestamp",
    "Notification-Correlation",
    "Etags",
    "N32-Handshake-Id",
]
SECRET = {"Client-Credentials", "Source-NF-Client-Credentials", "Access-Token"}
VALUES = {"Message-Priority": b"7", "Max-Rsp-Time": b"900", "Request-Info": b"retrans=true",
          "Sender-Timestamp": b"Sun, 22 Nov 2026 20:58:15.866 GMT"}  # fmt: skip


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference table is not here")
def test_the_list_is_that_of_the_specifications() -> None:
    names = [row["header"] for row in csv.DictReader(REFERENCE.read_text().splitlines())]
    ours = {f"3gpp-Sbi-{name}" for name in HEADERS} - {"3gpp-Sbi-Discovery-snssais"}
    assert len(names) == 39
    assert set(names) == ours | {"3gpp-Sbi-Discovery-*", "3gpp-Connect-Req-Info"}


def test_the_observer_keeps_what_is_read_here() -> None:
    assert [name for name in (*NAMED, CONNECT_INFO, ACCESS_TOKEN) if not SBI.wants(name)] == []


def test_a_token_on_the_wire_is_told_by_its_scheme_alone() -> None:
    token = "Bearer eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl"
    fields = [(":method", "GET"), (":path", "/nudm-sdm/v2/imsi-001010000000001/am-data"), ("authorization", token)]
    connection = Connection(Limits(), True)
    connection.feed(True, PREFACE + settings() + frame(HEADERS_FRAME, 5, 1, hpack.Encoder().encode(fields)), 1)
    (message,) = connection.take()
    event = told(plain(), message)
    assert event["authorization_scheme"] == "bearer"
    assert "eyJ" not in repr(event)


def test_what_a_sepp_connects_for_is_kept() -> None:
    value = b"connect-purpose=n32c;originating-network-id=001-01;sender-fqdn=sepp.example.org"
    assert others((CONNECT_INFO, value)) == {"3gpp-connect-req-info": value.decode()}


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_of_3gpp_is_in_the_event_or_is_a_secret(name: str) -> None:
    nothing, read = reader().read([]), reader().read([(f"3gpp-sbi-{name}".lower().encode(), VALUES.get(name, b"x"))])
    own = name.lower().replace("-", "_").replace("apiroot", "api_root")
    places = {"message_priority": "priority", "max_rsp_time": "max_rsp_time_ms", "request_info": "retransmission",
              "sender_timestamp": "sender_timestamp_us"}  # fmt: skip
    place = places.get(own, own)
    is_told = getattr(read, place, None) != getattr(nothing, place, None)
    assert (is_told or f"3gpp-sbi-{name}".lower() in (read.others or {})) is (name not in SECRET)


@pytest.mark.parametrize(
    "name",
    [
        b"3gpp-sbi-access-token",
        b"3gpp-sbi-client-credentials",
        b"3gpp-sbi-source-nf-client-credentials",
        b"3gpp-sbi-future-token",
        b"authorization",
    ],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_secrets_stay_out(name: bytes, key: bytes | None) -> None:
    read = reader(key).read([(name, b"eyJhbGciOi")])
    assert (read.others, read.plain) == (None, None)


def test_identifiers_in_fields_are_hidden_and_known_inside() -> None:
    supi = b"imsi-001010000000001"
    read = reader(KEY).read([(b"3gpp-sbi-discovery-supi", supi), (b"3gpp-sbi-correlation-info", supi)])
    assert read.others is not None
    assert read.correlation_info is not None
    assert b"0000000001" not in (read.others["3gpp-sbi-discovery-supi"] + read.correlation_info).encode()
    assert read.plain == {"3gpp-sbi-discovery-supi": supi.decode(), "3gpp-sbi-correlation-info": supi.decode()}
    assert read.names_subject


def test_discovery_of_a_type_names_no_subject() -> None:
    read = reader().read([(b"3gpp-sbi-discovery-target-nf-type", b"UDM")])
    assert (read.names_subject, read.plain) == (False, {"3gpp-sbi-discovery-target-nf-type": "UDM"})


def test_absurd_fields_are_cut_and_few() -> None:
    read = reader().read([(b"user-agent", b"A" * 60_000), (b"location", b"/" + b"b" * 60_000)])
    assert read.user_agent == "A" * 1_023 + "…"
    assert read.location is not None
    assert len(read.location) == 8_192
    kept = others(*((b"3gpp-sbi-%d" % number, b"x") for number in range(5_000)))
    assert kept is not None
    assert len(kept) == 40
    assert others((b"3gpp-sbi-\xff" + b"x" * 500, b"y")) == {"3gpp-sbi-?": "y"}


def test_a_name_made_of_an_identifier_does_not_leave() -> None:
    kept = others((b"3gpp-sbi-imsi-001010000000001", b"y"), key=KEY)
    assert kept is not None
    assert "0000000001" not in next(iter(kept))


TWICE = [
    (b":method", b"GET", b"PUT", "method", "GET"),
    (b":path", b"/a", b"/b", "path", b"/a"),
    (b":authority", b"a:80", b"b:80", "authority", "a:80"),
    (b"host", b"a:80", b"b:80", "authority", "a:80"),
    (b":status", b"200", b"500", "status", 200),
    (b"content-type", b"application/json", b"text/plain", "content_type", "application/json"),
    (b"content-encoding", b"gzip", b"br", "content_encoding", "gzip, br"),
    (b"user-agent", b"AMF", b"SMF", "user_agent", "AMF"),
    (b"server", b"Open5GS v2.7.2", b"scp", "server", "Open5GS v2.7.2"),
    (b"via", b"2.0 a", b"2.0 b", "via", "2.0 a, 2.0 b"),
    (b"location", b"/a", b"/b", "location", "/a"),
    (b"retry-after", b"1", b"2", "retry_after", "1"),
    (b"authorization", b"Bearer x", b"Basic y", "authorization_scheme", "bearer"),
    (b"3gpp-sbi-message-priority", b"0", b"7", "priority", 0),
    (b"3gpp-sbi-max-rsp-time", b"10", b"20", "max_rsp_time_ms", 10),
    (b"3gpp-sbi-target-apiroot", b"http://a", b"http://b", "target_api_root", "http://a"),
    (b"3gpp-sbi-callback", b"A_B", b"C_D", "callback", "A_B"),
    (b"3gpp-sbi-correlation-info", b"nfinst-a", b"nfinst-b", "correlation_info", "nfinst-a"),
    (b"3gpp-sbi-sender-timestamp", b"Sun, 22 Nov 2026 20:58:15.866 GMT", b"Sun, 22 Nov 2026 20:58:15.867 GMT",
     "sender_timestamp", b"Sun, 22 Nov 2026 20:58:15.866 GMT"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "first", "second", "member", "read_as"), TWICE, ids=lambda value: str(value)[:20])
def test_of_a_field_that_is_there_twice_the_first_counts_and_lists_are_joined(
    name: bytes, first: bytes, second: bytes, member: str, read_as: object
) -> None:
    fields = reader()
    for _ in range(2):  # also when both are remembered
        assert getattr(fields.read([(name, first), (name, second)]), member) == read_as


def test_the_authority_is_before_the_host() -> None:
    assert reader().read([(b":authority", b"a:80"), (b"host", b"b:80")]).authority == "a:80"


NAMES = st.sampled_from([b":path", b":status", b"via", b"content-type", b"3gpp-sbi-request-info",
                         b"3gpp-sbi-sender-timestamp", b"3gpp-sbi-callback", b"3gpp-sbi-x"])  # fmt: skip


@given(st.lists(st.tuples(st.none() | NAMES | st.binary(max_size=30), st.none() | st.binary(max_size=60))))
def test_any_fields_are_read(fields: list[tuple[bytes | None, bytes | None]]) -> None:
    read = reader(KEY).read(fields)
    for text in (read.method, read.via, read.content_type, read.callback):
        assert text is None or isinstance(text.encode(), bytes)  # UTF-8 can say it
