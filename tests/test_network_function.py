"""Who asks and who answers: User-Agents, discovery, services, NRF profiles, in the order of trust, source said."""

import json
from typing import Any

import pytest

from collector.inventory import DEREGISTERED, Inventory
from collector.meaning import Meaning
from collector.message import Endpoints, Vantage
from collector.network_function import NF_TYPES, NetworkFunctions, type_of_agent, type_of_process
from collector.nf_profile import NfProfile, NfService, profile_of
from collector.workload import Workload
from tests.meant import ENDS, Headers, plain, request, response, told

AMF, SMF = "723e296c-e6b7-41f1-bef2-b91a7e1dd1ec", "7205d986-e6b7-41f1-8492-0bfdfc892463"
JSON = (b"content-type", b"application/json")


def test_the_types_are_those_of_the_release() -> None:
    assert len(NF_TYPES) == 67
    assert not [name for name in NF_TYPES if "-" in name]


@pytest.mark.parametrize(
    ("user_agent", "nf_type"),
    [
        ("AMF", "AMF"),
        ("SCP", "SCP"),
        ("5G_EIR", "5G_EIR"),
        ("IMS_AS-1", "IMS_AS"),
        ("AMF-open5gs", "AMF"),
        (f"UDR-{AMF} udr1.5gc.mnc070.mcc999.3gppnetwork.org", "UDR"),
        ("SMF/2.7.7", "SMF"),
        ("NRF nrf.example.org", "NRF"),
        ("OpenAPI-Generator/1.0.0/go", None),
        ("curl/7.88.1", None),
        ("AMFX", None),
        ("amf", None),
        ("", None),
        ("AMF\n<script>", None),
    ],
)
def test_user_agents(user_agent: str, nf_type: str | None) -> None:
    assert type_of_agent(user_agent) == nf_type


@pytest.mark.parametrize(
    ("name", "nf_type"),
    [("open5gs-amfd", "AMF"), ("oai_smf", "SMF"), ("oai-nrf", "NRF"), ("ausf", "AUSF"), ("nginx", None), ("", None)],
)
def test_process_names(name: str, nf_type: str | None) -> None:
    assert type_of_process(name) == nf_type


def profile(instance: str, nf_type: str, *authorities: str, services: str = "nsmf-pdusession") -> NfProfile:
    """Return a registered NF that listens at `authorities`."""
    offered = tuple(NfService(name, authorities) for name in services.split())
    return NfProfile(instance, nf_type, "REGISTERED", None, (), offered, (), 10)


@pytest.mark.parametrize(
    ("evidence", "end"),
    [
        (("AMF", "SMF", "UDM", "10.0.0.9", "open5gs-nrfd"), ("AMF", "user_agent")),
        (("curl/8", "SMF", "UDM", "10.0.0.9", "open5gs-nrfd"), ("SMF", "discovery")),
        ((None, "NOBODY", "UDM", "10.0.0.9", "open5gs-nrfd"), ("UDM", "callback")),
        ((None, None, None, "10.0.0.9", "open5gs-nrfd"), ("PCF", "nrf_profile")),
        ((None, None, None, "10.0.0.8", "open5gs-nrfd"), ("NRF", "process")),
        ((None, None, None, "10.0.0.8", None), (None, None)),
    ],
)
def test_consumers_by_the_strongest_evidence(evidence: tuple[Any, ...], end: tuple[str | None, str | None]) -> None:
    inventory = Inventory()
    inventory.learn([profile(AMF, "PCF", "10.0.0.9:80")], 1)
    found = NetworkFunctions(inventory).consumer(*evidence)
    assert (found.nf_type, found.source) == end


@pytest.mark.parametrize(
    ("evidence", "end"),
    [
        (("UDM", "UDM", None, "scp:80", "nudm-sdm", None), ("UDM", "discovery", None)),
        (("UDM", None, None, "scp:80", "nudm-sdm", None), ("UDM", "service", None)),
        ((None, None, "AMF", "scp:80", None, None), ("AMF", "callback", None)),
        ((None, None, "SCP", "scp:80", None, None), ("SCP", "callback", "scp")),
        ((None, None, None, "smf1:8080", None, None), ("SMF", "nrf_profile", SMF)),
        (("SMF", None, None, "smf1:8080", "nsmf-pdusession", None), ("SMF", "service", SMF)),
        (("AUSF", None, None, "smf1:8080", "nausf-auth", None), ("SMF", "nrf_profile", SMF)),
        ((None, None, None, "nobody:80", None, "oai_smf"), ("SMF", "process", None)),
        ((None, None, None, None, None, None), (None, None, None)),
    ],
)
def test_producers_by_the_strongest_evidence(
    evidence: tuple[Any, ...], end: tuple[str | None, str | None, str | None]
) -> None:
    inventory = Inventory()
    inventory.learn([profile(SMF, "SMF", "smf1:8080"), profile("scp", "SCP", "scp:80", services="x")], 1)
    assert NetworkFunctions(inventory).producer(*evidence) == end


def test_conclusions_follow_the_inventory() -> None:
    inventory = Inventory()
    functions = NetworkFunctions(inventory)
    ask = (None, None, None, "smf1:8080", None, None)
    assert functions.producer(*ask).nf_type is None
    inventory.learn([profile(SMF, "SMF", "smf1:8080")], 1)
    assert functions.producer(*ask) == ("SMF", "nrf_profile", SMF)
    inventory.learn([profile(SMF, "SMF", "smf1:9090")], 2)
    assert functions.producer(*ask).nf_type == "SMF"  # still by its host
    inventory.learn([profile(AMF, "AMF", "smf1:8080")], 3)
    assert functions.producer(*ask) == ("AMF", "nrf_profile", AMF)
    assert functions.producer(None, None, None, "smf1:7", None, None).nf_type is None  # two types on one host


def test_the_inventory_is_bounded_and_completes_profiles() -> None:
    inventory = Inventory(most=2)
    for number in range(3):
        inventory.learn([profile(str(number), "AMF", f"amf{number}:80")], number)
    assert ([one.profile.instance_id for one in inventory.known()], inventory.evicted) == (["1", "2"], 1)
    assert inventory.at("amf0:80") == (None, None)
    inventory.learn([NfProfile("1", None, None, None, (), (), (), 7)], 9)
    assert inventory.at("amf1:80") == ("AMF", "1")
    known = inventory.known()[-1]
    assert (known.profile.nf_type, known.profile.status, known.profile.heartbeat_s, known.heard_us) == (
        "AMF", "REGISTERED", 7, 9,
    )  # fmt: skip


def test_an_nf_is_at_few_places_however_many_it_names() -> None:
    named = {"nfInstanceId": SMF, "nfType": "SMF", "ipv4Addresses": ["10.0.0.4"] * 1_400, "fqdn": "S" * 254}
    services: list[dict[str, Any]] = [{"serviceName": "a"} for _ in range(64)]
    found = profile_of(named | {"nfServices": services})
    assert found is not None
    assert (len(found.addresses), len(found.services), found.fqdn) == (16, 64, None)
    assert found.services[0].authorities == ("10.0.0.4:80",) * 16
    assert len({id(one.authorities) for one in found.services}) == 1  # not sixty-four times the same
    for port, service in enumerate(services):
        service["ipEndPoints"] = [{"port": 7_000 + port}, {"port": 70_000, "ipv4Address": {"a": "10.0.0.5"}}]
    found = profile_of(named | {"nfServices": services[:9] + services, "fqdn": "s1"})
    assert found is not None
    places = [one.authorities for one in found.services]
    assert places[0] == places[9] == (*["10.0.0.4:7000"] * 15, "s1:7000")
    assert [len(one) for one in places[9:]] == [16] * 8 + [0] * 47


@pytest.mark.parametrize("key", ["nfType", "nfStatus"])
@pytest.mark.parametrize(("length", "is_told"), [(128, True), (129, False)])
def test_a_name_of_absurd_length_is_not_told(key: str, length: int, is_told: bool) -> None:
    found = profile_of({"nfInstanceId": SMF, "nfStatus": "x", key: "N" * length})
    assert found is not None
    assert ("N" * length in (found.nf_type, found.status)) == is_told
    services = [{"serviceName": "n" * length, "nfServiceStatus": "N" * length}]
    found = profile_of({"nfInstanceId": SMF, "nfType": "SMF", "nfServices": services})
    assert found is not None
    assert found.services == ((NfService("n" * length, (), "N" * length),) if is_told else ())


def registration(instance: str, nf_type: str, address: str) -> bytes:
    """Return the body of an NFRegister request."""
    ends = [{"ipv4Address": address, "port": 7777}]
    services = [{"serviceName": "nsmf-pdusession", "scheme": "http", "ipEndPoints": ends}]
    return json.dumps({
        "nfInstanceId": instance, "nfType": nf_type, "nfStatus": "REGISTERED", "ipv4Addresses": [address],
        "nfServices": services, "heartBeatTimer": 10,
    }).encode()  # fmt: skip


def test_a_life_with_the_nrf_is_followed() -> None:
    meaning = plain()
    path = f"/nnrf-nfm/v1/nf-instances/{SMF}"
    register = request("PUT", path, [JSON, (b"user-agent", b"SMF")], registration(SMF, "SMF", "10.1.1.4"))
    event = told(meaning, register)
    assert (event["consumer_nf"], event["consumer_nf_instance"], event["producer_nf"]) == ("SMF", SMF, "NRF")
    assert event["result"] == "REGISTERED"
    asked = request("POST", "/nsmf-pdusession/v1/sm-contexts", [(b":authority", b"10.1.1.4:7777")])
    event = told(meaning, asked)
    assert (event["producer_nf"], event["producer_nf_source"], event["producer_nf_instance"]) == ("SMF", "service", SMF)
    patch = b'[{"op":"replace","path":"/nfStatus","value":"SUSPENDED"}]'
    event = told(meaning, request("PATCH", path, [(b"content-type", b"application/json-patch+json")], patch))
    assert (status(meaning), event["result"]) == ("SUSPENDED", "SUSPENDED")
    gone = request("DELETE", path, stream_id=9)
    told(meaning, gone)
    assert status(meaning) == "SUSPENDED"
    told(meaning, response(gone, 204))
    assert status(meaning) == DEREGISTERED


def status(meaning: Meaning) -> str | None:
    """Return the status of the only NF known."""
    (known,) = meaning.inventory.known()
    return known.profile.status


def test_discovery_answers_fill_the_inventory() -> None:
    meaning = plain()
    asked = request("GET", "/nnrf-disc/v1/nf-instances?target-nf-type=SMF&requester-nf-type=AMF")
    event = told(meaning, asked)
    assert (event["consumer_nf"], event["consumer_nf_source"], event["producer_nf"]) == ("AMF", "discovery", "NRF")
    found = b'{"validityPeriod":60,"nfInstances":[' + registration(SMF, "SMF", "10.1.1.4") + b"]}"
    told(meaning, response(asked, 200, [JSON], found))
    assert [one.profile.instance_id for one in meaning.inventory.known()] == [SMF]


def test_who_asks_the_nssf_says_so_and_a_filter_of_the_nrf_says_nothing() -> None:
    asked = request("GET", "/nnssf-nsselection/v2/network-slice-information?nf-type=AMF&nf-id=x")
    event = told(plain(), asked)
    assert (event["consumer_nf"], event["consumer_nf_source"], event["producer_nf"]) == ("AMF", "discovery", "NSSF")
    assert told(plain(), request("GET", "/nnrf-nfm/v1/nf-instances?nf-type=AMF"))["consumer_nf"] is None


def test_a_document_that_looks_like_a_profile_elsewhere_is_not_believed() -> None:
    meaning = plain()
    told(meaning, request("POST", "/nudm-ee/v1/x/ee-subscriptions", [JSON], registration(SMF, "NRF", "10.1.1.4")))
    assert meaning.inventory.known() == ()


def test_the_producers_id_names_the_instance() -> None:
    meaning = plain()
    asked = request("GET", "/nudm-sdm/v2/imsi-001010000000001/am-data", [(b"user-agent", b"AMF-1")])
    told(meaning, asked)
    event = told(meaning, response(asked, 200, [(b"3gpp-sbi-producer-id", f"nfinst={SMF}; nfset=x".encode())]))
    assert (event["producer_nf"], event["producer_nf_source"], event["producer_nf_instance"]) == ("UDM", "service", SMF)


def test_a_callback_goes_the_other_way() -> None:
    meaning = plain()
    body = b'{"supi":"imsi-001010000000001","smContextStatusUri":"http://amf1:80/cb/7"}'
    told(meaning, request("POST", "/nsmf-pdusession/v1/sm-contexts", [JSON, (b"user-agent", b"AMF")], body))
    headers: Headers = [(b":authority", b"scp:80"), (b"3gpp-sbi-target-apiroot", b"http://amf1:80")]
    event = told(meaning, request("POST", "/cb/7", headers))
    assert (event["operation"], event["operation_source"]) == (
        "Nsmf_PDUSession_SMContextStatusNotify", "callback_learned",
    )  # fmt: skip
    assert (event["consumer_nf"], event["consumer_nf_source"]) == ("SMF", "callback")
    assert (event["producer_nf"], event["producer_nf_source"]) == ("AMF", "callback")


IN_POD = Workload(pod="amf-0")


@pytest.mark.parametrize(
    ("vantage", "consumer", "producer"), [(Vantage.CLIENT, "AMF", None), (Vantage.SERVER, None, "AMF")]
)
def test_the_process_is_the_end_that_was_watched(vantage: Vantage, consumer: str | None, producer: str | None) -> None:
    ends = Endpoints("c" * 32, vantage, True, "10.0.0.1", 4, "10.0.0.2", 80, 77, "open5gs-amfd", workload=IN_POD)
    event = told(plain(), request("POST", "/not/of/the/catalogue"), ends)
    assert (event["consumer_nf"], event["producer_nf"], event["pod"], event["tls"]) == (
        consumer,
        producer,
        "amf-0",
        True,
    )
    assert ENDS.process_name is None


def test_a_request_that_only_tells_a_callback_uri_is_no_callback() -> None:
    headers: Headers = [(b"user-agent", b"AMF"), (b"3gpp-sbi-callback", b"Nudm_UECM_DeregistrationNotification")]
    event = told(plain(), request("PUT", "/nudm-uecm/v1/imsi-1234567/registrations/amf-3gpp-access", headers))
    assert (event["operation"], event["operation_source"]) == ("Nudm_UECM_Registration", "catalogue")
    assert (event["consumer_nf"], event["producer_nf"]) == ("AMF", "UDM")
