"""What is read of a Kubernetes cluster's objects to name addresses: pods, services, their endpoints, nodes."""

from datetime import datetime

import msgspec

from schemas.cluster_api import Metadata


class Owner(msgspec.Struct, gc=False):
    """Who made an object."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class About(Metadata, gc=False):
    """The metadata of an object, its birth and owners included."""

    created: datetime | None = msgspec.field(default=None, name="creationTimestamp")
    owners: list[Owner] | None = msgspec.field(default=None, name="ownerReferences")


class Container(msgspec.Struct, gc=False):
    """Of a pod."""

    name: str = ""
    image: str = ""


class PodSpec(msgspec.Struct, gc=False):
    """Of a pod: where it is to run."""

    node: str = msgspec.field(default="", name="nodeName")
    host_network: bool = msgspec.field(default=False, name="hostNetwork")
    containers: list[Container] | None = None


class Ip(msgspec.Struct, gc=False):
    """An address in a list of them."""

    ip: str = ""


class Condition(msgspec.Struct, gc=False):
    """Of a pod."""

    type: str = ""
    status: str = ""
    since: datetime | None = msgspec.field(default=None, name="lastTransitionTime")


class PodStatus(msgspec.Struct, gc=False):
    """Of a pod: how it runs."""

    phase: str = ""
    addresses: list[Ip] | None = msgspec.field(default=None, name="podIPs")
    started: datetime | None = msgspec.field(default=None, name="startTime")
    conditions: list[Condition] | None = None


class PodObject(msgspec.Struct, gc=False):
    """A pod (core/v1)."""

    metadata: About = msgspec.field(default_factory=About)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ServiceSpec(msgspec.Struct, gc=False):
    """Of a service: its addresses."""

    cluster_addresses: list[str] | None = msgspec.field(default=None, name="clusterIPs")
    external_addresses: list[str] | None = msgspec.field(default=None, name="externalIPs")


class LoadBalancer(msgspec.Struct, gc=False):
    """Of a service's status."""

    ingress: list[Ip] | None = None


class ServiceStatus(msgspec.Struct, gc=False):
    """Of a service."""

    load_balancer: LoadBalancer = msgspec.field(default_factory=LoadBalancer, name="loadBalancer")


class ServiceObject(msgspec.Struct, gc=False):
    """A service (core/v1)."""

    metadata: About = msgspec.field(default_factory=About)
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


class Reference(msgspec.Struct, gc=False):
    """What an endpoint is."""

    kind: str = ""
    name: str = ""


class Conditions(msgspec.Struct, gc=False):
    """Of an endpoint; a missing `ready` means yes (discovery/v1)."""

    ready: bool | None = None


class Endpoint(msgspec.Struct, gc=False):
    """One that a service may lead to."""

    target: Reference | None = msgspec.field(default=None, name="targetRef")
    conditions: Conditions = msgspec.field(default_factory=Conditions)


class SliceObject(msgspec.Struct, gc=False):
    """Some endpoints of a service (discovery.k8s.io/v1)."""

    metadata: About = msgspec.field(default_factory=About)
    endpoints: list[Endpoint] | None = None


class NodeAddress(msgspec.Struct, gc=False):
    """Of a node."""

    type: str = ""
    address: str = ""


class NodeStatus(msgspec.Struct, gc=False):
    """Of a node."""

    addresses: list[NodeAddress] | None = None


class NodeObject(msgspec.Struct, gc=False):
    """A node (core/v1)."""

    metadata: About = msgspec.field(default_factory=About)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)
