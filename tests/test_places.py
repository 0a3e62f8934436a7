"""streams/places.py, standing.py and the view `ends`: what a cluster's objects say of addresses as they come and go."""

from ipaddress import ip_address
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from deploy.place_record import encode
from schemas import kubernetes
from schemas.cluster_api import Api
from schemas.fields import document
from schemas.jsonform import json_form
from schemas.kubernetes import HasMetadata
from streams import cluster, standing
from streams.cluster import Cluster, State
from streams.cluster_objects import NodeObject, PodObject, ServiceObject, SliceObject
from streams.places import Place, canonical, node_places, pod_places, service_places
from streams.reframe import Layout
from streams.standing import Objects, Services
from streams.store import Table
from tests import engine, generate
from tests.kube_api import kube_api
from tests.test_communication import exchange

Shape = dict[str, Any]
T = TypeVar("T", bound=HasMetadata)
LABELS = frozenset({"app"})
S = 1_000_000
T0 = 1_795_381_000 * S
AT = "2026-11-22T20:56:40Z"  # T0
READY = "2026-11-22T20:56:43Z"


def shape_of(told: msgspec.Struct) -> Shape:
    shape: Shape = msgspec.json.decode(msgspec.json.encode(told))
    return shape


def read(kind: type[T], shape: Shape) -> T:
    return msgspec.json.decode(msgspec.json.encode(shape), type=kind)


def about(name: str, uid: str = "", **more: Any) -> Shape:
    uid = uid or f"uid of {name}"
    return {"name": name, "namespace": "core", "uid": uid, "creationTimestamp": AT, **more}


def pod(name: str, *addresses: str, node: str = "n1", **more: Any) -> PodObject:
    owner = {"kind": "ReplicaSet", "name": "amf-5d7", "controller": True}
    labels = {"app": "amf", "pod-template-hash": "5d7", "other": "x"}
    spec = {"nodeName": node, "containers": [{"name": "nf", "image": "amf:2.7"}], **more.pop("spec", {})}
    status = {
        "phase": "Running", "startTime": "2026-11-22T20:56:42Z", "podIPs": [{"ip": one} for one in addresses],
        "conditions": [{"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": READY}],
    } | more.pop("status", {})  # fmt: skip
    metadata = about(name, labels=labels) | {"ownerReferences": [owner]} | more
    return read(PodObject, {"metadata": metadata, "spec": spec, "status": status})


def service(name: str, *addresses: str, **more: Any) -> ServiceObject:
    return read(ServiceObject, {"metadata": about(name), "spec": {"clusterIPs": addresses, **more}})


def endpoints(name: str, *pods: str, uid: str = "s1", unready: tuple[str, ...] = ()) -> SliceObject:
    ends = [{"targetRef": {"kind": "Pod", "name": one}, "conditions": {"ready": True}} for one in pods]
    ends += [{"targetRef": {"kind": "Pod", "name": one}, "conditions": {"ready": False}} for one in unready]
    labels = {"kubernetes.io/service-name": name}
    return read(SliceObject, {"metadata": about(f"{name}-x", uid, labels=labels), "endpoints": ends})


def node(name: str, address: str, zone: str) -> NodeObject:
    labels = {"topology.kubernetes.io/zone": zone}
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
    return read(NodeObject, {"metadata": about(name, labels=labels), "status": {"addresses": addresses}})


def told(places: list[Place]) -> list[tuple[Any, ...]]:
    return [
        (one.address, one.name, (one.since_us - T0) // S, one.until_us and (one.until_us - T0) // S) for one in places
    ]


def listed(known: State[T], all_told: list[T], at_us: int) -> list[Place]:
    """Tell a whole list, as a watch does."""
    places = [place for one in all_told for place in known.put(one, at_us)]
    return places + known.keep_only({one.metadata.uid for one in all_told}, at_us)


def pods() -> Objects[PodObject]:
    return Objects(lambda told: pod_places(told, LABELS))


def test_a_pod_stands_for_its_addresses_from_when_it_had_a_network() -> None:
    (four, six) = pod_places(pod("amf-0", "10.1.0.7", "fd00::0007"), LABELS).values()
    assert four == Place(
        "10.1.0.7", T0 + 3 * S, "pod", "uid of amf-0", "amf-0", "core", "Deployment/amf", "n1", None,
        {"nf": "amf:2.7"}, {"app": "amf"},
    )  # fmt: skip
    assert six.address == "fd00::7"
    (older,) = pod_places(pod("amf-0", "10.1.0.7", status={"conditions": None}), LABELS).values()
    assert older.since_us == T0 + 2 * S


@given(st.one_of(st.ip_addresses().map(str), st.text(), st.from_regex(r"[0-9a-f.:]{1,20}")))
def test_addresses_are_written_as_the_agents_write_them(text: str) -> None:
    try:
        wanted = str(ip_address(text))
    except ValueError:
        wanted = ""
    assert canonical(text) == wanted


@pytest.mark.parametrize(
    "other",
    [
        pod("proxy", "192.168.0.4", spec={"hostNetwork": True}),
        pod("job", "10.1.0.9", status={"phase": "Succeeded"}),
        pod("pending", status={"phase": "Pending", "podIPs": None}),
        read(PodObject, {}),
    ],
    ids=["in its node's network", "over", "without a network", "nothing said"],
)
def test_a_pod_without_an_address_of_its_own_stands_for_none(other: PodObject) -> None:
    assert pod_places(other, LABELS) == {}


@pytest.mark.parametrize(
    ("owners", "wanted"),
    [
        ([{"kind": "StatefulSet", "name": "amf", "controller": True}], "StatefulSet/amf"),
        ([{"kind": "ReplicaSet", "name": "by-hand", "controller": True}], "ReplicaSet/by-hand"),
        ([{"kind": "Node", "name": "n1"}], None),
        ([], None),
    ],
)
def test_the_workload_is_what_controls_the_pod(owners: list[Shape], wanted: str | None) -> None:
    (place,) = pod_places(pod("amf-0", "10.1.0.7", ownerReferences=owners), LABELS).values()
    assert place.workload == wanted


def test_pods_come_change_and_go() -> None:
    known = pods()
    assert told(known.put(pod("amf-0", "10.1.0.7"), T0 + 5 * S)) == [("10.1.0.7", "amf-0", 3, None)]
    assert known.put(pod("amf-0", "10.1.0.7"), T0 + 6 * S) == []
    assert told(known.put(pod("amf-0", "10.1.0.8"), T0 + 7 * S)) == [
        ("10.1.0.7", "amf-0", 3, 7), ("10.1.0.8", "amf-0", 3, None),
    ]  # fmt: skip
    assert told(known.drop(pod("amf-0"), T0 + 9 * S)) == [("10.1.0.8", "amf-0", 3, 9)]
    assert known.drop(pod("amf-0"), T0 + 9 * S) == []


def test_what_a_new_list_lacks_has_ended() -> None:
    known = pods()
    listed(known, [pod("amf-0", "10.1.0.7"), pod("smf-0", "10.1.0.8")], T0 + 5 * S)
    after = listed(known, [pod("smf-0", "10.1.0.8"), pod("upf-0", "10.1.0.9")], T0 + 8 * S)
    assert told(after) == [("10.1.0.9", "upf-0", 3, None), ("10.1.0.7", "amf-0", 3, 8)]


def test_a_service_stands_for_its_pods_from_when_they_were_seen() -> None:
    known = Services(LABELS)
    assert told(known.put(service("amf", "10.96.0.7", "None"), T0 + 5 * S)) == [("10.96.0.7", "amf", 0, None)]
    bare, led = known.slices.put(endpoints("amf", "amf-1", "amf-0", unready=("amf-2",)), T0 + 6 * S)
    assert (bare.until_us, bare.pods) == (T0 + 6 * S, None)
    assert (led.since_us, led.pods) == (T0 + 6 * S, ("amf-0", "amf-1"))
    assert known.slices.put(endpoints("amf", "amf-0", "amf-1"), T0 + 7 * S) == []
    assert known.put(service("amf", "10.96.0.7"), T0 + 7 * S) == []
    *_, more = known.slices.put(endpoints("amf", "amf-9", uid="s2"), T0 + 8 * S)
    assert (more.since_us, more.pods) == (T0 + 8 * S, ("amf-0", "amf-1", "amf-9"))
    known.slices.drop(endpoints("amf", uid="s1"), T0 + 9 * S)
    *_, none = known.slices.drop(endpoints("amf", uid="s2"), T0 + 9 * S)
    assert none.pods == ()
    assert told(known.drop(service("amf"), T0 + 10 * S)) == [("10.96.0.7", "amf", 9, 10)]


def test_slices_may_come_before_their_service() -> None:
    known = Services(LABELS)
    assert listed(known.slices, [endpoints("amf", "amf-0")], T0 + 5 * S) == []
    places = listed(known, [service("amf", "10.96.0.7"), service("headless", "None")], T0 + 6 * S)
    assert [place.pods for place in places] == [None, None, ("amf-0",)]
    assert listed(known.slices, [], T0 + 7 * S)[-1].pods is None  # not seen any more is not none
    assert told(listed(known, [service("headless", "None")], T0 + 8 * S)) == [("10.96.0.7", "amf", 0, 8)]
    assert known.slices.put(endpoints("amf", "amf-0"), T0 + 9 * S) == []  # whose service is gone


def test_a_service_has_the_addresses_of_the_outside_too() -> None:
    more = service("amf", "10.96.0.7", externalIPs=["192.0.2.1"])
    assert [*service_places(more, LABELS)] == ["10.96.0.7", "192.0.2.1"]


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "MAX_OBJECTS", 3)
    known, services = pods(), Services(LABELS)
    for number in range(7):
        known.put(pod(f"p{number}", f"10.1.0.{number}"), T0)
        services.put(service(f"f{number}", f"10.96.0.{number}"), T0)
        services.slices.put(endpoints("f0", f"p{number}", uid=f"s{number}"), T0)
    services.slices.put(endpoints("f1", "p1", uid="s8"), T0)
    assert (len(known.standing.by_uid), known.standing.refused) == (3, 4)
    assert (len(services.standing.by_uid), services.standing.refused, services.slices.refused) == (3, 4, 5)
    assert services.slices.ready(("core", "f0")) == ("p0", "p1", "p2")
    assert services.slices.ready(("core", "f1")) is None
    assert len(services._told) == 3


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "list"]), st.integers(0, 4), st.integers(0, 3)), max_size=40
)


@given(CHANGES)
def test_what_was_told_is_what_stands(changes: list[tuple[str, int, int]]) -> None:
    """Whoever keeps the newest telling of each row has what stands, and nothing else."""
    known, rows = pods(), {}
    for number, (kind, one, address) in enumerate(changes):
        shape = pod(f"p{one}", *[f"10.1.0.{address}"] * (address > 0))
        at_us = T0 + (number + 10) * S
        out = {"put": known.put, "drop": known.drop}.get(kind, lambda told, at_us: listed(known, [told], at_us))(
            shape, at_us
        )
        rows.update({(place.address, place.since_us, place.uid): place for place in out})
    open_rows = {place.address + place.uid for place in rows.values() if place.until_us is None}
    assert open_rows == {place.address + place.uid for place in known.standing.places(known.standing.by_uid)}


def test_the_json_beside_a_record_says_the_same() -> None:
    places = [*pod_places(pod('aéf-0 "<&>\u2028\\\t', "10.1.0.7", "fd00::7"), LABELS).values()]
    places += [*node_places(node("n2", "192.168.0.2", "north"), LABELS).values()]
    led = Services(LABELS)
    places += led.put(service("smf", "10.96.0.8"), T0) + led.slices.put(endpoints("smf", "smf-0"), T0 + S)
    places.append(structs.replace(places[0], until_us=T0 + 2 * S))
    for place in places:
        body, text = encode("lab", place, T0 + S)
        assert text == json_form("place")(body)


@pytest.mark.stack
def test_both_ends_of_an_exchange_are_named() -> None:
    _, client = engine.migrated()
    services = Services(LABELS)
    places = [*node_places(node("n2", "192.168.0.2", "north"), LABELS).values()]
    places += [*pod_places(pod("amf-0", "10.1.0.7"), LABELS).values()]
    places += [*pod_places(pod("smf-0", "10.2.0.8", node="n2"), LABELS).values()]
    places += [*pod_places(pod("amf-6", "fd00:0::7"), LABELS).values()]
    places += services.put(service("smf-6", "fd00:0096::8"), T0)
    places += services.slices.put(endpoints("smf-6", "smf-0", uid="s6"), T0 + 5 * S)
    places += services.put(service("smf", "10.96.0.8"), T0)
    places += services.slices.put(endpoints("smf", "smf-0"), T0 + 5 * S)
    places += services.slices.put(endpoints("smf", "smf-0", "smf-1"), T0 + 3_000 * S)
    old = Objects(lambda told: pod_places(told, LABELS))
    places += old.put(pod("gone", "10.2.0.9"), T0) + old.drop(pod("gone"), T0 + 60 * S)
    layout = Layout(document("place"))
    bodies = [encode("lab", place, T0 + number)[0] for number, place in enumerate(places)]
    Table(client, "places_arriving").store(layout, layout.pieces(layout.rows(body) for body in bodies))
    mine = {"site": "lab", "node": "n1", "namespace": "core", "client_address": "10.1.0.7"}
    generate.insert(client, [generate.encode_batch([
        exchange(1, **mine, vantage="client", pod="amf-0", server_address="10.96.0.8"),
        exchange(2, **mine, vantage="server", pod="seen-itself", server_address="10.2.0.8"),
        exchange(400, **mine, vantage="client", pod="amf-0", server_address="10.96.0.8"),
        exchange(3, **mine, vantage="wire", pod=None, server_address="10.2.0.9"),
        exchange(4, **mine | {"client_address": "192.168.0.2"}, vantage="wire", pod=None, server_address="203.0.113.1"),
        exchange(6, **mine | {"client_address": "fd00::7"}, vantage="client", pod="amf-6", server_address="fd00:96::8"),
        exchange(5, **mine | {"site": "other"}, vantage="wire", pod=None, server_address="10.2.0.8"),
    ])])  # fmt: skip
    sql = """SELECT client_pod, client_kind, client_workload, client_zone,
        server_kind, server_service, server_pod, server_node, server_zone FROM ends ORDER BY request_us"""
    assert client.query(sql).result_rows == [
        ("amf-0", "pod", "Deployment/amf", None, "service", "smf", "smf-0", None, None),
        ("amf-0", "pod", "Deployment/amf", None, "pod", None, "seen-itself", "n1", None),
        ("amf-0", "pod", "Deployment/amf", None, None, None, None, None, None),  # that pod was gone
        (None, "node", None, "north", None, None, None, None, None),
        (None, None, None, None, None, None, None, None, None),  # another cluster
        ("amf-6", "pod", "Deployment/amf", None, "service", "smf-6", "smf-0", None, None),
        ("amf-0", "pod", "Deployment/amf", None, "service", "smf", None, None, None),  # one of two
    ]
    standing_now = client.query("SELECT address, name FROM places_standing ORDER BY address").result_rows
    assert standing_now == [
        ("10.1.0.7", "amf-0"), ("10.2.0.8", "smf-0"), ("10.96.0.8", "smf"), ("192.168.0.2", "n2"),
        ("fd00:96::8", "smf-6"), ("fd00::7", "amf-6"),
    ]  # fmt: skip


def test_a_cluster_is_watched_kind_by_kind_and_told_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(cluster, "TURN_S", 0.05)
    with kube_api() as api:
        api.objects["/api/v1/nodes"] = [shape_of(node("n2", "192.168.0.2", "north"))]
        api.objects["/api/v1/pods"] = [shape_of(pod("amf-0", "10.1.0.7"))]
        api.refuse = [503]
        one = Cluster(Api(api.url), LABELS)
        one.start()
        found: list[tuple[Any, ...]] = []
        ended = [False]
        for places in one.changes(lambda: ended[0]):
            found += told(places)
            if len(found) == 2:
                monkeypatch.setattr(cluster, "RETELL_S", 0.5)
                break
        assert sorted(found) == [("10.1.0.7", "amf-0", 3, None), ("192.168.0.2", "n2", 0, None)]
        again: list[tuple[Any, ...]] = []
        for places in one.changes(lambda: ended[0]):
            again += told(places)
            ended[0] = len(again) >= 2
        assert sorted(again) == sorted(found)
        assert one.held() == {"pods": 1, "nodes": 1, "services": 0, "refused": 0}
        assert (one.counts["kubernetes_failures"], one.ailment()) == (1, "")
        one.close()
