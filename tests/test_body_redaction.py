"""Captured bodies: every secret of the APIs is removed by name or by its look, identifiers become pseudonyms."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.body_redaction import REMOVED, BodyRedaction
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.secret_members import is_opaque, is_secret
from tests import planted, tshark
from tests.messages import fields, messages

NAMES = Pseudonyms(bytes(range(32)), "k1", {"99970"})
BODIES = BodyRedaction(Redaction(NAMES), NAMES)
LABORATORY = BodyRedaction(Redaction(Pseudonyms(None)), Pseudonyms(None))
SUPI = "imsi-999700000021309"

# What the APIs call secret, with the clause: told here once more, by hand, so that the list is held against something.
SECRETS = {
    "TS 29.503 6.3.6.2 authentication vectors": "rand autn xres xresStar hxresStar ck ik ckPrime ikPrime kausf auts",
    "TS 29.505 5.2.2.2 AuthenticationSubscription": (
        "encPermanentKey encOpcKey encTopcKey sequenceNumber sqn authenticationManagementField protectionParameterId"
    ),
    "TS 29.505 Rel-15, free5GC": "permanentKey permanentKeyValue opc opcValue topc topcValue milenage op opValue",
    "TS 29.509 6.1.6.2 AUSF": "5gAuthData kseaf resStar eapPayload authenticationVector resynchronizationInfo",
    "TS 29.509 6.2, 6.3 SoR and UPU": "sorMacIausf sorXmacIue counterSor upuMacIausf upuXmacIue counterUpu",
    "TS 29.509 6.1.6.2 ProSe, 5G-RG, NSWO": "knrProSe 5gPruk msk",
    "TS 29.518 6.1.6.2.37 SeafData, KeyAmf": "seafData keyAmf keyVal nh ncc ngKsi",
    "TS 29.535 AKMA": "kAkma aKId kaf",
    "TS 29.510 6.3 access tokens, RFC 6749": "access_token refresh_token client_secret client_assertion accessToken",
    "TS 29.526 NSSAAF": "eapIdRsp eapMessage",
    "TS 29.562, 29.563 HSS": "digestAuth ha1 sipAuthenticate sipAuthorization integrityKey confidentialityKey",
    "TS 29.573 N32": "reformattedData jwe dataToIntegrityProtectAndCipherBlock",
    "payloads": "n1SmMsg smsPayload nasMessage lppMessage payload",
    "TS 29.571 5.4.4.7 where the user is": (
        "userLoc ueLocation userLocationInfo userLocation ueLocationTimestamp ncgi ecgi tai nrCellId eutraCellId "
        "locationEstimate civicAddress geographicArea addUserLoc gNbId praId"
    ),
    "TS 29.571 5.2.4.1 ProblemDetails": "detail",
}
EVERY = sorted(name for names in SECRETS.values() for name in names.split())


def redacted(document: object, bodies: BodyRedaction = BODIES) -> Any:
    text = json.dumps(document).encode()
    out = bodies.redacted("application/json", None, text, len(text))
    return json.loads(out) if out is not None else None


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("bodies", [BODIES, LABORATORY], ids=["default", "laboratory"])
def test_a_secret_is_removed_by_its_name(name: str, bodies: BodyRedaction) -> None:
    for value in ("planted value", {"inner": "planted value"}, ["planted value"], 4711):
        for spelled in (name, name.upper(), name[:1].upper() + name[1:]):
            out = redacted({"a": [{spelled: value}]}, bodies)
            assert out == {"a": [{spelled: REMOVED}]}, spelled


@pytest.mark.parametrize(
    "name",
    [
        "supi",
        "gpsi",
        "pei",
        "dnn",
        "sNssai",
        "sst",
        "sd",
        "guami",
        "plmnId",
        "mcc",
        "mnc",
        "amfId",
        "nfInstanceId",
        "nfType",
        "nfStatus",
        "cause",
        "title",
        "status",
        "type",
        "authResult",
        "authType",
        "servingNetworkName",
        "success",
        "timeStamp",
        "notificationUri",
        "smContextStatusUri",
        "pduSessionId",
        "ratType",
        "anType",
        "requestType",
        "n2SmInfoType",
        "upCnxState",
        "hoState",
        "resourceStatus",
        "fqdn",
        "serviceName",
        "versions",
        "load",
        "capacity",
        "priority",
        "heartBeatTimer",
        "subscriptionId",
        "suppFeat",
        "supportedFeatures",
        "validityPeriod",
        "nfInstances",
        "ueAmbr",
        "uplink",
        "downlink",
        "5qi",
        "arp",
        "subscribedUeAmbr",
        "sessRules",
        "allowedNssaiList",
        "allocationRetention",
        "smfAllocationInfo",
        "callbackReference",
    ],
)
def test_what_is_needed_stays(name: str) -> None:
    assert not is_secret(name)
    assert redacted({name: "X"})[name] != REMOVED


@pytest.mark.parametrize("name", planted.SECRETS)
def test_a_secret_under_an_unknown_name_is_removed_by_its_look(name: str) -> None:
    value = planted.SECRETS[name]
    if name not in {"client secret", "cell", "detail"}:  # words that look like any other
        assert value not in json.dumps(redacted({"surprise": {"x": [value], "y": value}}))


@pytest.mark.parametrize(
    "text",
    ["723e296c-e6b7-41f1-bef2-b91a7e1dd1ec", "N1_N2_TRANSFER_INITIATED", "npcf-smpolicycontrol", "1000 Kbps", "5G_AKA",
     "2026-11-22T20:58:48.623461+00:00", "http://10.0.0.5:7777/namf-callback/v1/x/sm-context-status/5", "020040"],
)  # fmt: skip
def test_what_is_no_key_does_not_look_like_one(text: str) -> None:
    assert not is_opaque(text)
    assert redacted({"x": text}) == {"x": text}


def test_identifiers_become_pseudonyms_wherever_they_stand() -> None:
    document = {
        "supi": SUPI, "members": ["msisdn-491725670014"], "ueIpv4Addr": "10.45.0.7", "ipv4Address": "10.45.0.7",
        "subscriberIdentifier": "999700000021309", "callId": 999700000021309, "impu": "sip:alice@ims.example",
        SUPI: {"x": 1},
        "uri": f"http://10.0.0.5:80/namf-callback/v1/{SUPI}/x", "servedGPSI": "0049172", "title": f"no {SUPI}",
        "ipEndPoints": [{"ipv4Address": "10.0.0.4", "port": 80}],
    }  # fmt: skip
    name, address = NAMES.of(SUPI), NAMES.of("ipv4-10.45.0.7")
    assert redacted(document) == {
        "supi": name, "members": [NAMES.of("msisdn-491725670014")], "ueIpv4Addr": address, "ipv4Address": address,
        "subscriberIdentifier": name, "callId": name, "impu": NAMES.of("impu-sip:alice@ims.example"),
        name: {"x": 1},
        "uri": f"http://10.0.0.5:80/namf-callback/v1/{name}/x", "servedGPSI": NAMES.of("msisdn-0049172"),
        "title": f"no {name}", "ipEndPoints": [{"ipv4Address": "10.0.0.4", "port": 80}],
    }  # fmt: skip
    assert "0049172" not in json.dumps(redacted(document))
    assert redacted({"supi": SUPI, "kseaf": "x"}, LABORATORY) == {"supi": SUPI, "kseaf": REMOVED}


@pytest.mark.parametrize(
    ("document", "identifier"),
    [
        ({"macAddr48": "00-11-22-33-44-55"}, "mac-00-11-22-33-44-55"),
        ({"ueMac": "00:11:22:33:44:55"}, "mac-00-11-22-33-44-55"),
        ({"destMacAddr": "0011.2233.4455"}, "mac-00-11-22-33-44-55"),
        ({"00:11:22:33:44:55": 1}, "mac-00-11-22-33-44-55"),
        ({"x": "+491701234567"}, "msisdn-491701234567"),
        ({"x": "+49 170 123-45 67"}, "msisdn-491701234567"),
        ({"x": "tel:+49-170-1234567"}, "msisdn-491701234567"),
        ({"msisdn": "+491701234567"}, "msisdn-491701234567"),
        ({"msisdn": "491701234567"}, "msisdn-491701234567"),
        ({"phone": "01701234567"}, "msisdn-01701234567"),
        ({"gpsi": 491701234}, "msisdn-491701234"),
        ({"gpsis": ["49170123"]}, "msisdn-49170123"),
        ({"msisdn": 491701234567.0}, "msisdn-491701234567"),
        ({"supi": 310410001}, "imsi-310410001"),
        ({"supis": ["310410001"]}, "imsi-310410001"),
        ({"pei": "3569380356438091"}, "imeisv-3569380356438091"),
        ({"ueIpAddr": "10.45.0.2:5060"}, "ipv4-10.45.0.2"),
        ({"10.45.0.2": {}}, "ipv4-10.45.0.2"),
        ({"fDescs": ["permit out 17 from 10.45.0.2 49170 to any"]}, "ipv4-10.45.0.2"),
        ({"flowDescription": "permit in ip from 2001:db8::5 to assigned"}, "ipv6-2001:db8::5"),
        ({"framedRoute": "10.45.0.2/32 10.45.0.2 1"}, "ipv4-10.45.0.2"),
        ({"title": "UE 2001:db8::5: not found"}, "ipv6-2001:db8::5"),
        ({"nfProfile": {"ueIp": "10.45.0.2"}}, "ipv4-10.45.0.2"),
        ({"nfProfile": {"ueIpv6Prefix": "2001:db8::/64"}}, "ipv6-2001:db8::/64"),
    ],
)
def test_an_identifier_without_prefix_is_known_by_its_look_or_member(document: object, identifier: str) -> None:
    shown = redacted(document)
    assert NAMES.of(identifier) in json.dumps(shown)
    digits = re.sub("[^0-9a-f]", "", identifier.partition("-")[2])
    assert digits not in re.sub("[^0-9a-f]", "", json.dumps(shown).replace(NAMES.of(identifier), ""))
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "document",
    [
        {"uri": "http://10.0.0.5:80/namf-callback/v1/x"},
        {"uri": "http://[2001:db8::4]:80/namf-callback/v1/x"},
        {"nfProfile": {"ipv4Addresses": ["10.0.0.4"], "nfServices": [{"ipEndPoints": [{"ipv4Address": "10.0.0.4"}]}]}},
        {"nfInstances": [{"smfInfo": {"n4": "smf at 10.0.0.4"}}]},
        {"version": "v1.2.3.4", "oid": "1.3.6.1.4.1.10415", "time": "2026-11-22T20:58:48.623461+00:00"},
        {"invocationSequenceNumber": 12_345, "port": 50_000, "load": 0.3333333333333333, "ratingGroup": 100_000_000},
        {"supi": 1_234, "x": 123_456_789, "ueIpAddrInd": True},
    ],
)
def test_what_names_an_nf_or_a_number_stays(document: object) -> None:
    assert redacted(document) == document


def test_a_number_stays_one_in_the_laboratory() -> None:
    assert redacted({"supi": 310410001, "x": 4917012345}, LABORATORY) == {"supi": 310410001, "x": 4917012345}


def test_a_patch_hides_what_its_path_names() -> None:
    patch = [
        {"op": "replace", "path": "/sequenceNumber/sqn", "value": "000011223365", "from": "/x"},
        {"op": "replace", "path": "/nfStatus", "value": "REGISTERED"},
    ]
    assert redacted(patch) == [
        {"op": "replace", "path": "/sequenceNumber/sqn", "value": REMOVED},
        {"op": "replace", "path": "/nfStatus", "value": "REGISTERED"},
    ]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"client_secret=x"),
        ("application/vnd.3gpp.5gnas", b"\x7e\0"),
        ("text/html", b"<p>imsi-999700000021309"),
        ("application/json", b'"imsi-999700000021309"'),
        ("multipart/related; boundary=b", b"--b\r\nContent-Type: application/vnd.3gpp.ngap\r\n\r\n\0\0\r\n--b--"),
        ("application/json", b""),
    ],
)
def test_what_is_no_json_never_leaves(kind: str, body: bytes) -> None:
    assert BODIES.redacted(kind, None, body, len(body)) is None


def test_of_multipart_the_json_alone_leaves() -> None:
    body = b'--b\r\nContent-Type: application/json\r\n\r\n{"dnn":"x"}\r\n--b\r\nContent-Id: n1\r\n\r\nNAS\r\n--b--\r\n'
    assert BODIES.redacted("multipart/related; boundary=b", None, body, len(body)) == b'{"dnn":"x"}'


def test_cut_and_broken_bodies_leave_their_beginning() -> None:
    assert BODIES.redacted("application/json", None, b'{"dnn":"x","kseaf":"00112233', 99) == b'{"dnn":"x"}'
    assert BODIES.redacted("application/json", None, b'{"dnn":"x","kseaf":]', 20) == b'{"dnn":"x"}'
    assert b'[["removed"]]' in (BODIES.redacted("application/json", None, b"[" * 1_000, 1_000) or b"")


KEYS = st.sampled_from([*EVERY, "a", "b", "value", "op", "path"])
SECRET = "9f1c3a7755aa04e1b2c3d4e5f6071829"
ANY = st.recursive(
    st.sampled_from([SECRET, SUPI, "x", 5, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(ANY, st.integers(0, 300))
def test_whatever_the_shape_neither_secret_nor_subscriber_leaves(document: object, cut: int) -> None:
    text = json.dumps(document).encode()
    for prefix in (text, text[:cut]):
        out = BODIES.redacted("application/json", None, prefix, len(text)) or b""
        assert SECRET.encode() not in out
        assert b"999700000021309" not in out


@given(st.binary(max_size=200))
def test_any_octets_are_taken(body: bytes) -> None:
    BODIES.redacted("application/json", "gzip", body, len(body))
    BODIES.redacted(None, None, body, len(body))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", ["open5gs-suite-scp", "open5gs-registration-full"])
def test_of_a_capture_no_key_material_leaves(name: str) -> None:
    """Every hex text of 12 digits and more in the bodies, whatever its name, is gone."""
    keys, out = set(), []
    for _, message in messages(tshark.CAPTURES / f"{name}.pcapng"):
        said = fields(message)
        left = BODIES.redacted(said.get("content-type"), None, message.body, message.body_bytes)
        out.append(left or b"")
        begin, end = message.body.find(b"{"), message.body.rfind(b"}")
        if begin >= 0 and end > begin and said.get("content-type", "").startswith("application/"):
            try:
                keys |= {
                    one
                    for one in texts(json.loads(message.body[begin : end + 1]))
                    if re.fullmatch("[0-9a-f]{12,}", one)
                }
            except ValueError:
                continue
    left = b"".join(out)
    assert len(keys) > 50
    assert not [key for key in keys if key.encode() in left.replace(b"-000000000000", b"")]
    assert left.count(b'"removed"') > 500
