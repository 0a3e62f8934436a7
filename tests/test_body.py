"""Bodies: what they say, whole, cut, broken, encoded, huge; and what may leave of them."""

import gzip
import json
import re
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.body import MOST_BYTES, BodyFacts, BodyState, Callback, _callbacks, _called, read_body
from collector.document import FIELDS, members_of
from collector.document_facts import cause_of, identifiers_of, patched_of, profiles_in, references_of, verdict_of
from collector.identifiers import NO_IDENTIFIERS, Identifiers
from collector.json_members import MemberReader
from collector.json_prefix import closed
from collector.multipart import json_part
from collector.nf_profile import NfService
from tests import tshark
from tests.messages import facts, messages

SUPI, GPSI, PEI = "imsi-999700000021309", "msisdn-491725670014", "imeisv-8665070400405301"
NF = "723e296c-e6b7-41f1-bef2-b91a7e1dd1ec"
CREATE = {
    "supi": SUPI, "pei": PEI, "gpsi": GPSI, "pduSessionId": 5, "dnn": "internet", "sNssai": {"sst": 1},
    "servingNfId": NF, "guami": {"plmnId": {"mcc": "999", "mnc": "70"}, "amfId": "020040"},
    "servingNetwork": {"mcc": "999", "mnc": "70"}, "n1SmMsg": {"contentId": "5gnas-sm"},
    "smContextStatusUri": "http://127.0.0.5:7777/namf-callback/v1/x/sm-context-status/5",
}  # fmt: skip
CREATED = Identifiers(
    supi=SUPI,
    gpsi=GPSI,
    pei=PEI,
    pdu_session_id=5,
    snssai="1",
    dnn="internet",
    plmn="99970",
    guami="99970-020040",
    nf_instance=NF,
)
TEXT = json.dumps(CREATE).encode()
MULTIPART = (
    b"--=-a/I==\r\nContent-Type: application/json\r\n\r\n" + TEXT + b"\r\n--=-a/I==\r\nContent-Id: 5gnas-sm\r\n"
    b"Content-Type: application/vnd.3gpp.5gnas\r\n\r\n.\x05\x01\xc2\x13\0--=-a/I\r\n--=-a/I==--\r\n"
)
KIND = 'multipart/related; boundary="=-a/I=="'


def read(document: object, kind: str = "application/json") -> BodyFacts:
    text = json.dumps(document).encode()
    return read_body(kind, None, text, len(text))


def test_a_request_says_whom_it_is_about_and_where_it_wants_to_be_called() -> None:
    said = read(CREATE)
    assert (said.state, said.identifiers) == (BodyState.WHOLE, CREATED)
    assert said.callbacks == (Callback("smContextStatusUri", CREATE["smContextStatusUri"]),)


@pytest.mark.parametrize(
    "kind", [KIND, KIND.replace('"', ""), "multipart/related", "multipart/related; boundary=wrong", None]
)
def test_the_json_part_of_multipart(kind: str | None) -> None:
    said = read_body(kind, None, MULTIPART, len(MULTIPART))
    assert (said.state, said.identifiers) == (BodyState.WHOLE, CREATED)


def test_the_json_part_need_not_be_the_first() -> None:
    first, second = (
        b"Content-Type: application/octet-stream\r\n\r\n\0\1",
        b"Content-Type: application/json\r\n\r\n" + TEXT,
    )
    body = b"--b\r\n" + first + b"\r\n--b\r\n" + second + b"\r\n--b--"
    assert read_body("multipart/related; boundary=b", None, body, len(body)).identifiers == CREATED


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/problem+json",
        "application/3gppHal+json",
        "text/plain",
        None,
    ],
)
def test_json_is_read_whatever_it_is_called(kind: str | None) -> None:
    assert read_body(kind, None, b"\xef\xbb\xbf " + TEXT + b"\n", len(TEXT) + 5).identifiers == CREATED


@pytest.mark.parametrize(
    ("document", "cause", "remote"),
    [
        ({"status": 404, "cause": "USER_NOT_FOUND", "detail": SUPI}, "USER_NOT_FOUND", False),
        ({"error": {"status": 403, "cause": "DNN_DENIED"}, "remoteError": True}, "DNN_DENIED", True),
        ({"problemDetails": {"cause": "X"}}, "X", False),
        ({"error": "invalid_client"}, "invalid_client", False),
        ({"invocationResult": {"error": {"cause": "CHARGING_FAILED"}}}, "CHARGING_FAILED", False),
        ({"title": "no cause", "status": 500}, None, False),
        ({"cause": 5, "error": []}, None, False),
        ({"cause": "N1_N2_TRANSFER_INITIATED"}, None, False),
    ],
)
def test_causes(document: object, cause: str | None, remote: bool) -> None:
    said = read(document, "application/problem+json")
    assert (said.cause, said.remote_error) == (cause, remote)


@pytest.mark.parametrize(
    ("document", "result", "failed"),
    [
        ({"authResult": "AUTHENTICATION_FAILURE"}, "AUTHENTICATION_FAILURE", True),
        ({"authResult": "AUTHENTICATION_SUCCESS", "supi": SUPI}, "AUTHENTICATION_SUCCESS", False),
        ({"authResult": "AUTHENTICATION_ONGOING"}, "AUTHENTICATION_ONGOING", False),
        ({"authResult": "EAP_SUCCESS"}, "EAP_SUCCESS", False),  # AuthStatus of an NSSAAF (TS 29.526)
        ({"authResult": "PENDING"}, "PENDING", False),
        ({"authResult": "EAP_FAILURE"}, "EAP_FAILURE", True),
        ({"authResult": "AUTH_SUCCESS"}, "AUTH_SUCCESS", False),  # of a UAV (TS 29.256)
        ({"authResult": "AUTH_FAIL"}, "AUTH_FAIL", True),
        ({"n2SmInfoType": "UE_CONTEXT_RESUME_RSP"}, "UE_CONTEXT_RESUME_RSP", False),  # an SMF's usual 200
        ({"amfInstanceId": NF, "initialRegistrationInd": True}, "INITIAL_REGISTRATION", False),
        ({"amfInstanceId": NF, "initialRegistrationInd": False}, "NO_INITIAL_REGISTRATION", False),
        ({"amfInstanceId": NF, "initialRegistrationInd": "true"}, None, False),
        ({"amfInstanceId": NF}, None, False),
        ({"reason": "MOBI_REG", "accessType": "3GPP_ACCESS"}, "MOBI_REG", False),  # TransferReason (TS 29.518)
        ({"reason": "because"}, None, False),
        ({"cause": "N1_MSG_NOT_TRANSFERRED"}, "N1_MSG_NOT_TRANSFERRED", True),
        ({"cause": "N2_MSG_NOT_TRANSFERRED"}, "N2_MSG_NOT_TRANSFERRED", True),
        ({"cause": "ATTEMPTING_TO_REACH_UE"}, "ATTEMPTING_TO_REACH_UE", False),
        ({"n2SmInfoType": "PDU_RES_SETUP_FAIL"}, "PDU_RES_SETUP_FAIL", True),
        ({"n2SmInfoType": "PATH_SWITCH_REQ_FAIL", "upCnxState": "ACTIVATED"}, "PATH_SWITCH_REQ_FAIL", True),
        ({"n2SmInfoType": "PDU_RES_SETUP_RSP", "upCnxState": "ACTIVATED"}, "PDU_RES_SETUP_RSP", False),
        ({"hoState": "CANCELLED"}, "CANCELLED", True),
        ({"hoState": "PREPARED", "n2SmInfoType": "HANDOVER_REQ_ACK"}, "PREPARED", False),
        ({"upCnxState": "ACTIVATING"}, "ACTIVATING", False),
        ({"validityPeriod": 30, "nfInstances": []}, "NO_NF_FOUND", True),
        ({"validityPeriod": 30, "nfInstances": None}, "NO_NF_FOUND", True),  # free5GC
        ({"validityPeriod": 30, "nfInstances": [], "nfInstanceList": {}}, "NO_NF_FOUND", True),
        ({"validityPeriod": 30, "nfInstances": [], "nfInstanceList": {NF: {"priority": 1}}}, None, False),
        ({"validityPeriod": 30, "nfInstances": [{"nfInstanceId": NF, "nfType": "SMF"}]}, None, False),
        ({"validityPeriod": {"startTime": "x"}}, None, False),  # of another document
        ({"invocationResult": {"error": {"cause": "CHARGING_FAILED"}}}, "CHARGING_FAILED", True),
        ({"invocationResult": {"error": {"status": 500}}}, "CHARGING_ERROR", True),
        ({"invocationResult": {"error": {"cause": "SOMETHING_NEW"}}}, "CHARGING_ERROR", True),
        ({"multipleUnitInformation": [{"resultCode": "SOMETHING_NEW"}]}, "CHARGING_ERROR", True),
        (
            {"multipleUnitInformation": [{"resultCode": "SUCCESS"}, {"resultCode": "QUOTA_LIMIT_REACHED"}]},
            "QUOTA_LIMIT_REACHED",
            True,
        ),
        ({"multipleUnitInformation": [{"resultCode": "SUCCESS"}]}, None, False),
        ({"deliveryStatus": "SMS_DELIVERY_FAILED"}, "SMS_DELIVERY_FAILED", True),
        ({"rejectedNssaiInPlmn": [{"sst": 1}]}, "ONLY_REJECTED_NSSAI", True),
        ({"rejectedNssaiInPlmn": [{"sst": 1}], "allowedNssaiList": [{}]}, None, False),
        ({"statusInfo": {"resourceStatus": "RELEASED"}}, "RELEASED", False),
    ],
)
def test_verdicts(document: object, result: str | None, failed: bool) -> None:
    said = read(document)
    assert (said.result, said.failed) == (result, failed)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {"supiOrSuci": "suci-0-999-70-0-0-0-0000021309", "servingNetworkName": "5G:mnc070.mcc999.3gppnetwork.org"},
            Identifiers(supi=SUPI, plmn="99970"),
        ),
        ({"supiOrSuci": "suci-0-999-70-0-1-1-ab"}, Identifiers(suci="suci-0-999-70-0-1-1-ab")),
        ({"supi": "999700000021309"}, Identifiers(supi=SUPI)),
        # Where a UE stands that has no SUPI (an emergency registration) or is named by another kind.
        ({"supi": PEI}, Identifiers(pei=PEI)),
        ({"ueId": PEI}, Identifiers(pei=PEI)),
        ({"ueId": "mac-00-00-5e-00-53-af", "supi": SUPI}, Identifiers(supi=SUPI, pei="mac-00-00-5e-00-53-af")),
        ({"subscriberIdentifier": PEI, "pei": "imei-49015420323751"}, Identifiers(pei=PEI)),
        ({"ueContext": {"supi": PEI}}, Identifiers(pei=PEI)),
        ({"request": {"supi": GPSI}}, Identifiers(gpsi=GPSI)),
        (
            {
                "request": {
                    "supi": SUPI,
                    "pei": PEI,
                    "guami": {"plmnId": {"mcc": "999", "mnc": "70"}, "amfId": "020040"},
                },
                "suppFeat": "4",
            },
            Identifiers(supi=SUPI, pei=PEI, guami="99970-020040"),
        ),
        ({"ueContext": {"supi": SUPI, "gpsiList": [GPSI]}}, Identifiers(supi=SUPI, gpsi=GPSI)),
        (
            {
                "subscriberIdentifier": SUPI,
                "pDUSessionChargingInformation": {
                    "pduSessionInformation": {
                        "pduSessionID": 7,
                        "dnnId": "ims",
                        "networkSlicingInfo": {"sNSSAI": {"sst": 2}},
                    },
                    "userInformation": {"servedGPSI": GPSI},
                },
            },
            Identifiers(supi=SUPI, gpsi=GPSI, pdu_session_id=7, dnn="ims", snssai="2"),
        ),
        (
            {"n2InfoContainer": {"smInfo": {"pduSessionId": 10, "sNssai": {"sst": 1, "sd": "010203"}}}},
            Identifiers(pdu_session_id=10, snssai="1-010203"),
        ),
        ({"gpsis": [GPSI, "msisdn-1"]}, Identifiers(gpsi=GPSI)),
        ({"gpsi": "4915198765432"}, Identifiers(gpsi="msisdn-4915198765432")),  # the member says what digits are
        ({"gpsis": ["4915198765432"], "supi": SUPI}, Identifiers(supi=SUPI, gpsi="msisdn-4915198765432")),
        ({"gpsi": "4915"}, NO_IDENTIFIERS),
        ({"gpsi": "4915198765432109"}, NO_IDENTIFIERS),
        ({"gpsi": "²²²²²²"}, NO_IDENTIFIERS),
        ({"pei": "490154203237518"}, Identifiers(pei="imei-490154203237518")),
        ({"pei": "4901542032375187"}, Identifiers(pei="imeisv-4901542032375187")),
        ({"pei": "12345"}, NO_IDENTIFIERS),
        ({"guti": "20893cafe0000000001"}, Identifiers(guti="5g-guti-20893cafe0000000001")),
        ([{"singleNssai": {"sst": 1}}], Identifiers(snssai="1")),
        ([{"singleNssai": {"sst": 1}}, {"singleNssai": {"sst": 2}}], NO_IDENTIFIERS),
        (
            {
                "supi": ["imsi-1"],
                "pduSessionId": {},
                "dnn": 4,
                "sNssai": "x",
                "guami": [],
                "pei": None,
                "gpsi": {},
                "nfInstanceId": 9,
            },
            NO_IDENTIFIERS,
        ),
    ],
)
def test_identifiers_wherever_they_stand(document: object, said: Identifiers) -> None:
    assert read(document).identifiers == said


def test_callbacks_at_any_depth_however_spelled() -> None:
    text = rb'{"a":[{"notifUri" : "http:\/\/x\/y"}],"n1n2FailureTxfNotifURI":"http://a/b","callbackReference":"/c","apiVersionInUri":"v1","nfInstanceUri":"http://d/e","someUrl":5}'
    said = read_body("application/json", None, text, len(text))
    assert {(one.key, one.uri) for one in said.callbacks} == {
        ("notifUri", "http://x/y"),
        ("n1n2FailureTxfNotifURI", "http://a/b"),
        ("callbackReference", "/c"),
    }


@pytest.mark.parametrize(
    "value", [b"h\\\\\x99", b"http:\\/\\/x\xff", b"\\ud800\x80"], ids=["uri", "escaped uri", "surrogate"]
)
@pytest.mark.parametrize("key", [b"smContextStatusUri", b"dnn", b"supi", b"cause"])
def test_a_value_that_is_no_utf_8_is_none(key: bytes, value: bytes) -> None:
    """Found by the fuzzer: msgspec raises UnicodeDecodeError, which is no DecodeError, for one that has escapes too."""
    for body in (b'{"%s":"%s","pduSessionId":5}', b'{"pduSessionId":5,"%s":"%s"}', b'{"a":1,"%s":"%s"', b'["%s","%s"]'):
        text = body % (key, value)
        said = read_body("application/json", None, text, len(text))
        assert (said.callbacks, said.identifiers.dnn, said.identifiers.supi) == ((), None, None)


def test_references_and_patches() -> None:
    assert read({"subscriptionId": "7", "smContextRef": 5}).references == (("subscriptionId", "7"),)
    patch = [
        {"op": "replace", "path": "/nfStatus", "value": "REGISTERED"},
        {"op": "replace", "path": "/load", "value": 3},
        {"op": "remove", "path": "/x"},
    ]
    assert read(patch, "application/json-patch+json").patched == (("/nfStatus", "REGISTERED"), ("/load", 3))


def test_profiles_of_network_functions() -> None:
    service = {
        "serviceName": "nsmf-pdusession",
        "scheme": "http",
        "ipEndPoints": [{"ipv4Address": "10.0.0.4", "port": 7777}],
        "nfServiceStatus": "REGISTERED",
    }
    profile = {
        "nfInstanceId": NF,
        "nfType": "SMF",
        "nfStatus": "REGISTERED",
        "fqdn": "SMF.example",
        "ipv4Addresses": ["10.0.0.4"],
        "heartBeatTimer": 10,
        "sNssais": [{"sst": 1}],
        "nfServiceList": {"a": service},
    }
    for document in (
        profile,
        {"event": "NF_REGISTERED", "nfProfile": profile},
        {"validityPeriod": 9, "nfInstances": [profile]},
    ):
        (found,) = read(document).profiles
        assert (found.instance_id, found.nf_type, found.status, found.fqdn, found.heartbeat_s) == (
            NF,
            "SMF",
            "REGISTERED",
            "SMF.example",
            10,
        )
        assert found.services == (NfService("nsmf-pdusession", ("10.0.0.4:7777", "smf.example:7777"), "REGISTERED"),)
        assert (found.addresses, found.snssais) == (("10.0.0.4",), ("1",))
    assert (
        read({"nfInstanceId": NF, "nfType": 5, "nfStatus": "x", "nfServices": [5, {}, {"serviceName": 1}]})
        .profiles[0]
        .nf_type
        is None
    )
    assert read({"nfInstanceId": NF, "success": True}).profiles == ()


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", None])
def test_compressed_bodies(encoding: str | None) -> None:
    packed = zlib.compress(TEXT) if encoding == "deflate" else gzip.compress(TEXT)
    said = read_body("application/json", encoding, packed, len(packed))
    assert (said.state, said.identifiers) == (BodyState.WHOLE, CREATED)


def test_compressed_bodies_that_are_not() -> None:
    assert read_body("application/json", "gzip", TEXT, len(TEXT)).unreadable == "content-encoding gzip"
    assert read_body("application/json", "br", b"\x8b\x02", 2).state is BodyState.MALFORMED
    packed = gzip.compress(json.dumps({**CREATE, "z": "x" * 100_000}).encode())
    cut = read_body("application/json", "gzip", packed[:-20], len(packed))
    assert (cut.state, cut.identifiers) == (BodyState.TRUNCATED, CREATED)


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b"[" * 50_000_000, 9)[:262_144]
    assert read_body("application/json", "gzip", bomb, len(bomb)).state is BodyState.TRUNCATED


@pytest.mark.parametrize(
    ("kind", "body", "size", "state"),
    [
        ("application/json", b"", 0, BodyState.NONE),
        ("application/json", b"", 100, BodyState.TRUNCATED),
        ("application/json", b"{}", 2, BodyState.WHOLE),
        ("application/json", b"null", 4, BodyState.WHOLE),
        ("application/json", b"hello", 5, BodyState.MALFORMED),
        ("application/json", b'{"a":', 5, BodyState.MALFORMED),
        ("application/json", b"{\xff}", 3, BodyState.MALFORMED),
        ("application/json", b'{"supi":"\xff\xfe"}', 13, BodyState.MALFORMED),
        ("application/x-www-form-urlencoded", b"grant_type=x", 12, BodyState.NONE),
        ("text/html", b"<p>", 3, BodyState.NONE),
        ("application/octet-stream", b"\0\1", 2, BodyState.NONE),
        (KIND, b"no parts", 8, BodyState.NONE),
        (KIND, MULTIPART[:100], len(MULTIPART), BodyState.TRUNCATED),
    ],
)
def test_states(kind: str, body: bytes, size: int, state: BodyState) -> None:
    assert read_body(kind, None, body, size).state is state


def test_a_cut_body_says_what_its_beginning_says() -> None:
    for cut in range(1, len(TEXT)):
        said = read_body("application/json", None, TEXT[:cut], len(TEXT))
        assert said.state is BodyState.TRUNCATED
        for said_here, said_whole in zip(said.identifiers.said(), CREATED.said(), strict=True):
            assert said_here in (None, said_whole), cut
        if cut > TEXT.index(b'"pei"'):
            assert said.identifiers.supi == SUPI, cut


def test_a_broken_body_says_what_stands_before_the_fault() -> None:
    broken = TEXT[:-1] + b',"x":nonsense}'
    said = read_body("application/json", None, broken, len(broken))
    assert (said.state, said.identifiers) == (BodyState.MALFORMED, CREATED)


@pytest.mark.parametrize(
    ("prefix", "whole"),
    [
        (b'{"a":1,"b":"x","c":"y', b'{"a":1,"b":"x"}'),
        (b'{"a":[1,2,{"b":"c"', b'{"a":[1,2,{"b":"c"}]}'),
        (b'{"a":12', b"{}"),
        (b'{"a":12,', b'{"a":12}'),
        (b'{"a"', b"{}"),
        (b'{"a":"x\\', b"{}"),
        (b'{"a":{"b":"c"}', b'{"a":{"b":"c"}}'),
        (b'{"a":tru', b"{}"),
        (b"[[[", b"[[[]]]"),
        (b"", b""),
        (b'"x', b""),
        (b"{]", b"{}"),
    ],
)
def test_closing(prefix: bytes, whole: bytes) -> None:
    assert json.loads(closed(prefix) or b"null") == json.loads(whole or b"null")


def test_duplicate_keys_do_not_hurt() -> None:
    text = b'{"supi":"imsi-1","supi":"imsi-999700000021309"}'
    assert read_body("application/json", None, text, len(text)).identifiers.supi == SUPI


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000_000,
        b'{"a":' * 2_000_000,
        b'{"supi":"' + b"x" * 10_000_000 + b'"}',
        b'{"Uri":"' * 1_000_000,
        b'"' * 1_000_001,
        b'{"a":"' + b"\\\\" * 2_000_000,
        b"--b\r\n" * 100_000,
        b"{" + b'"xUri":"http://a/b/c",' * 100_000 + b'"z":1}',
        b'{"nfInstances":['
        + b'{"nfInstanceId":"723e296c-e6b7-41f1-bef2-b91a7e1dd1ec","nfType":"SMF"},' * 100_000
        + b"{}]}",
    ],
    ids=range(9),
)
def test_huge_bodies_take_bounded_time(body: bytes) -> None:
    for kind in ("application/json", KIND, None):
        read_body(kind, None, body, len(body))
        read_body(kind, None, body[:MOST_BYTES], len(body))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *FIELDS,
                    *CREATE,
                    "nfInstances",
                    "request",
                    "error",
                    "op",
                    "path",
                    "value",
                    "nfProfile",
                    "nfServices",
                    "multipleUnitInformation",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=4))
def test_no_member_is_overlooked(document: dict[str, object]) -> None:
    text = json.dumps(document).encode()
    said = read_body("application/json", None, text, len(text))
    if said.state is not BodyState.WHOLE:  # a number that JSON's grammar allows and no reader takes
        return
    whole = members_of(text)
    assert (said.identifiers, said.cause) == (identifiers_of(whole), cause_of(whole))
    assert (said.result, said.failed) == verdict_of(whole)
    assert (said.references, said.profiles) == (references_of(whole), profiles_in(whole))
    assert said.patched == patched_of(whole)


SPACE = st.sampled_from(["", " ", "\n", "\t \r"])
TEXTS = st.text(st.sampled_from('ab\\"/\n\u00e9\x7fUri'), max_size=6)


NAMES = st.sampled_from([*FIELDS[:9], "xUri"])


@given(st.dictionaries(NAMES | TEXTS, ANY | TEXTS, max_size=5), SPACE, SPACE, st.booleans())
def test_one_pass_reads_what_msgspec_reads(said: dict[str, object], comma: str, colon: str, ascii_only: bool) -> None:
    between = (f"{comma},{comma}", f"{colon}:{colon}")
    text = json.dumps(said, separators=between, ensure_ascii=ascii_only).encode()
    reader = MemberReader(FIELDS)
    found = reader.read(text)
    if found is not None:
        assert repr(found) == repr(members_of(text))
        assert _called(text, reader.calls or []) == _callbacks(text)


@given(
    st.dictionaries(NAMES, ANY, max_size=4),
    st.integers(0, 120),
    st.sampled_from([*'{}[],:"\\0-.eE1tfn \n', "", "nul", "01", "1.", "\\u0041", "\x00", "é"]),
)
def test_what_is_no_json_is_not_read_in_one_pass(document: dict[str, object], at: int, put: str) -> None:
    whole = json.dumps(document)
    text = (whole[: at % (len(whole) + 1)] + put + whole[at % (len(whole) + 1) + 1 :]).strip().encode()
    found = MemberReader(FIELDS).read(text)
    if found is not None:
        assert repr(found) == repr(members_of(text))


@pytest.mark.parametrize("rest", [b"", b"y" * 40])
@pytest.mark.parametrize("octet", range(256))
def test_a_string_is_over_where_it_is_however_far_that_is(octet: int, rest: bytes) -> None:
    reader, stands_for_itself = MemberReader(FIELDS), 32 <= octet < 128 and octet not in b'"\\'
    for length in range(40):
        inside = b"x" * length + bytes([octet]) + rest
        found = reader.read(b'{"supi":"%s"}' % inside)
        assert (found and found[0]) == (inside.decode() if stands_for_itself else None)


@given(ANY, st.integers(0, 200))
def test_any_document_whole_and_cut(document: object, cut: int) -> None:
    text = json.dumps(document).encode()
    read_body("application/json", None, text, len(text))
    read_body("application/json", None, text[:cut], len(text))


@given(
    st.binary(max_size=300),
    st.sampled_from(["application/json", KIND, "multipart/x", None]),
    st.sampled_from([None, "gzip", "deflate", "br"]),
)
def test_any_octets(body: bytes, kind: str | None, encoding: str | None) -> None:
    read_body(kind, encoding, body, len(body) + 1)
    read_body(kind, encoding, body, len(body))


@given(st.binary(max_size=60), st.integers(0, len(MULTIPART)))
@settings(max_examples=200)
def test_a_multipart_with_rubbish_in_it(rubbish: bytes, at: int) -> None:
    body = MULTIPART[:at] + rubbish + MULTIPART[at:]
    read_body(KIND, None, body, len(body))


@given(st.text("\r\na", max_size=12), st.booleans())
@settings(max_examples=300)
def test_a_part_begins_behind_its_first_empty_line_however_lines_end(lines: str, typed: bool) -> None:
    head = b"Content-Type: application/json" if typed else b""
    part = head + lines.encode() + b'\r\n\r\n{"dnn":"x"}'
    empty = re.search(rb"\r?\n\r?\n", part)
    assert empty is not None
    content = part[empty.end() :].rstrip(b"\r\n")
    expected = (content, True) if content and (typed or content[:1] == b"{") else None
    assert json_part("multipart/related; boundary=b", b"--b" + part + b"\r\n--b--") == expected


def test_bodies_of_a_capture() -> None:
    said = [facts(message) for _, message in messages(tshark.CAPTURES / "open5gs-suite-scp.pcapng") if message.body]
    states = [one.state for one in said]
    assert (states.count(BodyState.WHOLE), states.count(BodyState.MALFORMED), len(states)) == (5_567, 1, 5_568)
    assert sum(one.result == "AUTHENTICATION_SUCCESS" for one in said) == 108
    assert sum(one.failed for one in said) == 2  # two discoveries that found no CHF
    assert sum(bool(one.callbacks) for one in said) > 1_000
