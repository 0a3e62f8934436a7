"""Identifiers read from path, query and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.identifiers import (
    NO_IDENTIFIERS,
    Identifiers,
    dnn_text,
    guami_text,
    merged,
    pdu_session_id,
    plmn_text,
    snssai_text,
    ue_id,
)
from collector.target_identifiers import identifiers_of_headers, identifiers_of_path

SUPI, GPSI, PEI = "imsi-999700000021309", "msisdn-491725670014", "imeisv-8665070400405301"
SUCI = "suci-0-999-70-0-1-1-b2e92f836055a255837d"
GUTI = "5g-guti-99970020040c0000a1b"
NF = "723e296c-e6b7-41f1-bef2-b91a7e1dd1ec"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            f"/nudm-sdm/v2/{SUPI}/am-data?plmn-id=%7B%22mcc%22%3A%22999%22%2C%22mnc%22%3A%2270%22%7D",
            Identifiers(supi=SUPI, plmn="99970"),
        ),
        (f"/nudm-sdm/v1/{SUPI}/am-data?plmn-id=20893", Identifiers(supi=SUPI, plmn="20893")),
        (
            f"/nudm-sdm/v2/{SUPI}/sm-data?single-nssai=%7B%22sst%22%3A1%2C%22sd%22%3A%22010203%22%7D&dnn=internet.mnc070.mcc999.gprs",
            Identifiers(supi=SUPI, snssai="1-010203", dnn="internet"),
        ),
        (
            "/nudm-ueau/v1/suci-0-999-70-0-0-0-0000021309/security-information/generate-auth-data",
            Identifiers(supi=SUPI),
        ),
        (f"/nudm-ueau/v1/{SUCI}/security-information/generate-auth-data", Identifiers(suci=SUCI)),
        (f"/prefix/nudm-sdm/v2/{SUPI}/nssai", Identifiers(supi=SUPI)),
        ("/nudm-sdm/v2/imsi%2D999700000021309/nssai", Identifiers(supi=SUPI)),
        ("/nudm-uecm/v1/999700000021309/registrations/amf-3gpp-access", Identifiers(supi=SUPI)),
        ("/nudr-dr/v2/subscription-data/208950000000031/authentication-data", Identifiers(supi="imsi-208950000000031")),
        (f"/nudr-dr/v1/subscription-data/{SUPI}/99970/provisioned-data/am-data", Identifiers(supi=SUPI, plmn="99970")),
        (
            f"/nudr-dr/v1/subscription-data/{SUPI}/context-data/smf-registrations/5",
            Identifiers(supi=SUPI, pdu_session_id=5),
        ),
        (f"/namf-callback/v1/{SUPI}/sm-context-status/5", Identifiers(supi=SUPI, pdu_session_id=5)),
        (f"/namf-comm/v1/ue-contexts/{GUTI}/transfer", Identifiers(guti=GUTI)),
        (f"/namf-comm/v1/ue-contexts/{PEI}/n1-n2-messages", Identifiers(pei=PEI)),
        ("/npcf-smpolicycontrol/v1/sm-policies/imsi-2089300007487-10", Identifiers(supi="imsi-2089300007487")),
        (f"/nudm-sdm/v2/{GPSI}/id-translation-result", Identifiers(gpsi=GPSI)),
        ("/nudm-sdm/v2/nai-alice%40example.org/am-data", Identifiers(supi="nai-alice@example.org")),
        (
            f"/n5g-eir-eic/v1/equipment-status?pei={PEI}&supi={SUPI}&gpsi={GPSI}",
            Identifiers(supi=SUPI, gpsi=GPSI, pei=PEI),
        ),
        ("/x?supi=999700000021309&gpsi=491725670014", Identifiers(supi=SUPI, gpsi=GPSI)),
        ("/n5g-eir-eic/v1/equipment-status?pei=8665070400405301", Identifiers(pei=PEI)),
        ("/n5g-eir-eic/v1/equipment-status?pei=866507040040530", Identifiers(pei="imei-866507040040530")),
        ("/namf-comm/v1/ue-contexts/8665070400405301/n1-n2-messages", Identifiers(pei=PEI)),
        ("/x?gpsi=+491725670014", Identifiers(gpsi=GPSI)),
        ("/x?gpsi=%2B491725670014", Identifiers(gpsi=GPSI)),
        ("/nudm-ee/v1/+491725670014/ee-subscriptions", Identifiers(gpsi=GPSI)),
        ("/nudm-sdm/v2/491725670014/id-translation-result", Identifiers(gpsi=GPSI)),
        ("/nudm-pp/v1/491725670014/pp-data", Identifiers(gpsi=GPSI)),
        ("/nipsmgw-smservice/v1/mt-sm-infos/491725670014", Identifiers(gpsi=GPSI)),
        ("/namf-callback/v1/smContextStatus/99970020040c0000a1b/10", Identifiers(guti=GUTI, pdu_session_id=10)),
        (f"/namf-callback/v1/smContextStatus/{GUTI}/10", Identifiers(guti=GUTI, pdu_session_id=10)),
        ("/namf-comm/v1/ue-contexts/99970020040C0000A1B/transfer", Identifiers(guti=GUTI)),
        ("/nnef-x/v1/subscriptions/1795381129123456789", NO_IDENTIFIERS),
        ("/nudm-sdm/v2/20893000000000134/nssai", NO_IDENTIFIERS),
        (f"/nnrf-nfm/v1/nf-instances/{NF.upper()}", Identifiers(nf_instance=NF)),
        (
            f"/nnrf-disc/v1/nf-instances?target-nf-type=SMF&snssais=%5B%7B%22sst%22%3A1%7D%5D&requester-nf-instance-id={NF}",
            Identifiers(snssai="1", nf_instance=NF),
        ),
        (
            f"/nnssf-nsselection/v2/network-slice-information?nf-id={NF}&slice-info-request-for-pdu-session=%7B%22sNssai%22%3A%7B%22sst%22%3A9%2C%22sd%22%3A%22ABCDEF%22%7D%7D&tai=%7B%22plmnId%22%3A%7B%22mcc%22%3A%22999%22%2C%22mnc%22%3A%2270%22%7D%7D",
            Identifiers(snssai="9-abcdef", plmn="99970", nf_instance=NF),
        ),
        ("/nsmf-pdusession/v1/sm-contexts/99999/modify", NO_IDENTIFIERS),
        ("/nsmf-pdusession/v1/sm-contexts/urn:uuid:56763478-4032-4924-bbd5-35541af62ea0/modify", NO_IDENTIFIERS),
        ("/nnef-dnai-mapping/v1/dnai-list", NO_IDENTIFIERS),
        ("/nudm-sdm/v2/shared-data?shared-data-ids=x", NO_IDENTIFIERS),
        ("", NO_IDENTIFIERS),
        ("*", NO_IDENTIFIERS),
    ],
)
def test_a_path_says(path: str, said: Identifiers) -> None:
    assert identifiers_of_path(path) == said


def test_headers_say() -> None:
    assert identifiers_of_headers({"3gpp-sbi-discovery-gpsi": "+491725670014"}) == Identifiers(gpsi=GPSI)
    assert identifiers_of_headers({"3gpp-sbi-correlation-info": f"{SUPI};{GPSI};{PEI}"}) == Identifiers(
        supi=SUPI, gpsi=GPSI, pei=PEI
    )
    assert identifiers_of_headers(
        {"3gpp-sbi-discovery-snssais": '[{"sst":1}]', "3gpp-sbi-discovery-dnn": "IMS"}
    ) == Identifiers(snssai="1", dnn="ims")
    assert identifiers_of_headers({"user-agent": "AMF"}) is NO_IDENTIFIERS


def test_the_first_place_counts() -> None:
    assert merged(Identifiers(supi=SUPI), Identifiers(supi="imsi-1", dnn="ims"), NO_IDENTIFIERS) == Identifiers(
        supi=SUPI, dnn="ims"
    )
    assert merged() is NO_IDENTIFIERS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"sst": 1}, "1"),
        ({"sst": 1, "sd": "0A0B0C"}, "1-0a0b0c"),
        ({"sst": 255, "sd": "bad"}, "255"),
        ({"sst": 256}, None),
        ({"sst": True}, None),
        ({"sst": "1"}, None),
        ([{"sst": 1}], "1"),
        ([{"sst": 1}, {"sst": 2}], None),
        ("1", None),
        (None, None),
    ],
)
def test_slices(value: object, text: str | None) -> None:
    assert snssai_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"mcc": "999", "mnc": "70"}, "99970"),
        ({"mcc": "310", "mnc": "410"}, "310410"),
        ({"plmnId": {"mcc": "999", "mnc": "70"}, "tac": "1"}, "99970"),
        ("5G:mnc070.mcc999.3gppnetwork.org", "99970"),
        ("5G:mnc410.mcc310.3gppnetwork.org", "310410"),
        ("99970", "99970"),
        (99970, "99970"),
        ({"mcc": 999, "mnc": 70}, None),
        ({"plmnId": {"plmnId": {}}}, None),
        ("x" * 10_000, None),
    ],
)
def test_networks(value: object, text: str | None) -> None:
    assert plmn_text(value) == text


def test_further_values() -> None:
    assert guami_text({"plmnId": {"mcc": "999", "mnc": "70"}, "amfId": "02004A"}) == "99970-02004a"
    assert guami_text({"plmnId": {"mcc": "999", "mnc": "70"}, "amfId": "2"}) is None
    assert dnn_text("IMS.mnc070.mcc999.gprs") == "ims"
    assert [pdu_session_id(one) for one in (0, 255, "5", 256, -1, True, "٣", 1.0)] == [
        0,
        255,
        5,
        None,
        None,
        None,
        None,
        None,
    ]
    assert ue_id("suci-7") is None
    assert ue_id(5) is None


@pytest.mark.parametrize("kind", ["imſi", "ımsi", "ſuci", "msiſdn", "İmsi"])
def test_letters_of_other_scripts_are_none_of_an_identifier(kind: str) -> None:
    """ſ is s and ı is i to a pattern that disregards case; such a path once ended the observer."""
    text = f"{kind}-001010000000001"
    assert identifiers_of_path(f"/nudm-sdm/v2/{text}/am-data?supi={text}") is NO_IDENTIFIERS
    assert identifiers_of_headers({"3gpp-sbi-correlation-info": text}) is NO_IDENTIFIERS
    assert ue_id(text) is None


@given(st.text(max_size=200))
def test_any_path_and_header_is_taken(text: str) -> None:
    identifiers_of_path(text)
    identifiers_of_headers(
        {"3gpp-sbi-correlation-info": text, "3gpp-sbi-discovery-snssais": text, "3gpp-sbi-discovery-supi": text}
    )
