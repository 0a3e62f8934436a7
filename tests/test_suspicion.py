"""What is passed over without a closer look holds nothing that redaction would hide."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.identifier_patterns import families
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction, replaced
from collector.suspicion import may_name

REDACTION = Redaction(Pseudonyms(bytes(range(32)), "k1", {"99970"}))
PIECES = (
    "imsi-", "IMSI-", "suci-0-", "5g-guti-", "msisdn-", "imei", "imeisv-", "mac-00-11-22-33-44-55", "eui-", "nai-",
    "gci-", "extid-", "impi-", "impu-", "sip:", "sips:", "tel:", "@", "a@b.c", "eyJ", "Bearer ", "token=", "secret=",
    "assertion=", "password=", "%2D", "%", "999700000021309", "imsi-999700000021309", "imsi-000000000000000", "12345",
    "1234", "99970020040c0000a1b", "99970020", "723e296c-e6b7-41f1-bef2-b91a7e1dd1ec", "12345296-e6b7", "10.45.0.99",
    "/10.45.0.99/", "2001:db8::1", "::", "aW1zaS0wMDEwMTk4NzY1NDMyMTA=", "696d73692d303031303139383736353433323130",
    "smpolicycontrol", "/", "=", '"', "'", "?", "&", "-", ".", ":", ";", "a", "Z", "nudm-sdm", "v2", "supi", "http",
    "00-11-22-33-44-55", "00:11:22:33:44:55", "+491701234567", "+49 170 1", "+", ",", "imsi", "msisdn", "pei", "supis",
    "gpsi-list", "macAddr48", "001122334455", "[", "20893000000000134", "v1.2.3.4", "5f",
    "from+10.45.0.2+to", "id-translation-result",
    "ſ", "K", "é", "imsi-99970-k1-jpzpjfwdymhd2htzqskwb2qyii", "imsi-12345-k1-", "~",
)  # fmt: skip


@settings(max_examples=1_000)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=9).map("".join))
@example("/x/imsi-12345")
@example("/x/imsi-999700000021309/99970/imsi-0000000000000001")
@example("/x?a=imsi-999700000021309%2Fimsi%2D999700000021309")
@example("/namf-comm/v1/ue-contexts/imei-123456789012345")
@example("/x/imsi-999700000021309/10.45.0.9/")
def test_what_is_not_suspected_stays_as_it_is(text: str) -> None:
    if not may_name(text):
        assert REDACTION.slowly(text) == text
    assert REDACTION.text(text) == REDACTION.slowly(text)


@pytest.mark.parametrize(
    "text",
    [
        "/nsmf-pdusession/v1/sm-contexts/4711/modify",
        "http://127.0.0.4:7777/npcf-smpolicycontrol/v1/sm-policies/12/update",
        "/nnrf-nfm/v1/nf-instances/a3b1c2d4-e6b7-41f1-bef2-b91a7e1dd1ec",
        "/nnrf-disc/v1/nf-instances?target-nf-type=AUSF&requester-nf-type=AMF&service-names=nausf-auth",
        "Open5GS v2.7.7",
    ],
)
def test_most_of_what_is_captured_needs_no_closer_look(text: str) -> None:
    assert not may_name(text)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=9).map("".join))
@example("mac-00-11-22-33-44-55eui-imsi-999700000021309imsi-1")
def test_a_pattern_tried_where_its_words_stand_finds_what_a_search_finds(text: str) -> None:
    for words, pattern in families("k1"):
        if any(word in text.lower() for word in words):
            assert replaced(pattern, words, text, "<{0[0]}>".format) == pattern.sub("<{0[0]}>".format, text)
