"""What follows by meaning for fields that were not read: measured on a capture joined late, never wrong; the rules."""

import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.catalogue import Catalogue
from collector.connections import Bounds, Connections
from collector.halves import Message
from collector.identities import MAX_IDENTITIES, Identities
from collector.inference import creates, method_of, names_by_value, value_of
from collector.message import Ended, Endpoints, Half, HeaderState, Limits, Vantage
from collector.pcap_source import PcapSource
from collector.repair import MAX_CONNECTIONS, Repair
from collector.value_grammar import GRAMMARS, candidates
from tests import tshark
from tests.joining import Field, Recorded, Told, connections_of, told_now, truth_of
from tests.misleading import misleading

FULL = tshark.CAPTURES / "open5gs-registration-full.pcapng"
MIDSTREAM = tshark.CAPTURES / "open5gs-registration-midstream.pcapng"
SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
ATTACH = tshark.ROOT.parent.parent / "shared" / "captures" / "thirdparty-open5gs-attach.pcap"
Key = tuple[str, int, str, int, int, Half]
CATALOGUE = Catalogue()
TOLD_OF = {
    Half.REQUEST: (":method", ":path", ":authority", "user-agent", "content-type", "3gpp-sbi-"),
    Half.RESPONSE: (":status", "location", "server", "content-type", "3gpp-sbi-"),
}


def told_of(capture: Path) -> dict[Key, Told]:
    """Return each message of a capture as the pipeline hands it to its meaning."""
    connections, repair, found = Connections(Limits(), Bounds()), Repair(), {}

    def tick(now_ns: int) -> None:
        connections.advance(now_ns)
        taken = connections.take()
        repair.mend(taken)
        for ends, message in taken:
            key = (ends.client_address, ends.client_port, ends.server_address, ends.server_port, *told_now(message).key)
            found[key] = told_now(message)

    source = PcapSource(capture)
    source.run(connections, tick)
    connections.finish(source.now_ns)
    tick(source.now_ns)
    return found


def known(told: Told) -> Counter[Field]:
    """Return the fields whose name and value are told."""
    return Counter(field for field in told.headers if None not in field)


def column(told: Told, name: bytes) -> str:
    """Return how a field of the truth is told: exact, inferred or unknown."""
    if name.decode() in told.inferred:
        return "inferred"
    return "exact" if any(field[0] == name and field[1] is not None for field in told.headers) else "unknown"


def row(half: Half, name: bytes) -> str | None:
    """Return the row of the table that a field counts in."""
    title = name.decode()
    wanted = next((one for one in TOLD_OF[half] if title.startswith(one)), None)
    return f"{half.name.lower()} {'3gpp-sbi-discovery-*' if 'discovery' in title else title}" if wanted else None


@cache
def late_join_table() -> dict[str, Counter[str]]:
    """Return how many messages of the later capture tell each field exactly, by inference or not at all."""
    truth, told = told_of(FULL), told_of(MIDSTREAM)
    assert told.keys() <= truth.keys()
    wrong = {key: known(one) - known(truth[key]) for key, one in told.items()}
    assert not [(key, fields) for key, fields in wrong.items() if fields]
    assert sum(one.half is Half.REQUEST for one in told.values()) == 1116
    table: dict[str, Counter[str]] = {}
    for key, one in told.items():
        for name in {name for name, _ in truth[key].headers if name is not None}:
            title = row(one.half, name)
            if title is not None:
                table.setdefault(title, Counter())[column(one, name)] += 1
    return table


def test_what_a_collector_that_joins_late_knows_of_each_message() -> None:
    table = late_join_table()
    print(f"\n{'field':45}{'exact':>8}{'inferred':>10}{'unknown':>9}")
    for title, counts in sorted(table.items()):
        print(f"{title:45}{counts['exact']:8}{counts['inferred']:10}{counts['unknown']:9}")
    assert table["request :path"] == {"exact": 1116}
    status = table["response :status"]
    assert status["unknown"] <= 0.01 * status.total()
    assert status["inferred"] > 100


@pytest.mark.parametrize("capture", [FULL, SUITE], ids=lambda path: path.stem)
def test_joined_at_random_chunks_of_each_connection_nothing_told_is_wrong(capture: Path) -> None:
    rnd = random.Random(7)
    counts: Counter[tuple[str, str]] = Counter()
    for one in connections_of(capture):
        truth = truth_of(one)
        for first in rnd.sample(range(1, len(one.chunks)), min(3, len(one.chunks) - 1)):
            for told in one.watch(first):
                fields = truth[told.key]
                assert not told.headers or len(told.headers) == len(fields)
                for (name, value), (true_name, true_value) in zip(told.headers, fields, strict=False):
                    assert name in (None, true_name), (told, fields)
                    assert value in (None, true_value), (told, fields)
                if told.headers and told.half is Half.RESPONSE:
                    counts["status", column(told, b":status")] += 1
    assert counts["status", "inferred"] > 200
    assert counts["status", "unknown"] <= 0.01 * counts.total()


@pytest.mark.skipif(not ATTACH.exists(), reason="the capture of somebody else is not here")
def test_somebody_elses_capture_joined_late() -> None:
    told = told_of(ATTACH)
    responses = [one for one in told.values() if one.half is Half.RESPONSE and one.headers]
    statuses = Counter((column(one, b":status"), dict(one.headers).get(b":status")) for one in responses)
    print(statuses)
    assert statuses["exact", b"201"] > 0
    assert {value for how, value in statuses if how == "inferred"} == {b"201"}
    assert not [one for one in responses if column(one, b":status") == "unknown"]


# The rules.


def request(path: bytes, method: bytes | None = b"POST", body: bytes = b"", **named: bytes) -> Message:
    """Return a request of stream 1; a method of None was not read."""
    message = Message(Half.REQUEST, 1, 0)
    message.headers = [(b":method", method) if method else (None, None), (b":scheme", b"http"), (b":path", path)]
    message.headers += [(name.replace("_", "-").encode(), value) for name, value in named.items()]
    if method is None:
        message.unknown, message.missing = ((0, -7),), (":method",)
    return complete(message, body)


def response(asked: Message, status: bytes | None, body: bytes = b"", location: bytes | None = None) -> Message:
    """Return the answer to `asked`; a status of None was not read."""
    message = Message(Half.RESPONSE, asked.stream_id, 0)
    message.request = asked
    message.headers = [(b":status", status) if status else (None, None)]
    if status is None:
        message.unknown, message.missing = ((0, -9),), (":status",)
    if location is not None:
        message.headers.append((b"location", location))
    return complete(message, body)


def complete(message: Message, body: bytes) -> Message:
    """End a message; one with something unknown is partial."""
    message.header_state = HeaderState.PARTIAL if message.unknown else HeaderState.EXACT
    if body:
        message.add_body(body, 0, len(body), len(body))
    message.finish(Ended.COMPLETE, 1)
    return message


SM = b"/nsmf-pdusession/v1/sm-contexts"
BODY = b'{"supi":"imsi-001010000000001"}'


@pytest.mark.parametrize(
    ("method", "path", "location", "body", "created"),
    [
        pytest.param(b"POST", SM, b"http://smf:80" + SM + b"/1", b"{}", True, id="below the collection"),
        pytest.param(b"POST", SM, SM + b"/1", b"", True, id="a path alone"),
        pytest.param(None, SM, b"https://smf" + SM + b"/1", b"", True, id="method not read"),
        pytest.param(b"PUT", b"/a/v1/x/5", b"http://udm/a/v1/x/5", BODY, True, id="what was put"),
        pytest.param(b"PUT", b"/a/v1/x/5", b"http://other/a/v1/x/5", b"", False, id="the same elsewhere: may be a 308"),
        pytest.param(
            b"PUT", b"/a/v1/x/5", b"http://o/a/v1/x/5", b'{"cause":"SCP_REDIRECTION"}', False, id="RedirectResponse"
        ),
        pytest.param(b"PUT", b"/a/v1/x/5", b"http://o/a/v1/x/5", b'{ "status": 307 }', False, id="ProblemDetails"),
        pytest.param(b"POST", SM, b"http://other" + SM, BODY, False, id="posted to the same elsewhere"),
        pytest.param(b"POST", SM, b"http://other/prefix" + SM, b"", False, id="another root"),
        pytest.param(
            b"POST",
            b"/npcf-smpolicycontrol/v1/sm-policies",
            b"http://pcf/npcf-smpolicycontrol/v1/policies/1",
            b'{"sessRules":{}}',
            True,
            id="misnamed collection of the same API",
        ),
        pytest.param(b"GET", b"/a/v1/x", b"http://o/a/v1/x/1", b"", False, id="nothing is made by GET"),
        pytest.param(
            b"POST",
            b"/namf-comm/v1/ue-contexts/imsi-1/n1-n2-messages",
            b"http://amf/namf-comm/v1/ue-contexts/imsi-1/n1-n2-messages/7",
            b'{"cause":"ATTEMPTING_TO_REACH_UE"}',
            False,
            id="202 of N1N2MessageTransfer",
        ),
        pytest.param(
            b"POST",
            b"/npcf-policyauthorization/v1/app-sessions",
            b"http://pcf/npcf-policyauthorization/v1/app-sessions/1",
            b"",
            False,
            id="303 of app-sessions",
        ),
    ],
)
def test_a_location_means_201(method: bytes | None, path: bytes, location: bytes, body: bytes, created: bool) -> None:
    assert creates(response(request(path, method), None, body, location)) is created


@pytest.mark.parametrize(
    ("path", "body", "status", "location", "posts", "method"),
    [
        pytest.param(b"/a/v1/x/5", BODY, b"201", b"http://a/a/v1/x/5", False, b"PUT", id="made where it was put"),
        pytest.param(b"/a/v1/x", BODY, b"201", b"http://a/a/v1/x/5", False, None, id="may be a POST"),
        pytest.param(b"/a/v1/x", BODY, b"201", b"http://a/a/v1/x/5", True, b"PUT", id="is none: POST looks different"),
        pytest.param(
            b"/nausf-auth/v1/ue-authentications/1/5g-aka-confirmation", BODY, b"200", None, True, b"PUT", id="API puts"
        ),
        pytest.param(
            b"/nausf-auth/v1/ue-authentications/1/5g-aka-confirmation", BODY, b"405", None, True, None, id="refused"
        ),
        pytest.param(b"/nudm-ueau/v1/imsi-1/auth-events", BODY, b"204", None, True, None, id="API posts: not decided"),
        pytest.param(b"/nnrf-nfm/v1/nf-instances/1", BODY, b"200", None, True, None, id="API puts and patches"),
        pytest.param(b"/nudm-sdm/v2/imsi-1/sdm-subscriptions/1", b"", b"204", None, True, b"DELETE", id="no body"),
        pytest.param(b"/nudm-sdm/v2/imsi-1/sdm-subscriptions/1", b"", b"200", None, True, None, id="may be a GET"),
        pytest.param(b"/unknown/v1/x/1", b"", b"204", None, True, None, id="no such API"),
    ],
)
def test_a_method_follows_from_the_answer(
    path: bytes, body: bytes, status: bytes, location: bytes | None, posts: bool, method: bytes | None
) -> None:
    answer = response(request(path, None, body), status, b"", location)
    assert method_of(answer, status, {b"POST"} if posts else set(), CATALOGUE) == method


@pytest.mark.parametrize(
    ("half", "value", "names"),
    [
        (Half.RESPONSE, b"Sun, 22 Nov 2026 21:17:55.648 GMT", "sender-timestamp"),
        (Half.REQUEST, b"Sun, 22 Nov 2026 21:17:55.648 GMT", "sender-timestamp origination-timestamp"),
        (Half.REQUEST, b"Sun, 22 Nov 2026 21:17:55 GMT", ""),
        (Half.RESPONSE, b"31", "message-priority ?"),
        (Half.REQUEST, b"31", "message-priority max-rsp-time ?"),
        (Half.REQUEST, b"10000", "max-rsp-time ?"),
        (Half.RESPONSE, b"32", ""),
        (Half.RESPONSE, b"imsi-001010000000001", ""),  # a vendor's header may have it
        (Half.REQUEST, b"imsi-001010000000001; imei-123456789012345", "correlation-info"),
        (Half.RESPONSE, b"nfinst=54804518-4191-46b3-955c-ac631f953ed8; primary", "alternate-chf-id"),
        (Half.RESPONSE, b"nfinst=54804518-4191-46b3-955c-ac631f953ed8", "producer-id target-nf-id"),
        (
            Half.REQUEST,
            b"54804518-4191-46b3-955c-ac631f953ed8",
            "discovery-target-nf-instance-id discovery-requester-nf-instance-id ?",
        ),
        (Half.REQUEST, b"bl=nf-set; nfset=set1.smfset.5gc.mnc012.mcc345", "binding routing-binding"),
        (Half.RESPONSE, b"bl=nf-set; nfset=set1.smfset.5gc.mnc012.mcc345", "binding"),
        (Half.REQUEST, b"nudm-sdm", "discovery-service-names access-scope ?"),
        (Half.REQUEST, b"5; nodetype=scp", "max-forward-hops"),
        (Half.REQUEST, b"Nsmf_PDUSession_StatusNotify; apiversion=2", "callback"),
        (Half.RESPONSE, b'Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"; Load-Metric: 25%; NF-Instance: 5', "lci"),
        (Half.REQUEST, b"srcinst=54804518-4191-46b3-955c-ac631f953ed8; dstscp=SCP-scp1.com", "nf-peer-info"),
        (Half.REQUEST, b"x" * 10_000, ""),
    ],
)
def test_which_headers_a_value_can_stand_in(half: Half, value: bytes, names: str) -> None:
    found = {name.removeprefix(b"3gpp-sbi-").decode() or "?" for name in candidates(half, value)}
    assert found == set(names.split())


def test_grammars_are_of_headers_we_read() -> None:
    assert len({grammar.name for grammar in GRAMMARS}) == len(GRAMMARS)
    assert all(grammar.name.startswith(b"3gpp-sbi-") for grammar in GRAMMARS)


def test_the_context_of_a_value_narrows_it() -> None:
    stamp = b"Sun, 22 Nov 2026 21:17:55.648 GMT"
    one = request(b"/nudm-sdm/v2/imsi-1/am-data", b"GET", user_agent=b"AMF")
    assert names_by_value(one, stamp, CATALOGUE) == {b"3gpp-sbi-sender-timestamp"}
    assert len(names_by_value(request(SM), stamp, CATALOGUE)) == 2
    assert names_by_value(one, b"UDM", CATALOGUE) == {b"3gpp-sbi-discovery-target-nf-type"}
    assert len(names_by_value(request(b"/nudm-sdm/v2/imsi-1/am-data", b"GET"), b"UDM", CATALOGUE)) == 2
    assert b"3gpp-sbi-discovery-target-nf-type" not in names_by_value(one, b"AMF", CATALOGUE)
    assert names_by_value(request(SM, body=b"12345"), b"5", CATALOGUE) == set(), "it may be Content-Length"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param([b"1", b"2", b"3"], None, id="may count attempts"),
        pytest.param([b"1", b"2", b"24"], b"3gpp-sbi-message-priority", id="priorities"),
        pytest.param([b"10000"] * 9, None, id="one number says nothing"),
        pytest.param([b"10000", b"5000", b"10000"], b"3gpp-sbi-max-rsp-time", id="patience"),
        pytest.param([b"7777", b"10000", b"5000"], None, id="a port among them"),
    ],
)
def test_whole_numbers_need_company(values: list[bytes], name: bytes | None) -> None:
    identities = Identities()
    for value in values:
        identities.weigh(5, candidates(Half.REQUEST, value), value, alone=True)
    assert identities.name(5) == name


# What one disclosure does.

ENDS = Endpoints("c1", Vantage.WIRE, False, "10.0.0.1", 40_000, "10.0.0.2", 7777)


def mend(repair: Repair, *messages: Message, ends: Endpoints = ENDS) -> None:
    """Mend messages taken together."""
    repair.mend([(ends, message) for message in messages])


def test_one_disclosure_names_all_that_refer_to_the_same_entry() -> None:
    repair = Repair()
    before = response(request(SM), None, b"{}")
    disclosing = response(request(SM), None, b"{}", SM + b"/1")
    mend(repair, before, disclosing)
    after = response(request(SM), None, b"")
    mend(repair, after)
    for message in (before, disclosing, after):
        assert message.headers[0] == (b":status", b"201")
        assert (message.inferred, message.missing, message.unknown) == ((":status",), (), ())
        assert message.header_state is HeaderState.PARTIAL
    elsewhere = response(request(SM), None, b"")
    mend(repair, elsewhere, ends=Endpoints("c2", Vantage.WIRE, False, "10.0.0.1", 40_001, "10.0.0.2", 7777))
    assert elsewhere.headers[0] == (None, None)


def test_an_answer_mends_its_request_too() -> None:
    asked = request(b"/a/v1/x/5", None, BODY)
    answer = response(asked, b"201", b"", b"http://a/a/v1/x/5")
    mend(Repair(), answer)
    assert asked.headers[0] == (b":method", b"PUT")
    assert asked.inferred == (":method",)
    assert answer.inferred == ()


def test_a_contradiction_makes_both_unknown() -> None:
    identities = Identities()
    identities.bind(3, b":status", b"201")
    identities.bind(3, b":status", b"202")
    assert (identities.name(3), identities.value(3)) == (None, None)
    identities.bind(3, b":status", b"201")
    assert identities.name(3) is None


def test_what_is_known_is_bounded() -> None:
    repair = Repair()
    for number in range(MAX_CONNECTIONS + 13):
        ends = Endpoints(f"c{number}", Vantage.WIRE, False, "10.0.0.1", 40_000, "10.0.0.2", 7777)
        mend(repair, response(request(SM), None, b"{}", SM + b"/1"), ends=ends)
    assert len(repair._known) == MAX_CONNECTIONS
    identities = Identities()
    for identity in range(2 * MAX_IDENTITIES):
        identities.bind(identity, b":status", b"201")
        identities.weigh(-identity, frozenset((b"a", b"b")), b"x", alone=False)
    assert len(identities._names) == len(identities._values) == len(identities._evidence) == MAX_IDENTITIES


def test_exact_messages_are_left_alone() -> None:
    asked = request(SM)
    answer = response(asked, b"201", b"{}", SM + b"/1")
    headers = (list(asked.headers), list(answer.headers))
    repair = Repair()
    mend(repair, asked, answer)
    assert (asked.headers, answer.headers) == headers
    assert not repair._known
    assert repair._catalogue is None


# Traffic made to mislead.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60))
def test_traffic_made_to_mislead_does_not(seed: int, first: int) -> None:
    frames, truth = misleading(seed)
    one = Recorded(ENDS, [(side, data, number) for number, (side, data) in enumerate(frames)])
    for told in one.watch(first):
        fields = truth[told.stream_id, int(told.half)]
        assert len(told.headers) in (0, len(fields))
        for (name, value), (true_name, true_value) in zip(told.headers, fields, strict=False):
            assert name in (None, true_name), (name, value, true_name)
            assert value in (None, true_value), (name, value, true_value)


def test_value_of_finds_the_first() -> None:
    assert value_of(None, b"x") is None
    assert value_of(request(SM, x=b"1"), b"x") == b"1"
