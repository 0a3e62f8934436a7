"""What an object of a cluster stands for by its addresses: a pod, a service or a node.

Pods in the network of their node have no address of their own. What is told twice is the same row again, so a resolver
that starts anew does no harm.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from socket import AF_INET, inet_pton

import msgspec

from streams.cluster_objects import About, NodeObject, PodObject, ServiceObject, SliceObject

OVER = frozenset({"Succeeded", "Failed"})  # phases of a pod without a network
NETWORK_READY = "PodReadyToStartContainers"  # condition of a pod: its network is there (Kubernetes 1.29)
HASH = "pod-template-hash"
ZONE = "topology.kubernetes.io/zone"  # label of a node


class Place(msgspec.Struct, frozen=True, gc=False):
    """One record of place.avsc, without site and `told_us`.

    A struct as the API's objects are: a frozen dataclass of so many fields takes ten times as long to make.
    """

    address: str
    since_us: int
    kind: str
    uid: str
    name: str
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None
    zone: str | None = None
    containers: dict[str, str] = {}
    labels: dict[str, str] = {}
    pods: tuple[str, ...] | None = None
    until_us: int | None = None


ByAddress = dict[str, Place]


def pod_places(told: PodObject, labels: frozenset[str]) -> ByAddress:
    """Return the addresses of a pod."""
    about, status = told.metadata, told.status
    if told.spec.host_network or status.phase in OVER:
        return {}
    ready = [one.since for one in status.conditions or () if one.type == NETWORK_READY and one.status == "True"]
    since_us = _us(next((when for when in (*ready, status.started, about.created) if when), None))
    place_at = partial(
        _placing("pod", about, labels),
        since_us=since_us,
        workload=workload(about),
        node=told.spec.node or None,
        containers={one.name: one.image for one in told.spec.containers or ()},
    )
    return _by_address((one.ip for one in status.addresses or ()), place_at)


def workload(about: About) -> str | None:
    """Return what owns a pod, Kind/name; a ReplicaSet of a Deployment is named by that."""
    for owner in about.owners or ():
        if owner.controller:
            suffix = f"-{(about.labels or {}).get(HASH)}"
            if owner.kind == "ReplicaSet" and owner.name.endswith(suffix):
                return f"Deployment/{owner.name.removesuffix(suffix)}"
            return f"{owner.kind}/{owner.name}"
    return None


def service_places(told: ServiceObject, labels: frozenset[str]) -> ByAddress:
    """Return the addresses of a service, without its pods; a headless one has none."""
    about, spec = told.metadata, told.spec
    ingress = (one.ip for one in told.status.load_balancer.ingress or ())
    addresses = [*(spec.cluster_addresses or ()), *(spec.external_addresses or ()), *ingress]
    return _by_address(addresses, _placing("service", about, labels))


def node_places(told: NodeObject, labels: frozenset[str]) -> ByAddress:
    """Return the addresses of a node."""
    about = told.metadata
    place_at = partial(_placing("node", about, labels), zone=(about.labels or {}).get(ZONE))
    return _by_address((one.address for one in told.status.addresses or ()), place_at)


def ready_behind(told: SliceObject) -> frozenset[str]:
    """Return the names of the pods in a slice that are ready."""
    ready = (one for one in told.endpoints or () if one.conditions.ready is not False)
    return frozenset(one.target.name for one in ready if one.target is not None and one.target.kind == "Pod")


def _placing(kind: str, about: About, labels: frozenset[str]) -> partial[Place]:
    """Return what makes a place of an address, with what the metadata say; it stands since the object was made."""
    return partial(
        Place,
        since_us=_us(about.created),
        kind=kind,
        uid=about.uid,
        name=about.name,
        namespace=about.namespace or None,
        labels={key: value for key, value in (about.labels or {}).items() if key in labels},
    )


def _by_address(addresses: Iterable[str], place_at: Callable[[str], Place]) -> ByAddress:
    """Return the place at each of these that is an address, written as the agents write it."""
    found: ByAddress = {}
    for text in addresses:
        address = canonical(text)
        if address:
            found[address] = place_at(address)
    return found


def canonical(text: str) -> str:
    """Return an address as the agents write it, "" for what is none: "None" of a headless service, a host's name."""
    try:
        inet_pton(AF_INET, text)  # of which there is one form; `ip_address` takes ten times as long
    except (OSError, ValueError):
        try:
            return str(ip_address(text))
        except ValueError:
            return ""
    return text


def _us(when: datetime | None) -> int:
    return round(when.timestamp() * 1_000_000) if when is not None else 0
