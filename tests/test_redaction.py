"""Redaction: identifiers in every string are replaced where they stand, and nothing else."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.secret_headers import SECRET_HEADERS

NAMES = Pseudonyms(bytes(range(32)), "k1", {"99970", "20893"})
REDACTION = Redaction(NAMES)
SUPI, GPSI, PEI = "imsi-999700000021309", "msisdn-491725670014", "imeisv-8665070400405301"
SUCI = "suci-0-999-70-0-1-1-b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457dcb02352410cddd9e730ef3fa87"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlcGxhbnRlZA"
GUTI, MAC, NAI = "5g-guti-99970020040c0000a1b", "mac-00-11-22-33-44-55", "nai-alice@example.org"


@pytest.mark.parametrize(
    ("text", "identifier", "shown"),
    [
        (f"/nudm-sdm/v2/{SUPI}/am-data?plmn-id=%7B%22mcc%22%3A%22999%22%7D", SUPI, SUPI),
        ("/nudm-ueau/v1/suci-0-999-70-0-0-0-0000021309/security-information", SUPI, "suci-0-999-70-0-0-0-0000021309"),
        (f"/nudm-ueau/v1/{SUCI}/security-information", SUCI, SUCI),
        (f"/npcf-smpolicycontrol/v1/sm-policies/{SUPI}-10", SUPI, SUPI),
        (f"http://127.0.0.5:7777/namf-callback/v1/{SUPI}/dereg-notify", SUPI, SUPI),
        (f"[{SUPI}] Cannot find SUPI in DB", SUPI, SUPI),
        (f"imsi-999-x;{GPSI}", GPSI, GPSI),
        (f"/namf-comm/v1/ue-contexts/{GUTI}/transfer", GUTI, GUTI),
        ("/namf-callback/v1/smContextStatus/99970020040c0000a1b/10", GUTI, "99970020040c0000a1b"),
        (f"/namf-comm/v1/ue-contexts/{PEI}", PEI, PEI),
        (f"/x/{MAC}/y", MAC, MAC),
        (f"supi={NAI}", NAI, NAI),
        ("/x?supi=nai-alice%40example.org&y=1", NAI, "nai-alice%40example.org"),
        ("/n5g-eir-eic/v1/equipment-status?pei=imei-123456789012345", "imei-123456789012345", "imei-123456789012345"),
        ("extid-meter7@example.org", "extid-meter7@example.org", "extid-meter7@example.org"),
        ("impu-sip:alice@ims.example.org", "impu-sip:alice@ims.example.org", "impu-sip:alice@ims.example.org"),
        ("sip:alice@ims.example.org", "impu-sip:alice@ims.example.org", "sip:alice@ims.example.org"),
        ("/x/999700000021309/y", SUPI, "999700000021309"),
        ("/nudr-dr/v1/subscription-data/99970/x", "imsi-99970", "99970"),
        ("/nsmf-pdusession/callback/imsi/208950000000031/1", "imsi-208950000000031", "208950000000031"),
        ("/nudm-uecm/v1/208950000000031/registrations", "imsi-208950000000031", "208950000000031"),
        ("/x?gpsi=491725670014", GPSI, "491725670014"),
        ("/nbsf-management/v1/pcfBindings?ipv4Addr=10.45.0.99&dnn=x", "ipv4-10.45.0.99", "10.45.0.99"),
        ("/nbsf-management/v1/pcfBindings?ipv6Prefix=2001:db8::/64", "ipv6-2001:db8::/64", "2001:db8::/64"),
        ("/x?ipv6Prefix=2001%3Adb8%3A%3A%2F64", "ipv6-2001:db8::/64", "2001%3Adb8%3A%3A%2F64"),
        ('{"ueIpv4Addr":"10.45.0.99"}', "ipv4-10.45.0.99", "10.45.0.99"),
        ("/x?a=IMSI-999700000021309", SUPI, "IMSI-999700000021309"),
        ("/nbsf-management/v1/pcfBindings?macAddr48=00-11-22-33-44-55", MAC, "00-11-22-33-44-55"),
        ("/nbsf-management/v1/pcfBindings?macAddr48=00:11:22:33:44:5A", "mac-00-11-22-33-44-5a", "00:11:22:33:44:5A"),
        ("/x?ueMac=00%3A11%3A22%3A33%3A44%3A55&a=1", MAC, "00%3A11%3A22%3A33%3A44%3A55"),
        ("/x?macAddr48=a01122334455", "mac-a0-11-22-33-44-55", "a01122334455"),
        ("no MAC 00:11:22:33:44:55: known", MAC, "00:11:22:33:44:55"),
        ("/x/mac-00:11:22:33:44:55/y", MAC, "mac-00:11:22:33:44:55"),
        ("/x?gpsi=+491725670014", GPSI, "+491725670014"),
        ("/x?gpsi=%2B491725670014", GPSI, "%2B491725670014"),
        ("/nudm-ee/v1/+491725670014/ee-subscriptions", GPSI, "+491725670014"),
        ("http://pcf.example/npcf-policyauthorization/v1/app-sessions/+491725670014", GPSI, "+491725670014"),
        ('"msisdn":"+491725670014"', GPSI, "+491725670014"),
        ("call +49 (172) 567-00 14 now", GPSI, "+49 (172) 567-00 14"),
        ("tel:+49%20172%205670014", GPSI, "tel:+49%20172%205670014"),
        ("/nhss-ims-sdm/v1/impu-tel:+491725670014/x", GPSI, "impu-tel:+491725670014"),
        ("tel:7042;phone-context=example.org", "impu-tel:7042", "tel:7042"),
        ("/nsmf-callback/v1/sm-policy-notify/2001:db8:cafe::5/update", "ipv6-2001:db8:cafe::5", "2001:db8:cafe::5"),
        ("/x/2001%3Adb8%3Acafe%3A%3A5/update", "ipv6-2001:db8:cafe::5", "2001%3Adb8%3Acafe%3A%3A5"),
        ("/10.45.0.99/update", "ipv4-10.45.0.99", "10.45.0.99"),
        ("/x?ip=10.45.0.99:5060", "ipv4-10.45.0.99", "10.45.0.99"),
        ("/x?filter=permit%20out%20from%2010.45.0.99%20to%20any", "ipv4-10.45.0.99", "10.45.0.99"),
        ("/x?filter=permit+out+from+10.45.0.99+to+any", "ipv4-10.45.0.99", "10.45.0.99"),
        ("/x?ipv6Prefix=2001:db8::%2F64", "ipv6-2001:db8::/64", "2001:db8::%2F64"),
        ('{\\"supi\\":\\"31041000\\"}', "imsi-31041000", "31041000"),
        ("/x?ip=[2001:db8::5]:5060", "ipv6-2001:db8::5", "2001:db8::5"),
        ("Unknown subscriber 999700000021309.", SUPI, "999700000021309"),
        ("imsi999700000021309", SUPI, "imsi999700000021309"),
        ("IMSI 31041000", "imsi-31041000", "31041000"),
        ("x_imsi: 31041000.", "imsi-31041000", "31041000"),
        ("999700000021309.ims.org:80", SUPI, "999700000021309"),
        ("1.999700000021309", SUPI, "999700000021309"),
        ("/files/999700000021309.json", SUPI, "999700000021309"),
        ("/x/ue999700000021309a/y", SUPI, "999700000021309"),
        ("/sm-policies/999700000021309-10", SUPI, "999700000021309"),
        ("/sm-policies/20893000000000134", "id-20893000000000134", "20893000000000134"),
        ("/x/208930000000001345", "id-208930000000001345", "208930000000001345"),
        ("/x/208930000000001345678", "id-208930000000001345678", "208930000000001345678"),
        ("/x?supi=31041000", "imsi-31041000", "31041000"),
        ("/x?pei=3569380356438091", "imeisv-3569380356438091", "3569380356438091"),
        ("/nudm-sdm/v2/491725670014/id-translation-result", GPSI, "491725670014"),
        ("/nudm-pp/v1/491725670014/pp-data", GPSI, "491725670014"),
        ("/nipsmgw-smservice/v1/mt-sm-infos/491725670014", GPSI, "491725670014"),
        ("/nudm-sdm/v2/3569380356438091/nssai", "imeisv-3569380356438091", "3569380356438091"),
        ("/namf-comm/v1/ue-contexts/99970020040900000001", "5g-guti-99970020040900000001", "99970020040900000001"),
    ],
)
def test_an_identifier_is_replaced_where_it_stands(text: str, identifier: str, shown: str) -> None:
    hidden = REDACTION.text(text)
    assert hidden == text.replace(shown, NAMES.of(identifier))
    assert REDACTION.text(hidden) == hidden


@pytest.mark.parametrize(
    ("text", "identifiers"),
    [
        ("/x?supis=%5B%22310410001%22%2C%22310410002%22%5D", ["imsi-310410001", "imsi-310410002"]),
        ('/x?supis=["310410001","310410002"]&y=1', ["imsi-310410001", "imsi-310410002"]),
        ("/x?gpsi-list=49170,+491701234567,49171", ["msisdn-49170", "msisdn-491701234567", "msisdn-49171"]),
        ("/x?gpsis=491701234567,491701234568", ["msisdn-491701234567", "msisdn-491701234568"]),
        ("/x?supi-list=imsi-999700000021309,310410002", [SUPI, "imsi-310410002"]),
        ("/x?ueIps=10.45.0.1,10.45.0.2", ["ipv4-10.45.0.1", "ipv4-10.45.0.2"]),
    ],
)
def test_of_a_list_all_are_replaced(text: str, identifiers: list[str]) -> None:
    hidden = REDACTION.text(text)
    for identifier in identifiers:
        assert hidden.count(NAMES.of(identifier)) == 1
        assert identifier.partition("-")[2] not in hidden
    assert REDACTION.text(hidden) == hidden


@pytest.mark.parametrize("redaction", [REDACTION, Redaction(Pseudonyms(None))], ids=["default", "laboratory"])
def test_what_is_encoded_too_often_is_removed(redaction: Redaction) -> None:
    spelled = "imsi%2D999700000021309"
    for _ in range(8):
        spelled = spelled.replace("%", "%25")
    assert redaction.text(f"/nudm-sdm/v2/{spelled}/nssai") == "/nudm-sdm/v2/removed/nssai"
    assert redaction.text("100%, 5%zz and %") == "100%, 5%zz and %"


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize(
    "spelling", ["%69msi-999700000021309", "imsi%2D99970000002130%39", '{"supi":"imsi-999700000021309"}']
)
def test_percent_encoding_hides_nothing(spelling: str, rounds: int) -> None:
    token = spelling
    for _ in range(rounds):
        token = quote(token)
    hidden = REDACTION.text(f"/x?q={token}&r=1")
    assert "21309" not in hidden
    assert NAMES.of(SUPI) in hidden
    assert REDACTION.text(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AMF",
        "127.0.0.4:7777",
        "http://127.0.0.4:7777/nsmf-pdusession/v1/sm-contexts/19/modify",
        "http://[2001:db8::4]:7777/nsmf-pdusession/v1/sm-contexts/19",
        "10.0.0.1:8080/nudm-sdm/v2/x",
        "/nnrf-nfm/v1/nf-instances/710aaf70-e6b7-41f1-aa2f-495012345678",
        "/nsmf-pdusession/v1/sm-contexts/urn:uuid:56763478-4032-4924-bbd5-35541af62ea0/modify",
        "/nnef-dnai-mapping/v1/dnai-list?snssais=%5B%7B%22sst%22%3A1%7D%5D",
        "/nudr-dr/v2/subscription-data/group-data/extgroupids",
        "Sun, 22 Nov 2026 20:58:48.613 GMT",
        "nfinst=54804518-4191-46b3-955c-ac631f953ed8; nfset=set1.udmset.5gc.mnc070.mcc999",
        "SMF-smf1.5gc.mnc070.mcc999.3gppnetwork.org",
        "/nudm-ueau/v1/x/generate-sip-auth-data",
        "1795381129.123456789012",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0af76519161234567890123211c8031c",
        "Sun Nov 22 20:58:15 +0000 2026",
        "2026-11-22T20:58:48.623461+00:00",
        "http://[fe80::a1:b2:c3:d4:e5:f6]:7777/x",
        "Via: 2.0 10.0.0.1:7777",
        "/nnrf-disc/v1/nf-instances?hnrf-uri=http://10.0.0.1:7777&target-nf-type=AMF",
        "/nnrf-disc/v1/nf-instances?hnrf-uri=http%3A%2F%2F10.0.0.1%3A7777",
        "Open5GS v2.7.7+12345",
    ],
)
def test_what_names_no_subscriber_stays(text: str) -> None:
    assert REDACTION.text(text) == text


@pytest.mark.parametrize("name", sorted(SECRET_HEADERS))
def test_secret_headers_are_left_out_even_in_the_laboratory(name: str) -> None:
    assert REDACTION.header(name, "Bearer x") is None
    assert Redaction(Pseudonyms(None)).header(name, "Bearer x") is None


def test_discovery_headers_tell_what_their_value_is() -> None:
    assert REDACTION.header("3gpp-sbi-discovery-ue-ipv4-address", "10.45.0.2") == NAMES.of("ipv4-10.45.0.2")
    assert REDACTION.header("3gpp-sbi-discovery-supi", SUPI) == NAMES.of(SUPI)
    assert REDACTION.header("3gpp-sbi-target-apiroot", "http://10.0.0.2:80") == "http://10.0.0.2:80"


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("ue-ipv6-prefix", "2001%3Adb8%3Acafe%3A%3A%2F64", "ipv6-2001:db8:cafe::/64"),
        ("ue-ipv6-prefix", '"2001:db8:cafe::/64"', "ipv6-2001:db8:cafe::/64"),
        ("ue-ipv4-address", "10.45.0.2:5060", "ipv4-10.45.0.2"),
        ("ue-ipv4-address", "unheard-of", "id-unheard-of"),
        ("ue-mac-address", "00-11-22-33-44-55", MAC),
        ("ue-mac-address", "00%3A11%3A22%3A33%3A44%3A55", MAC),
        ("ue-mac-address", "001122334455", MAC),
        ("gpsi", "+491725670014", GPSI),
        ("gpsi", "49172567", "msisdn-49172567"),
        ("supi", "310410001", "imsi-310410001"),
        ("pei", "3569380356438091", "imeisv-3569380356438091"),
    ],
)
def test_a_discovery_header_hides_whatever_it_says_of_a_ue(name: str, value: str, identifier: str) -> None:
    hidden = REDACTION.header(f"3gpp-sbi-discovery-{name}", value)
    assert hidden is not None
    core = identifier.partition("-")[2]
    assert NAMES.of(identifier) in hidden
    assert core not in hidden
    assert REDACTION.header(f"3gpp-sbi-discovery-{name}", hidden) == hidden
    assert Redaction(Pseudonyms(None)).header(f"3gpp-sbi-discovery-{name}", value) == value


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("UE 10.45.0.2 is unknown", "ipv4-10.45.0.2"),
        ("UE at 10.45.0.2:5060.", "ipv4-10.45.0.2"),
        ("10.45.0.2.", "ipv4-10.45.0.2"),
        ("no prefix 2001:db8::/64.", "ipv6-2001:db8::/64"),
    ],
)
def test_in_a_sentence_addresses_are_hidden_too(text: str, identifier: str) -> None:
    hidden = REDACTION.sentence(text)
    assert hidden == text.replace(identifier.partition("-")[2], NAMES.of(identifier))
    assert REDACTION.sentence(hidden) == hidden
    assert REDACTION.sentence("see http://10.0.0.4:7777/x") == "see http://10.0.0.4:7777/x"


def test_the_laboratory_sees_identifiers() -> None:
    text = f"/x/{SUPI}?a=10.1.1.1&b=%31%30.1.1.1&c=imsi%2D1234567"
    assert Redaction(Pseudonyms(None)).text(text) == text


@pytest.mark.parametrize("redaction", [REDACTION, Redaction(Pseudonyms(None))], ids=["default", "laboratory"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/x?access_token={JWT}&y=1", "/x?access_token=removed&y=1"),
        (f"Bearer {JWT}", "Bearer removed"),
        ("bearer 0123456789opaque", "bearer removed"),
        (f"a;{JWT};b", "a;removed;b"),
        ("/x?client_secret=abc%20def", "/x?client_secret=removed"),
        (f"/x/{quote('Bearer ' + JWT)}/y", "/x/Bearer%20removed/y"),
    ],
)
def test_tokens_are_removed_wherever_they_stand(text: str, shown: str, redaction: Redaction) -> None:
    assert redaction.text(text) == shown
    assert redaction.text(shown) == shown


@given(st.text(alphabet=st.sampled_from('/?&=%;-imsuc05279afgt@. "{}[]:+,_'), max_size=80), st.integers(0, 80))
@example("0@0@0", 0)
@example("0@+@0", 0)
def test_whatever_surrounds_an_identifier_it_is_hidden_once(around: str, at: int) -> None:
    text = around[:at] + "/imsi-999700000021309/" + around[at:]
    hidden = REDACTION.text(text)
    assert "999700000021309" not in hidden
    assert REDACTION.text(hidden) == hidden


@pytest.mark.parametrize(
    "piece",
    ["+4 ", "00:", "00-", "supi=[", "supi,", "/1:", "tel:1 ", "1.1.1.1,", "=1::1,", "mac-", "a", "a/%",
     "%", "%25", "sip:", "nudm", "nudm-a/", "=1:", "1", "1.", "@", "a@", "suci-0-", "imsi-", "nai-",
     "mac-00-", "\"::", "supi=1"],
)  # fmt: skip
def test_a_header_of_64_kb_takes_no_square_of_it(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    for one in (text, text + "/%41", text + "@x", f"{text}/imsi-999700000021309"):
        hidden = REDACTION.text(one)
        assert "999700000021309" not in hidden


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    hidden = REDACTION.text(text)
    assert REDACTION.text(hidden) == hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/nudm-sdm/v2/aW1zaS0wMDEwMTk4NzY1NDMyMTA=/am-data", "/nudm-sdm/v2/removed/am-data"),
        ("AMF-696d73692d303031303139383736353433323130", "AMF-removed"),
        ("q=eHlpbXNpLTAwMTAxOTg3NjU0MzIxMA&x=1", "q=removed&x=1"),
        ("MDAxMDE5ODc2NTQzMjEw", "removed"),
        ("/nnrf-nfm/v1/nf-instances/723e296c-e6b7-41f1-bef2-b91a7e1dd1ec", None),
        ("Nudm_UEAuthenticationGenerateAuthDataRequest", None),
        ("imsi-001-k1-jpzpjfwdymhd2htzqskwb2qyii", None),
        ("9f1c3a7755aa04e1b2c3d4e5f6071829", None),
    ],
)
def test_identifiers_in_base64_and_hex_are_removed(text: str, shown: str | None) -> None:
    assert REDACTION.text(text) == (text if shown is None else shown)
