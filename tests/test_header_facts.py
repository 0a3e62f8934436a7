"""What the 3gpp-Sbi-* headers with a grammar say (collector.header_facts): tables of headers and their facts."""

import csv
import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.header_facts import LONGEST_FACT, LONGEST_READ, facts_of
from collector.message import Half
from schemas.sbi import make_causes
from schemas.sbi.causes import FILE, KNOWN_CAUSES, list_of
from streams.overload import reduction_percent
from tests.meant import finished, plain, told
from tests.test_sbi_headers import HEADERS, KEY, REFERENCE, SECRET, reader

AMF, SMF = "54804518-4191-46b3-955c-ac631f953ed8", "54804518-4191-46b3-955c-ac631f953ed7"
WHEN = 'Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"'
MICROSECONDS = "1580806177000000"
SLICED = "S-NSSAI: %7B%22sst%22%3A%201%2C%20%22sd%22%3A%20%22A08923%22%7D; DNN: internet; Relative-Capacity: 20%"

SAID = [
    ("lci", f"{WHEN}; Load-Metric: 25%; NF-Instance: {AMF}",
     {"load_percent": "25", "load_scope": f"nf-instance:{AMF}", "load_us": MICROSECONDS}),
    ("lci", f"{WHEN}; Load-Metric: 25%; NF-Instance: {AMF}, {WHEN}; Load-Metric: 70%; NF-Instance: {SMF}; {SLICED}",
     {"load_percent": "70", "load_scope": f"nf-instance:{SMF}", "load_us": MICROSECONDS, "load_snssai": "1-a08923",
      "load_dnn": "internet", "load_capacity_percent": "20"}),
    ("lci", f"{WHEN}; Load-Metric: 101%; NF-Instance: {AMF}", None),
    ("lci", f"{WHEN}; Load-Metric: many; NF-Instance: {AMF}", None),
    ("oci", f"{WHEN}; Period-of-Validity: 75s; Overload-Reduction-Metric: 50%; NF-Set: set1.udmset.5gc.mnc012.mcc345",
     {"overload_reduction_percent": "50", "overload_valid_s": "75", "overload_us": MICROSECONDS,
      "overload_scope": "nf-set:set1.udmset.5gc.mnc012.mcc345"}),
    ("oci", "Timestamp: yesterday; Overload-Reduction-Metric: 0%", {"overload_reduction_percent": "0"}),
    ("routing-binding", f"bl=nf-set; nfinst={SMF}; nfset=set1.smfset; servname=nsmf-pdusession; what=ever",
     {"routing_level": "nf-set", "routing_nf_instance": SMF, "routing_nf_set": "set1.smfset",
      "routing_service": "nsmf-pdusession"}),
    ("binding", f"bl=nf-instance; nfinst={SMF}; scope=callback; recoverytime=\"2020-02-04T08:49:37Z\"",
     {"binding_level": "nf-instance", "binding_nf_instance": SMF, "binding_scope": "callback",
      "binding_recovery_time": "2020-02-04T08:49:37Z"}),
    ("producer-id", f"nfinst={SMF}", None),  # it has a column
    ("producer-id", f"nfinst={SMF}; nfset=set1.smfset", {"producer_nf_set": "set1.smfset"}),
    ("target-nf-id", f"nfinst={SMF}", {"target_nf_instance": SMF}),
    ("target-nf-group-id", 'nfgid="group1"', {"target_nf_group": "group1"}),
    ("nrf-uri", 'nnrf-disc: "https://nrf1/nnrf-disc/v1"; nnrf-oauth2:"https://nrf2"; other: x',
     {"nrf_discovery": "https://nrf1/nnrf-disc/v1", "nrf_oauth2": "https://nrf2"}),
    ("nrf-uri-callback", 'nnrf-disc: "https://nrf1"', {"callback_nrf_discovery": "https://nrf1"}),
    ("max-forward-hops", "8; nodetype=scp", {"forward_hops_left": "8"}),
    ("max-forward-hops", "-8", None),
    ("originating-network-id", "123-45; src: SEPP-sepp1.example.org",
     {"originating_network": "12345", "originating_network_source": "SEPP-sepp1.example.org"}),
    ("originating-network-id", "123-456-00000000A1B", {"originating_network": "123456-00000000a1b"}),
    ("originating-network-id", "Atlantis", None),
    ("access-scope", "nudm-sdm nudm-uecm", {"access_scope": "nudm-sdm nudm-uecm"}),
    ("other-access-scopes", "nudm-sdm", {"other_access_scopes": "nudm-sdm"}),
    ("nf-peer-info", f"srcinst={AMF}; dstinst={SMF}; dstscp=SCP-scp1.example.org",
     {"source_nf_instance": AMF, "destination_nf_instance": SMF, "destination_scp": "SCP-scp1.example.org"}),
    ("alternate-chf-id", f"nfinst={SMF};primary", {"alternate_chf": SMF, "alternate_chf_role": "primary"}),
    ("notif-accepted-encoding", "gzip;q=1.0", {"notification_encodings": "gzip;q=1.0"}),
    ("consumer-info", "service=nudm-sdm; apiversion=(1 2); supportedfeatures=1F",
     {"consumer_service": "nudm-sdm", "consumer_api_version": "(1 2)", "consumer_features": "1F"}),
    ("response-info", f"request-retransmitted=true; nfinst={SMF}; no-retry=true",
     {"retransmitted_elsewhere": "true", "retransmitted_to": SMF, "no_retry": "true"}),
    ("selection-info", f"reselection=true; not-select-nfinst={SMF}",
     {"reselection": "true", "not_selected_nf_instance": SMF}),
    ("interplmn-purpose", "ROAMING", {"interplmn_purpose": "ROAMING"}),
    ("request-info", "retrans=true; redirect=true; reason=timeout; receivedrejectioncause=NF_CONGESTION",
     {"redirected": "true", "request_reason": "timeout", "received_rejection_cause": "NF_CONGESTION"}),
    ("retry-info", "no-retries", {"no_retries": "true"}),
    ("scp-apiroot", "http://scp1:80", {"scp_api_root": "http://scp1:80"}),
    ("binding-indication-notify-restricted", "true", {"notify_restricted": "true"}),
    ("origination-timestamp", "Tue, 04 Feb 2020 08:49:37.250 GMT", {"origination_us": "1580806177250000"}),
    ("origination-timestamp", "now", None),
    ("notification-correlation", "a1,a2", {"notification_subscriptions": "a1,a2"}),
    ("etags", "am-data=x1", {"etags": "am-data=x1"}),
    ("n32-handshake-id", "0600AD1855BD6007", {"n32_handshake": "0600AD1855BD6007"}),
]  # fmt: skip
HELD = f"{WHEN}; Load-Metric: 5%; DNN: "
# One statement is made of one entry, and of what stands there whole.
UNMIXED = [
    ("routing-binding", f"bl=nf-set; nfset=s, bl=nf-instance; nfinst={SMF}",
     {"routing_level": "nf-set", "routing_nf_set": "s"}),
    ("binding", f", bl=nf-set; nfset=s, nfinst={SMF}; scope=callback",
     {"binding_level": "nf-set", "binding_nf_set": "s"}),
    ("alternate-chf-id", f"nfinst={AMF}, nfinst={SMF};secondary", {"alternate_chf": AMF}),
    ("consumer-info", "service=a, service=b; supportedfeatures=1F", {"consumer_service": "a"}),
    ("nrf-uri", "nnrf-disc: a, nnrf-nfm: b", {"nrf_discovery": "a", "nrf_management": "b"}),
    ("lci", "Load-Metric: 5%; S-NSSAI: {}; NF-Set: s", {"load_percent": "5", "load_scope": "nf-set:s"}),
    ("lci", "Load-Metric: 5%; S-NSSAI: 1-a08923", {"load_percent": "5"}),
    ("lci", "Load-Metric: 5%; S-NSSAI: %7B%22sst%22%3A1%7D & %7B%22sst%22%3A2%7D; DNN: a & b",
     {"load_percent": "5", "load_snssai": "1 & 2", "load_dnn": "a & b"}),
    ("lci", "Load-Metric: 5%; S-NSSAI: %7B%22sst%22%3A1%7D & x", {"load_percent": "5"}),
    ("lci", "Load-Metric: 5%; S-NSSAI: " + "%5B" * 80, {"load_percent": "5"}),
    ("originating-network-id", "123-45-1", None),
    ("lci", "Load-Metric: 5%; NF-Instance: A; DNN: " + "d" * 300 + "; NF-Set: s",
     {"load_percent": "5", "load_dnn": "d" * 255 + "…", "load_scope": "nf-set:s"}),
    ("lci", "Load-Metric: 5%; NF-Set: " + "s" * 256, {"load_percent": "5", "load_scope": "nf-set:" + "s" * 248 + "…"}),
    ("access-scope", "a" * 257, {"access_scope": "a" * 255 + "…"}),
    ("access-scope", "a" * 256, {"access_scope": "a" * 256}),
    ("etags", " " * 300, None),
    ("lci", ";" * 63 + "Load-Metric: 5%;Relative-Capacity: 7%", {"load_percent": "5"}),
    ("lci", ";" * 64 + "Load-Metric: 5%", None),
]  # fmt: skip
# What stands from LONGEST_READ on, after `filled` up to it, and what of it is told.
CUT = [
    ("Load-Metric: 9", "5%; NF-Set: s", "5", None),
    ("Load-Metric: 9", "", "9", None),
    ("Load-Metric: 95%", "; NF-Set: s", "95", None),
    ("Load-Metric: 95%; NF-Set: set", "1", "95", None),
    ("Load-Metric: 95%; NF-Set: set", "", "95", "nf-set:set"),
    ("Load-Metric: 95%; NF-Set: set", ", Load-Metric: 96%", "95", "nf-set:set"),
    ('Load-Metric: 95%; Callback-Uri: "https://a/b;NF-Set: s; DNN', ': x"', "95", None),
    ('Load-Metric: 95%; Callback-Uri: "https://a/b;c', '"; NF-Set: s', "95", None),
    ('Load-Metric: 95%; Callback-Uri: "https://a/b;c"', "; NF-Set: s", "95", "callback-uri:https://a/b;c"),
]
# Lines of one field, and what an event tells of them.
LINES = [
    ("lci", ["Load-Metric: 10%; NF-Instance: A; DNN: x", "Load-Metric: 80%; NF-Set: s"],
     {"load_percent": "80", "load_scope": "nf-set:s"}),
    ("lci", ["Load-Metric: 80%; NF-Set: s", "Load-Metric: 10%; DNN: x; Relative-Capacity: 5%", "Load-Metric: 80%"],
     {"load_percent": "80", "load_scope": "nf-set:s"}),
    ("lci", ["Load-Metric: many", "Load-Metric: 0%", "Load-Metric: 9%", "Load-Metric: 10%"], {"load_percent": "10"}),
    ("oci", ["Overload-Reduction-Metric: 10%", "Overload-Reduction-Metric = 80; NF-Set: s; Period-of-Validity: 7s"],
     {"overload_reduction_percent": "80", "overload_scope": "nf-set:s", "overload_valid_s": "7"}),
    ("oci", ["Overload-Reduction-Metric: 0%; NF-Set: s", "X-Overload-Reduction-Metric: 9%"],
     {"overload_reduction_percent": "0", "overload_scope": "nf-set:s"}),
    ("oci", ["Overload-Reduction-Metric: 101%"], {}),
    ("routing-binding", ["bl=nf-set", "nfinst=A"], {"routing_level": "nf-set"}),
    ("binding", ["what=ever", "bl=nf-set", "nfinst=A"], {"binding_level": "nf-set"}),
    ("alternate-chf-id", ["nfinst=A", "nfinst=B;secondary"], {"alternate_chf": "A"}),
    ("consumer-info", ["service=a", "supportedfeatures=1F"], {"consumer_service": "a"}),
    ("nrf-uri", ["nnrf-disc: a", "nnrf-disc: b; nnrf-nfm: c"], {"nrf_discovery": "a", "nrf_management": "c"}),
]  # fmt: skip
# What has a field of its own in the event, or is one value for the discovery of NFs, by its name in sbi_headers.
OWN = {"Message-Priority", "Callback", "Target-apiRoot", "Sender-Timestamp", "Max-Rsp-Time", "Correlation-Info"}
BY_NAME = {"Discovery-snssais"}


@pytest.mark.parametrize(("header", "value", "facts"), SAID + UNMIXED)
def test_what_a_header_says(header: str, value: str, facts: dict[str, str] | None) -> None:
    assert facts_of(f"3gpp-sbi-{header}", value) == facts


@pytest.mark.parametrize(("read", "cut", "percent", "scope"), CUT)
def test_what_is_cut_off_is_left_out(read: str, cut: str, percent: str, scope: str | None) -> None:
    filled = HELD + "d" * (LONGEST_READ - len(HELD) - len(read) - 2) + ", "
    facts = facts_of("3gpp-sbi-lci", filled + read + cut) or {}
    assert (facts["load_percent"], facts.get("load_scope")) == (percent, scope)


@pytest.mark.parametrize(("header", "values", "facts"), LINES)
def test_an_event_tells_one_statement_of_several_lines(header: str, values: list[str], facts: dict[str, str]) -> None:
    lines = [(f"3gpp-sbi-{header}".encode(), value.encode()) for value in values]
    event = told(
        plain(), finished(Half.RESPONSE, [(b":status", b"200"), *lines, (b"3gpp-sbi-retry-info", b"no-retries")])
    )
    assert event["header_facts"] == facts | {"no_retries": "true"}
    # Pairing reads the same from the text of the field.
    as_avro = io.BytesIO()
    fastavro.schemaless_writer(as_avro, {"type": "map", "values": "string"}, event["sbi_headers"])
    assert reduction_percent(as_avro.getvalue()) == int(facts.get("overload_reduction_percent", -1))


def test_each_header_of_3gpp_has_a_field_or_facts_or_is_a_secret() -> None:
    told_of = {header for header, _, facts in SAID if facts}
    assert {name for name in HEADERS if name.lower() not in told_of} == OWN | BY_NAME | SECRET


def test_what_a_sepp_connects_for() -> None:
    value = "connect-purpose=n32c;originating-network-id=001-01;sender-fqdn=sepp.example.org"
    wanted = {"connect_purpose": "n32c", "originating_network": "00101", "sender_fqdn": "sepp.example.org"}
    assert facts_of("3gpp-connect-req-info", value) == wanted


def test_an_event_tells_the_facts_of_all_fields_and_without_any_none() -> None:
    fields = [(b":status", b"200"), (b"3gpp-sbi-lci", f"{WHEN}; Load-Metric: 7%".encode()),
              (b"3gpp-sbi-lci", b"Load-Metric: 9%"), (b"3gpp-sbi-retry-info", b"no-retries")]  # fmt: skip
    event = told(plain(), finished(Half.RESPONSE, fields))
    assert event["header_facts"] == {"load_percent": "9", "no_retries": "true"}
    assert told(plain(), finished(Half.RESPONSE, [(b":status", b"200")]))["header_facts"] == {}


def test_identifiers_are_hidden_in_them() -> None:
    fields = reader(KEY).read([(b"3gpp-sbi-notification-correlation", b"imsi-001010000000001")])
    assert fields.facts is not None
    assert "0000000001" not in str(fields.facts)


WORDS = st.sampled_from(
    ["Timestamp", "Load-Metric", "bl", "nfinst", "src", ":", "=", ";", ",", '"', "%", " ", "50", "é"]
)


@given(st.sampled_from([*(f"3gpp-sbi-{name.lower()}" for name in HEADERS), "3gpp-connect-req-info"]),
       st.text(max_size=300) | st.lists(WORDS, max_size=3_000).map("".join))  # fmt: skip
def test_no_value_does_harm_and_facts_are_few_and_short(header: str, value: str) -> None:
    facts = facts_of(header, value) or {}
    assert len(facts) <= 20
    assert all(name.isidentifier() and len(fact) <= LONGEST_FACT + 32 for name, fact in facts.items())


@pytest.mark.parametrize(
    ("service", "cause", "where"),
    [
        ("nudm-sdm", "DATA_NOT_FOUND", "service"),
        ("nudm-sdm", "SUBSCRIPTION_NOT_FOUND", "service"),
        ("nudm-sdm", "INVALID_API", "common"),
        ("nudm-sdm", "NF_DISCOVERY_FAILURE", "proxy"),
        ("nudm-sdm", "DNN_DENIED", "none"),  # of another service
        ("nudm-sdm", "data_not_found", "none"),
        ("npcf-ue-policy-control", "USER_UNKNOWN", "service"),
        ("oauth2", "invalid_scope", "service"),
        ("nnrf-disc", "MANDATORY_IE_MISSING", "common"),
        ("nnrf-disc", "OUT_OF_CHEESE", None),  # no list of that service is known
        (None, "SYSTEM_FAILURE", "common"),
        (None, "DNN_DENIED", None),
    ],
)
def test_in_which_list_a_cause_stands(service: str | None, cause: str, where: str | None) -> None:
    assert list_of(service, cause) == where


@pytest.mark.parametrize(
    ("body", "cause", "where"),
    [
        (b'{"cause":"USER_NOT_FOUND"}', "USER_NOT_FOUND", "service"),
        (b'{"cause":"X"}', "X", "none"),
        (b"{}", None, None),
    ],
)
def test_an_event_says_it(body: bytes, cause: str | None, where: str | None) -> None:
    meaning = plain()
    asked = finished(Half.REQUEST, [(b":method", b"GET"), (b":path", b"/nudm-sdm/v2/imsi-001010000000001/am-data")])
    told(meaning, asked)
    answer = finished(Half.RESPONSE, [(b":status", b"404"), (b"content-type", b"application/problem+json")], body)
    answer.request = asked
    event = told(meaning, answer)
    assert (event["cause"], event["cause_list"]) == (cause, where)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not here")
def test_the_lists_are_those_of_the_reference() -> None:
    table = REFERENCE.with_name("sbi_causes.csv")
    assert FILE.read_text().splitlines() == make_causes.lines(table)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 156
    assert {row["cause"] for row in rows} == set().union(*KNOWN_CAUSES.values())
