"""Events of real captures and of hostile messages: what is known is told, what is not is null, nothing raises."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.avro import BatchHeader, encode_batch
from collector.halves import Message
from collector.meaning import Meaning
from collector.message import Half, HeaderState
from collector.pseudonym import Pseudonyms
from tests import tshark
from tests.meant import ENDS, Headers, events, finished, plain, request, response, told
from tests.messages import messages

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
FULL = tshark.CAPTURES / "open5gs-registration-full.pcapng"
SHARED = Path(__file__).parent.parent.parent / "shared" / "captures"
ATTACH, FREE5GC = SHARED / "thirdparty-open5gs-attach.pcap", SHARED / "thirdparty-free5gc-registration.pcap"
SCP, NRF = "127.0.0.200", "127.0.0.10"
JSON = (b"content-type", b"application/json")
Event = dict[str, Any]


def requests(path: Path) -> list[Event]:
    """Return the requests of a capture; skips where it is not."""
    if not path.exists():
        pytest.skip("the capture is not here")
    return [event for event in events(path) if event["half"] == "request"]


def operations(path: Path) -> list[str]:
    """Return what was asked for, how often, and how it was found, one line each."""
    kinds = Counter(
        "\t".join(str(event[name]) for name in ("operation_source", "service", "method", "resource", "operation"))
        for event in requests(path)
    )
    return sorted(f"{kind}\t{count}" for kind, count in kinds.items())


@pytest.mark.parametrize("path", [SUITE, FULL], ids=lambda path: path.stem)
def test_the_operations_are_those_of_the_golden_file(path: Path) -> None:
    golden = (tshark.GOLDEN / f"{path.stem}.operations.tsv").read_text().splitlines()
    assert operations(path) == golden


@pytest.mark.parametrize(
    ("path", "share"), [(SUITE, 0.985), (FULL, 0.99), (ATTACH, 0.9), (FREE5GC, 1.0)], ids=lambda value: str(value)[-24:]
)
def test_requests_have_an_operation(path: Path, share: float) -> None:
    every = [event for event in requests(path) if event["path"] is not None]
    assert sum(event["operation"] is not None for event in every) >= share * len(every)


def registered() -> tuple[dict[tuple[str, int], str], dict[str, str]]:
    """Return, by the registrations in the suite, the NF type of each client's connection and of each address."""
    clients: dict[tuple[str, int], str] = {}
    addresses = {NRF: "NRF"}
    for ends, message in messages(SUITE):
        fields = dict(message.headers)
        if fields.get(b":method") == b"PUT" and b"/nf-instances/" in fields[b":path"]:
            try:
                body = json.loads(message.body)
            except ValueError:
                continue
            if b"3gpp-sbi-max-rsp-time" not in fields:
                continue  # made with curl to provoke errors: it says AMF and registers a NEF
            addresses[body["ipv4Addresses"][0]] = body["nfType"]
            clients.setdefault((ends.client_address, ends.client_port), body["nfType"])
    return clients, addresses


def onward() -> dict[str, Event]:
    """Return, for either hop of each request through the SCP, the other one, by event id; found without any key."""
    by_id = {event["event_id"]: event for event in requests(SUITE)}
    pairs = [tuple(pair) for pair in links(by_key=False)]
    return {one: by_id[other] for pair in pairs for one, other in (pair, pair[::-1])}


def test_nf_types_are_those_that_registered() -> None:
    """Each request is held against the profiles that the NFs registered: the client's, the server's, of either hop."""
    clients, addresses = registered()
    proxies = {client for client, nf_type in clients.items() if nf_type == "SCP"}
    other = onward()
    told: Counter[str] = Counter()
    for event in requests(SUITE):
        hop = other.get(event["event_id"])
        begun = hop if hop is not None and event["server_address"] != SCP else event
        client = (begun["client_address"], begun["client_port"])
        if client in clients and (client not in proxies or event["consumer_nf"] == "SCP"):
            told["consumer"] += 1
            assert event["consumer_nf"] == clients[client], event
        else:  # clients without a profile: the NRF, curl under the name of an NF, what the SCP passed on unanswered
            told[f"no profile: {event['user_agent']}"] += 1
            assert event["consumer_nf"] == event["user_agent"], event
        target = (event["target_api_root"] or "").removeprefix("http://").partition(":")[0] or event["server_address"]
        target = hop["server_address"] if target == SCP and hop is not None else target
        if target != SCP:
            told["producer"] += 1
            assert event["producer_nf"] == addresses[target], event
    assert told == {
        "consumer": 4_553, "producer": told["producer"], "no profile: AMF": 49, "no profile: NRF": 32,
        "no profile: UDR": 1, "no profile: UDM": 1,
    }  # fmt: skip
    assert told["producer"] > 4_600


def test_nf_types_are_equal_on_both_hops_and_none_is_missing() -> None:
    hops: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for event in requests(SUITE):
        assert event["consumer_nf"]
        assert event["producer_nf"]
        if event["request_key"]:
            hops[event["request_key"]].add((event["consumer_nf"], event["producer_nf"]))
    assert all(len(kinds) == 1 for kinds in hops.values())


def test_an_answer_says_what_its_request_says() -> None:
    asked = {(event["connection_id"], event["stream_id"]): event for event in requests(SUITE)}
    same = ("method", "path", "authority", "user_agent", "operation", "resource", "service", "api_version", "callback",
            "consumer_nf", "consumer_nf_instance", "producer_nf", "exchange_key", "request_key")  # fmt: skip
    for event in events(SUITE):
        first = asked[event["connection_id"], event["stream_id"]]
        assert [event[name] for name in same] == [first[name] for name in same]


def links(by_key: bool) -> set[frozenset[str]]:
    """Return which two exchanges through the SCP are one request: by request_key, or by what the SCP could only copy.

    The slow truth: the second hop lies in time within the first, with the same target, body and answer.
    """
    first, second, answers = {}, defaultdict(list), {}
    bodies = {}
    for (_, message), event in zip(messages(SUITE), events(SUITE), strict=True):
        bodies[event["event_id"]] = message.body
        if event["half"] == "response":
            answers[event["connection_id"], event["stream_id"]] = event
    for event in requests(SUITE):
        if event["max_rsp_time_ms"] is None:
            continue
        path, _, query = event["path"].partition("?")
        told_by = (event["method"], path, tuple(sorted(unquote(query).split("&"))), bodies[event["event_id"]])
        if event["server_address"] == SCP:
            first[event["event_id"]] = (told_by, event)
        else:
            second[event["request_key"] if by_key else told_by].append(event)
    found = set()
    for told_by, event in first.values():
        answer = answers.get((event["connection_id"], event["stream_id"]))
        for other in second.get(event["request_key"] if by_key else told_by, []):
            if by_key or nested(
                event, answer, other, answers.get((other["connection_id"], other["stream_id"])), bodies
            ):
                found.add(frozenset((event["event_id"], other["event_id"])))
    return found


def nested(first: Event, answer: Event | None, other: Event, its: Event | None, bodies: dict[str, bytes]) -> bool:
    """Tell whether the exchange `other` lies within the exchange `first`, and its answer was passed on."""
    if answer is None or its is None:
        return False
    within = first["first_byte_us"] <= other["first_byte_us"] <= its["last_byte_us"] <= answer["last_byte_us"]
    same_target = (first["target_api_root"] or "").removeprefix("http://") in ("", other["authority"])
    return (
        within
        and same_target
        and first["sender_timestamp_us"] == other["sender_timestamp_us"]
        and its["status"] == answer["status"]
        and bodies[its["event_id"]] == bodies[answer["event_id"]]
    )


def test_hops_through_the_scp_are_linked_and_none_wrongly() -> None:
    linked, truth = links(by_key=True), links(by_key=False)
    assert len(truth) > 2_200
    assert len(linked & truth) >= 0.99 * len(truth)
    unproved = linked - truth  # one of the two was not answered
    assert len(unproved) <= 3
    counted = Counter(one for pair in linked for one in pair)
    assert set(counted.values()) == {1}


def test_errors_and_verdicts_of_the_suite() -> None:
    answers = [event for event in events(SUITE) if event["half"] == "response"]
    assert Counter(event["result"] for event in answers if event["result"] == "AUTHENTICATION_SUCCESS") == {
        "AUTHENTICATION_SUCCESS": 108
    }
    assert {event["body_state"] for event in answers} == {"none", "whole"}
    assert sum(event["body_state"] == "malformed" for event in requests(SUITE)) == 1


def test_midstream_what_is_not_read_is_null_and_named() -> None:
    path = tshark.CAPTURES / "open5gs-registration-midstream.pcapng"
    partial = [event for event in events(path) if event["header_state"] != "exact"]
    assert len(partial) > 500
    for event in partial:
        for name in event["missing"]:
            assert name == "retransmission" or not event[name] or name == "sbi_headers", (name, event)
    assert all(event["missing"] for event in partial)
    assert sum(event["operation"] is not None for event in requests(path)) > 1_000


def test_a_name_that_was_not_read_may_be_any_field() -> None:
    headers = [(b":method", b"GET"), (b":path", b"/nudm-sdm/v2/imsi-001010000000001/am-data"), (None, b"x")]
    message = finished(Half.REQUEST, headers)
    message.header_state = HeaderState.PARTIAL
    event = told(plain(), message)
    assert event["operation"] == "Nudm_SDM_Get"
    assert list(event["missing"]) == [
        "content_type", "via", "priority", "sender_timestamp_us", "correlation_info", "target_api_root", "authority",
        "user_agent", "max_rsp_time_ms", "callback", "retransmission", "authorization_scheme", "sbi_headers",
    ]  # fmt: skip


def test_a_value_that_was_not_read_is_missing_under_its_name() -> None:
    message = finished(Half.RESPONSE, [(b":status", None), (b"server", b"x"), (b"location", None)])
    message.header_state = HeaderState.PARTIAL
    event = told(plain(), message)
    assert (event["missing"], event["status"], event["server"]) == (("status", "location"), None, "x")
    assert (event["method"], event["path"], event["operation_source"], event["request_key"]) == (None,) * 4


def test_digits_in_a_member_that_says_what_they_are_leave_as_a_pseudonym() -> None:
    meaning = Meaning(Pseudonyms(bytes(range(32))))
    body = b'{"gpsi":"4915198765432","pei":"490154203237518"}'
    event = told(meaning, request("POST", "/nsmf-pdusession/v1/sm-contexts", [JSON], body))
    spelled = b'{"gpsi":"msisdn-4915198765432","pei":"imei-490154203237518"}'
    again = told(meaning, request("POST", "/nsmf-pdusession/v1/sm-contexts", [JSON], spelled))
    assert (event["gpsi"], event["pei"]) == (again["gpsi"], again["pei"])
    assert event["gpsi"].startswith("msisdn-")
    assert not any(digits in repr(event) for digits in ("98765432", "03237518"))


def test_what_was_inferred_is_said() -> None:
    message = finished(Half.RESPONSE, [(b":status", b"201"), (b"location", b"/x")])
    message.header_state = HeaderState.PARTIAL
    message.inferred = (":status",)
    event = told(plain(), message)
    assert (event["status"], event["inferred"]) == (201, ("status",))


def test_a_request_mended_after_its_event_speaks_through_its_answer() -> None:
    meaning, asked = plain(), request("GET", "/nudm-sdm/v2/imsi-001010000000001/am-data")
    asked.header_state = HeaderState.PARTIAL
    assert told(meaning, asked)["user_agent"] is None
    asked.headers.append((b"user-agent", b"AMF"))
    assert told(meaning, response(asked, 200))["consumer_nf"] == "AMF"


@pytest.mark.parametrize(
    ("status", "more", "body", "said"),
    [
        (404, [], b'{"cause":"USER_NOT_FOUND"}', ("USER_NOT_FOUND", None, None)),
        (403, [(b"server", b"SMF-1")], b'{"error":{"cause":"DNN_DENIED"}}', ("DNN_DENIED", None, "server")),
        (504, [(b"server", b"SCP-scp1.example")], b'{"cause":"TARGET_NF_NOT_REACHABLE"}',
         ("TARGET_NF_NOT_REACHABLE", None, "via")),
        (502, [(b"server", b"nginx")], b'{"cause":"MAX_SCP_HOPS_REACHED"}', ("MAX_SCP_HOPS_REACHED", None, "via")),
        (403, [(b"server", b"SMF-1")], b'{"error":{"cause":"X"},"remoteError":true}', ("X", None, "remote")),
        (200, [(b"server", b"SMF-1")], b'{"authResult":"AUTHENTICATION_FAILURE"}',
         (None, "AUTHENTICATION_FAILURE", None)),
        (500, [], b"", (None, None, None)),
    ],
)  # fmt: skip
def test_what_an_answer_tells_of_its_outcome(
    status: int, more: Any, body: bytes, said: tuple[str | None, str | None, str | None]
) -> None:
    asked = request("POST", "/nsmf-pdusession/v1/sm-contexts")
    event = told(plain(), response(asked, status, [JSON, *more], body))
    assert (event["cause"], event["result"], event["error_origin"]) == said


def test_a_cause_in_a_request_is_no_error() -> None:
    event = told(plain(), request("POST", "/nsmf-pdusession/v1/sm-contexts/1/release", [JSON], b'{"cause":"REL_DUE"}'))
    assert event["cause"] is None


def test_no_identifier_leaves_with_a_key() -> None:
    meaning = Meaning(Pseudonyms(bytes(range(32))))
    digits = {b"9997000000", b"0000021309"}
    leaving = b"".join(repr(meaning.event(ends, message)).encode() for ends, message in messages(SUITE)[:4_000])
    assert not [one for one in digits if one in leaving]


def encoded(event: tuple[Any, ...]) -> bytes:
    return encode_batch(BatchHeader("s", "n", 0, "i", 1, 0, 1, False, {}), [event])


HOSTILE = [
    b'{"a":' * 100_000, b"[" * 10_000_000, b'{"supi":"imsi-' + b"9" * 10_000_000, b'{"cause":"\\ud800"}',
    b'{"cause":"\xff\xfe"}', b'{"cause":{"cause":1}}', b'{"supi":1,"supi":"imsi-001010000000001"}', b"\x00" * 99,
    b'{"nfInstances":[{"nfInstanceId":5}],"validityPeriod":1e999}', b"\x1f\x8b\x08" + b"\x00" * 50,
    b'{"nfStatusNotificationUri":"http://[::1/\xff","n1n2FailureTxfNotifURI":"' + b"a" * 9_000 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: body[:16].decode("latin-1"))
@pytest.mark.parametrize(
    "kind", [b"application/json", b"multipart/related; boundary=x", b"application/json-patch+json"]
)
def test_hostile_bodies_give_events(body: bytes, kind: bytes) -> None:
    meaning = plain()
    for path in ("/nnrf-nfm/v1/subscriptions", "/nausf-auth/v1/ue-authentications", "/nnrf-nfm/v1/nf-instances/x"):
        asked = request("PATCH", path, [(b"content-type", kind)], body)
        assert encoded(meaning.event(ENDS, asked))
        assert encoded(meaning.event(ENDS, response(asked, 200, [(b"content-type", kind)], body)))


@pytest.mark.parametrize(
    "path",
    [
        b"", b"*", b"\xff\xfe/%ff%ZZ", b"/" * 60_000, b"/nudm-sdm/v2/" + b"x/" * 30_000, b"/nudm-sdm/v99999/x",
        b"?" * 9, b"/nnrf-disc/v1/nf-instances?" + b"&a=%25" * 9_000, b"http://h/nudm-sdm/v2/imsi-1/am-data",
        b"/oauth2/v1", "/nudm-sdm/v２/x".encode(),
    ],
    ids=lambda path: path[:20].decode("latin-1"),
)  # fmt: skip
def test_hostile_paths_give_events(path: bytes) -> None:
    for meaning in (plain(), Meaning(Pseudonyms(bytes(32)))):
        asked = finished(Half.REQUEST, [(b":method", b"GET"), (b":path", path)])
        assert encoded(meaning.event(ENDS, asked))
        assert encoded(meaning.event(ENDS, response(asked, 404)))


NAMES = st.sampled_from([
    b":method", b":path", b":authority", b":status", b"user-agent", b"content-type", b"location", b"via", b"server",
    b"3gpp-sbi-callback", b"3gpp-sbi-target-apiroot", b"3gpp-sbi-discovery-supi", b"3gpp-sbi-producer-id",
    b"3gpp-sbi-correlation-info", b"3gpp-sbi-request-info", b"3gpp-sbi-sender-timestamp",
])  # fmt: skip
VALUES = st.sampled_from([
    b"POST", b"/nsmf-pdusession/v1/sm-contexts", b"/nnrf-nfm/v1/nf-instances/x", b"AMF", b"201", b"application/json",
    b"http://udm:80", b"nfinst=723e296c-e6b7-41f1-bef2-b91a7e1dd1ec", b"imsi-001010000000001",
    b"Nudm_SDM_Notification; apiversion=2", b"multipart/related; boundary=a",
])  # fmt: skip
FIELDS = st.lists(
    st.tuples(st.none() | NAMES | st.binary(max_size=20), st.none() | VALUES | st.binary(max_size=40)), max_size=12
)
BODIES = st.binary(max_size=60) | st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["supi", "cause", "error", "nfInstances", "nfType", "callbackReference", "sNssai"]), inner
        )
    ),
    max_leaves=9,
).map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize(
    ("method", "path", "named", "operation", "source", "consumer"),
    [
        ("POST", "/nnrf-nfm/v1/nf-status-notify", None, "Nnrf_NFManagement_NFStatusNotify", "vendor_shape", "NRF"),
        ("DELETE", "/nnrf-nfm/v1/nf-status-notify", None, None, "unknown_resource", None),
        ("GET", "/namf-callback/v1/imsi-00101/dereg-notify", None, None, "unknown_resource", None),
        ("POST", "/any/where", "Nudm_SDM_Notification", "Nudm_SDM_Notification", "callback_header", "UDM"),
        ("GET", "/any/where", "Nudm_SDM_Notification", None, "unknown_resource", None),
        ("POST", "/nudm-sdm/v2/imsi-00101/am-data", "Nudm_SDM_Notification", None, "method_not_in_api", None),
    ],
)
def test_a_callback_has_its_method_and_no_path_of_an_api(
    method: str, path: str, named: str | None, operation: str | None, source: str, consumer: str | None
) -> None:
    more: Headers = [] if named is None else [(b"3gpp-sbi-callback", named.encode())]
    event = told(plain(), request(method, path, more))
    assert (event["operation"], event["operation_source"], event["consumer_nf"]) == (operation, source, consumer)


@given(st.lists(st.tuples(st.booleans(), FIELDS, BODIES, st.integers(1, 5)), max_size=6))
def test_any_messages_give_events(given_messages: list[tuple[bool, Any, bytes, int]]) -> None:
    meaning = Meaning(Pseudonyms(bytes(range(32))))
    asked: Message | None = None
    for is_response, fields, body, stream_id in given_messages:
        message = finished(Half.RESPONSE if is_response else Half.REQUEST, fields, body, stream_id)
        message.header_state = HeaderState(stream_id % 3)
        message.request = asked if is_response else None
        asked = asked if is_response else message
        assert encoded(meaning.event(ENDS, message))


def test_the_same_messages_give_the_same_events() -> None:
    every, first, again = messages(FULL), plain(), plain()
    assert [first.event(*one) for one in every] == [again.event(*one) for one in every]


if __name__ == "__main__":
    for capture in (SUITE, FULL):
        target = tshark.GOLDEN / f"{capture.stem}.operations.tsv"
        target.write_text("\n".join(operations(capture)) + "\n")
