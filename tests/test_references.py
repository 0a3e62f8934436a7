"""Subscribers of messages that name none: learned, bound, forgotten, unresolved said; against a slow truth."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.body import NO_BODY, BodyFacts, Callback, read_body
from collector.identifiers import NO_IDENTIFIERS, Identifiers
from collector.recent import Recent
from collector.references import GRACE_US, References
from collector.target_identifiers import identifiers_of_headers
from collector.uri import authority_of, split_uri
from tests import tshark
from tests.messages import Exchange, exchanges, facts, fields, messages
from tests.test_decode import sbiscope

SUPI, OTHER = "imsi-999700000021309", "imsi-999700000021310"
SUCI = "suci-0-999-70-0-1-1-b2e92f83"
SMF, SECOND = 1_000_000, 1_000_000
PATH = "/nsmf-pdusession/v1/sm-contexts"


def body(text: str) -> BodyFacts:
    return read_body("application/json", None, text.encode(), len(text))


class Talk:
    """Exchanges one after the other, a second apart, seen by one agent."""

    def __init__(self) -> None:
        self.references = References()
        self.now_us = 0

    def __call__(
        self,
        method: str,
        uri: str,
        asked: str = "",
        status: int = 200,
        location: str | None = None,
        answered: str = "",
        headers: Identifiers = NO_IDENTIFIERS,
    ) -> tuple[str | None, str | None, str | None]:
        """Return the subscriber of the exchange, where it was found, or what is unresolved."""
        producer, path = split_uri(uri) or ("", "")
        path += uri[uri.find("?") :] if "?" in uri else ""
        self.now_us += SECOND
        awaited = self.references.request(
            self.now_us, method, producer, path, headers, body(asked) if asked else NO_BODY
        )
        said = body(answered) if answered else NO_BODY
        last = self.references.response(
            awaited, self.now_us + 9, status, producer, path, location, NO_IDENTIFIERS, said
        )
        told = last if last.identifiers.supi else awaited.subject
        return told.identifiers.supi, told.source, told.reference


def created(talk: Talk, supi: str = SUPI, number: int = 7, host: str = "smf1:80") -> None:
    asked = f'{{"supi":"{supi}","pduSessionId":5,"dnn":"internet","sNssai":{{"sst":1}}}}'
    assert talk("POST", f"http://{host}{PATH}", asked, 201, f"http://{host}{PATH}/{number}")[:2] == (supi, "body")


def test_a_session_is_bound_by_its_location() -> None:
    talk = Talk()
    created(talk)
    assert talk("POST", f"http://smf1:80{PATH}/7/modify") == (SUPI, "reference", None)
    assert talk("POST", f"http://smf1:80{PATH}/8/modify") == (None, None, f"smf1:80{PATH}/8")
    assert talk("POST", f"http://smf2:80{PATH}/7/modify") == (None, None, f"smf2:80{PATH}/7")


def test_the_session_comes_with_its_subscriber() -> None:
    talk = Talk()
    created(talk)
    told = talk.references.request(9 * SECOND, "POST", "smf1:80", f"{PATH}/7/modify").subject.identifiers
    assert (told.pdu_session_id, told.dnn, told.snssai) == (5, "internet", "1")


def test_an_id_that_comes_again_stands_for_the_newest() -> None:
    talk = Talk()
    created(talk)
    assert talk("POST", f"http://smf1:80{PATH}/7/release", status=204)[0] == SUPI
    assert talk("POST", f"http://smf1:80{PATH}/7/modify", status=404)[0] == SUPI
    talk.now_us += GRACE_US + SECOND
    assert talk("POST", f"http://smf1:80{PATH}/7/modify", status=404)[0] is None
    created(talk, OTHER)
    assert talk("POST", f"http://smf1:80{PATH}/7/modify")[0] == OTHER


def test_authentication_with_a_concealed_suci() -> None:
    talk = Talk()
    at = "http://ausf:80/nausf-auth/v1/ue-authentications"
    said = talk("POST", at, f'{{"supiOrSuci":"{SUCI}"}}', 201, f"{at}/3")
    assert said == (None, None, SUCI)
    vector = f"http://udm:80/nudm-ueau/v1/{SUCI}/security-information/generate-auth-data"
    assert talk("POST", vector, "{}", 200, answered=f'{{"supi":"{SUPI}"}}')[:2] == (SUPI, "body")
    assert talk("PUT", f"{at}/3/5g-aka-confirmation", '{"resStar":"0"}')[:2] == (SUPI, "reference")
    assert talk("POST", at, f'{{"supiOrSuci":"{SUCI}"}}', 201, f"{at}/4")[:2] == (SUPI, "alias")


def test_the_answer_of_a_context_tells_whose_it_is() -> None:
    talk = Talk()
    at = "http://ausf:80/nausf-auth/v1/ue-authentications"
    talk("POST", at, f'{{"supiOrSuci":"{SUCI}"}}', 201, f"{at}/3")
    assert talk("PUT", f"{at}/3/5g-aka-confirmation", answered=f'{{"supi":"{SUPI}"}}')[:2] == (SUPI, "body")
    assert talk("DELETE", f"{at}/3/5g-aka-confirmation", status=204)[:2] == (SUPI, "reference")


def test_a_guti_is_another_name_once_a_transfer_told_it() -> None:
    talk = Talk()
    at = "http://amf:80/namf-comm/v1/ue-contexts/5g-guti-99970020040c0000a1b"
    assert talk("POST", f"{at}/transfer", answered=f'{{"ueContext":{{"supi":"{SUPI}"}}}}')[:2] == (SUPI, "body")
    assert talk("POST", f"{at}/transfer-update")[:2] == (SUPI, "alias")


def test_a_callback_is_bound_by_its_uri_and_what_lies_below() -> None:
    talk = Talk()
    asked = f'{{"supi":"{SUPI}","notificationUri":"http://smf1:80/nsmf-callback/v1/sm-policy-notify/16"}}'
    talk(
        "POST",
        "http://pcf:80/npcf-smpolicycontrol/v1/sm-policies",
        asked,
        201,
        "/npcf-smpolicycontrol/v1/sm-policies/1",
    )
    assert talk("POST", "http://smf1:80/nsmf-callback/v1/sm-policy-notify/16/update")[:2] == (SUPI, "reference")
    assert talk("POST", "http://smf1:80/nsmf-callback/v1/sm-policy-notify/17/update")[0] is None
    assert talk("POST", "http://pcf:80/npcf-smpolicycontrol/v1/sm-policies/1/delete", status=204)[0] == SUPI
    talk(
        "POST",
        "http://pcf:80/npcf-smpolicycontrol/v1/sm-policies",
        asked.replace(SUPI, OTHER),
        201,
        "/npcf-smpolicycontrol/v1/sm-policies/2",
    )
    assert talk("POST", "http://smf1:80/nsmf-callback/v1/sm-policy-notify/16/update")[0] == OTHER


def test_a_callback_that_several_share_tells_nobody() -> None:
    talk = Talk()
    uri = "http://amf:80/namf-callback/v1/am-policy"
    for supi in (SUPI, OTHER):
        talk(
            "POST",
            "http://pcf:80/npcf-am-policy-control/v1/policies",
            f'{{"supi":"{supi}","notificationUri":"{uri}/"}}',
            201,
        )
    assert talk("POST", f"{uri}/update")[0] is None


def test_a_callback_on_the_root_binds_nothing() -> None:
    talk = Talk()
    talk(
        "POST",
        "http://pcf:80/npcf-smpolicycontrol/v1/sm-policies",
        f'{{"supi":"{SUPI}","notificationUri":"https://smf1:80/"}}',
        201,
    )
    assert talk("GET", "http://smf1:80/nsmf-pdusession/v1")[0] is None


@pytest.mark.parametrize(
    "location", [f"{PATH}/7", f"http://smf1:80{PATH}/7", f"smf1.example:80{PATH}/7", "7", f"HTTP://SMF1:80{PATH}/7/"]
)
def test_any_spelling_of_a_location(location: str) -> None:
    talk = Talk()
    host = "smf1.example:80" if location.startswith("smf1.") else "smf1:80"
    talk("POST", f"http://{host}{PATH}", f'{{"supi":"{SUPI}"}}', 201, location)
    assert talk("POST", f"http://{host}{PATH}/7/modify")[0] == SUPI


def test_a_location_of_free5gc_that_is_no_locator() -> None:
    talk = Talk()
    urn = "urn:uuid:56763478-4032-4924-bbd5-35541af62ea0"
    talk("POST", f"http://smf1:80{PATH}", f'{{"supi":"{SUPI}"}}', 201, urn)
    assert talk("POST", f"http://smf1:80{PATH}/{urn}/modify")[0] == SUPI


def test_an_id_in_the_body_counts_where_no_location_is() -> None:
    talk = Talk()
    talk(
        "POST",
        "http://chf:80/nchf-spendinglimitcontrol/v1/subscriptions",
        f'{{"supi":"{SUPI}"}}',
        201,
        answered='{"subscriptionId":"9"}',
    )
    assert talk("DELETE", "http://chf:80/nchf-spendinglimitcontrol/v1/subscriptions/9")[0] == SUPI


def test_correlation_info_counts_last() -> None:
    said = identifiers_of_headers({"3gpp-sbi-correlation-info": f"{SUPI};msisdn-491725670014"})
    assert Talk()("POST", f"http://smf1:80{PATH}/7/modify", headers=said)[:2] == (SUPI, "header")


GUTI = "http://amf:80/namf-comm/v1/ue-contexts/5g-guti-99970020040c0000001/transfer"
GPSI = "http://udm:80/nudm-sdm/v2/msisdn-491725670014/id-translation-result"
CONTEXT = "http://ausf:80/nausf-auth/v1/ue-authentications"
SESSION = f"http://smf1:80{PATH}"
OF_OTHER = f'{{"supi":"{OTHER}"}}'
# What was learned first, as (method, URI, body asked, status, Location, body answered), and what is asked of OTHER.
MOVED = [
    (("POST", GUTI, "", 200, None, f'{{"ueContext":{{"supi":"{SUPI}"}}}}'),
     ("POST", GUTI, "", 200, None, f'{{"ueContext":{{"supi":"{OTHER}"}}}}'), "alias"),
    (("GET", GPSI, "", 200, None, f'{{"supi":"{SUPI}"}}'), ("GET", GPSI, "", 200, None, OF_OTHER), "alias"),
    (("POST", CONTEXT, f'{{"supiOrSuci":"{SUPI}"}}', 201, f"{CONTEXT}/1", ""),
     ("PUT", f"{CONTEXT}/1/5g-aka-confirmation", "", 200, None, OF_OTHER), "reference"),
    (("POST", SESSION, f'{{"supi":"{SUPI}","pduSessionId":5,"dnn":"ims"}}', 201, f"{SESSION}/1", ""),
     ("POST", f"{SESSION}/1/retrieve", "", 200, None, f'{{"ueContext":{{"supi":"{OTHER}"}}}}'), "reference"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "asked", "source"), MOVED)
def test_what_an_answer_states_counts_before_what_was_learned_and_is_learned(
    before: tuple[str, str, str, int, str | None, str], asked: tuple[str, str, str, int, str | None, str], source: str
) -> None:
    """A GPSI moves, a 5G-GUTI is given anew (TS 23.003 2.10), an id comes again whose 201 was lost."""
    talk = Talk()
    assert talk(*before)[0] == SUPI
    assert talk(*asked) == (OTHER, "body", None)
    assert talk(*asked)[:2] == (OTHER, source)


def test_nothing_of_the_old_subscriber_stays_with_the_new_one() -> None:
    talk = Talk()
    created(talk)
    asked = talk.references.request(9 * SECOND, "POST", "smf1:80", f"{PATH}/7/retrieve")
    answered = talk.references.response(asked, 9 * SECOND, 200, "smf1:80", f"{PATH}/7/retrieve", body=body(OF_OTHER))
    assert answered.identifiers == Identifiers(supi=OTHER)
    after = talk.references.request(9 * SECOND, "POST", "smf1:80", f"{PATH}/7/modify").subject
    assert (after.identifiers, after.source) == (Identifiers(supi=OTHER), "reference")


def test_correlation_info_of_an_answer_counts_before_what_was_learned() -> None:
    talk = Talk()
    created(talk)
    said = identifiers_of_headers({"3gpp-sbi-correlation-info": OTHER})
    asked = talk.references.request(9 * SECOND, "POST", "smf1:80", f"{PATH}/7/modify")
    told = talk.references.response(asked, 9 * SECOND, 200, "smf1:80", f"{PATH}/7/modify", headers=said)
    assert (told.identifiers.supi, told.source) == (OTHER, "header")


@pytest.mark.parametrize(("asked", "answered"), [('{"pduSessionId":7}', ""), ("", '{"pduSessionId":7}')])
def test_a_session_that_the_body_contradicts_is_bound_no_longer(asked: str, answered: str) -> None:
    talk = Talk()
    created(talk)
    at = f"{PATH}/7/retrieve"
    first = talk.references.request(9 * SECOND, "POST", "smf1:80", at, body=body(asked) if asked else NO_BODY)
    last = talk.references.response(first, 9 * SECOND, 200, "smf1:80", at, body=body(answered) if answered else NO_BODY)
    assert last.identifiers == Identifiers(pdu_session_id=7)
    assert (last.source, last.reference) == (None, f"smf1:80{PATH}/7")
    assert (first.subject.identifiers.supi is None) == bool(asked)
    assert talk("POST", f"http://smf1:80{PATH}/7/modify") == (None, None, f"smf1:80{PATH}/7")


def test_a_request_that_names_its_subscriber_binds_its_resource_anew() -> None:
    talk = Talk()
    created(talk)
    assert talk("POST", f"http://smf1:80{PATH}/7/modify", OF_OTHER)[:2] == (OTHER, "body")
    after = talk.references.request(9 * SECOND, "POST", "smf1:80", f"{PATH}/7/modify").subject
    assert (after.identifiers, after.source) == (Identifiers(supi=OTHER), "reference")


def test_a_session_that_the_body_says_again_stays_bound() -> None:
    talk = Talk()
    created(talk)
    assert talk("POST", f"http://smf1:80{PATH}/7/modify", '{"pduSessionId":5}')[:2] == (SUPI, "reference")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("snssais", "%5B%7B%22sst%22%3A1%2C%22sd%22%3A%2200000a%22%7D%5D", Identifiers(snssai="1-00000a")),
        ("snssais", '[{"sst":1}]', Identifiers(snssai="1")),
        ("supi", "nai-a%40b.c", Identifiers(supi="nai-a@b.c")),
        ("gpsi", "extid-a%40b.c", Identifiers(gpsi="extid-a@b.c")),
        ("target-plmn-list", "%5B%7B%22mcc%22%3A%22999%22%2C%22mnc%22%3A%2270%22%7D%5D", Identifiers(plmn="99970")),
        ("guami", "%7B%22plmnId%22:%7B%22mcc%22:%22999%22,%22mnc%22:%2270%22%7D,%22amfId%22:%22020040%22%7D",
         Identifiers(guami="99970-020040")),
        ("dnn", "a%2Db.mnc070.mcc999.gprs", Identifiers(dnn="a-b")),
    ],
)  # fmt: skip
def test_discovery_headers_are_percent_encoded(name: str, value: str, said: Identifiers) -> None:
    """Values outside the token characters are (TS 29.500 5.2.3.1): what they say is the same either way."""
    assert identifiers_of_headers({f"3gpp-sbi-discovery-{name}": value}) == said


def test_what_names_nobody_is_not_called_unresolved() -> None:
    assert Talk()("GET", "http://nrf:80/nnrf-disc/v1/nf-instances?target-nf-type=SMF") == (None, None, None)


def test_references_expire_and_are_bounded() -> None:
    table = Recent(3, 10)
    for number in range(5):
        table.put(number, "x", number)
    assert (len(table), table.evicted, table.get(1, 4), table.get(2, 4)) == (3, 2, None, "x")
    assert table.get(4, 15) is None
    table.put(9, "x", 40)
    assert len(table) == 1 + (table.get(3, 4) is not None)


def test_a_flood_of_references_stays_bounded() -> None:
    references = References(most=100)
    for number in range(1_000):
        told = BodyFacts(
            identifiers=Identifiers(supi=f"imsi-{number:015}"), callbacks=(Callback("x", f"http://a/b/c/{number}"),)
        )
        asked = references.request(number, "POST", "smf", PATH, NO_IDENTIFIERS, told)
        references.response(asked, number, 201, "smf", PATH, f"{PATH}/{number}")
    assert references.evicted == 1_900


@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=60)), st.one_of(st.none(), st.text(max_size=60)))
def test_any_texts_are_taken(path: str, producer: str | None, location: str | None) -> None:
    references = References()
    asked = references.request(1, "POST", producer, path, Identifiers(supi=SUPI))
    references.response(asked, 2, 201, producer, path, location)
    references.request(3, "POST", producer, path)


# The truth, by reading each capture to the end, again and again, without any table of the code under test.

SAYS = re.compile(r"imsi-\d{5,15}")
NULL = re.compile(r"suci-0-(\d{3})-(\d{2,3})-\d{1,4}-0-\d+-(\d+)")
HIDDEN = re.compile(r"suci-0-[0-9-]+-[1-9]-\d+-[0-9a-f]+")
ACTION = re.compile(r"/(?:modify|release|delete|update|5g-aka-confirmation)$")


def named(text: str) -> str | None:
    """Return the subscriber that a text names by a SUPI or an open SUCI."""
    if found := SAYS.search(text):
        return found[0]
    found = NULL.search(text)
    return f"imsi-{found[1]}{found[2]}{found[3]}" if found else None


def truth(every: list[Exchange]) -> dict[tuple[str, int], str]:
    """Return the subscriber of each exchange that is about one."""
    whose: dict[tuple[str, int], str] = {}
    for exchange in every:
        asked = exchange.request.body.decode("latin-1") if exchange.request else ""
        if supi := named(exchange.asked.get(":path", "")) or named(asked):
            whose[exchange.key] = supi
    revealed = {}
    for exchange in every:
        answer = exchange.response.body.decode("latin-1") if exchange.response else ""
        if (hidden := HIDDEN.search(exchange.asked.get(":path", ""))) and (supi := named(answer)):
            revealed[hidden[0]] = supi
    for exchange in every:
        asked = exchange.request.body.decode("latin-1") if exchange.request else ""
        if hidden := HIDDEN.search(exchange.asked.get(":path", "") + asked):
            whose[exchange.key] = revealed[hidden[0]]
    creating = [one for one in every if one.answered.get(":status") == "201" and one.answered.get("location")]
    for exchange in every:
        if exchange.key not in whose and exchange.request:
            path = ACTION.sub("", exchange.asked.get(":path", ""))
            before = [
                other
                for other in creating
                if other.key in whose
                and other.response.last_byte_ns <= exchange.request.last_byte_ns
                and (location := other.answered["location"])
                and (location.endswith(path) or (location.startswith("urn:") and path.endswith(location)))
                and path.count("/") > 2
            ]
            if before:
                whose[exchange.key] = whose[max(before, key=lambda other: other.response.last_byte_ns).key]
    return whose


def told(path: Path) -> dict[tuple[str, int], str]:
    """Return the subscriber of each exchange as References say, message by message."""
    references, whose, awaited = References(), {}, {}
    for ends, message in messages(path):
        asked = fields(message if not message.half else message.request)
        producer = authority_of(asked.get("3gpp-sbi-target-apiroot")) or asked.get(":authority")
        key, now_us = (ends.connection_id, message.stream_id), message.last_byte_ns // 1_000
        said, uri = identifiers_of_headers(fields(message)), asked.get(":path")
        if message.half:
            answered = fields(message)
            status = int(answered[":status"]) if ":status" in answered else None
            subject = references.response(
                awaited.pop(key, None), now_us, status, producer, uri, answered.get("location"), said, facts(message)
            )
        else:
            of_request = references.request(now_us, asked.get(":method"), producer, uri, said, facts(message))
            awaited[key], subject = of_request, of_request.subject
        if subject.identifiers.supi:
            assert whose.setdefault(key, subject.identifiers.supi) == subject.identifiers.supi
    return whose


@pytest.mark.parametrize("name", ["open5gs-suite-scp", "open5gs-registration-full"])
def test_subscribers_of_a_capture(name: str) -> None:
    path = tshark.CAPTURES / f"{name}.pcapng"
    right, said = truth(list(exchanges(path).values())), told(path)
    wrong = {key: supi for key, supi in said.items() if right.get(key) != supi}
    assert wrong == {}
    assert len(right) > 1_000
    assert len(said) / len(right) >= 0.98, (len(said), len(right))


@pytest.mark.parametrize("name", ["thirdparty-free5gc-registration", "thirdparty-open5gs-attach"])
def test_subscribers_of_other_captures(name: str) -> None:
    path = Path(__file__).parent.parent.parent / "shared" / "captures" / f"{name}.pcap"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    right, said = truth(list(exchanges(path).values())), told(path)
    assert {key: supi for key, supi in said.items() if right.get(key) != supi} == {}
    assert len(said) / len(right) >= 0.9, (len(said), len(right))


def test_the_events_of_decode_carry_the_subscribers() -> None:
    path = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
    right = truth(list(exchanges(path).values()))
    said: dict[tuple[str, int], str] = {}
    for line in sbiscope("decode", "--plain-identifiers", path).stdout.splitlines():
        event = json.loads(line)
        if event["supi"] is not None:
            said[event["connection_id"], event["stream_id"]] = event["supi"]
    assert {key: supi for key, supi in said.items() if right.get(key) != supi} == {}
    assert len(said) / len(right) >= 0.98
