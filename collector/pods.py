"""Which pods this node has: a bounded table that the API's watch keeps, read when a connection is first seen."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from collector.cgroup import Place
from collector.workload import Container, Pod
from schemas.cluster_api import Metadata

MOST_PODS = 4_096  # a node has some hundred at most
GONE = 512  # of deleted pods the last ones are kept: their last connections are told of later


class About(Metadata, gc=False):
    """The metadata of a pod."""

    annotations: dict[str, str] | None = None


class ContainerStatus(msgspec.Struct, gc=False):
    """Of a pod's status."""

    name: str = ""
    image: str = ""
    container_id: str = msgspec.field(default="", name="containerID")


class PodStatus(msgspec.Struct, gc=False):
    """Of a pod."""

    containers: list[ContainerStatus] | None = msgspec.field(default=None, name="containerStatuses")
    beginning: list[ContainerStatus] | None = msgspec.field(default=None, name="initContainerStatuses")
    ephemeral: list[ContainerStatus] | None = msgspec.field(default=None, name="ephemeralContainerStatuses")


class PodObject(msgspec.Struct, gc=False):
    """A pod as the API has it (core/v1)."""

    metadata: About = msgspec.field(default_factory=About)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


MIRROR = "kubernetes.io/config.mirror"  # of a pod from a file: the uid that its control group has


@dataclass(slots=True)
class Pods:
    """Pods by uid and by their containers' ids; written by the watching thread, read by another."""

    labels: frozenset[str]
    evicted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_uid: OrderedDict[str, Pod] = field(default_factory=OrderedDict)
    _gone: OrderedDict[str, Pod] = field(default_factory=OrderedDict)
    _by_container: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many pods the node has."""
        return len(self._by_uid)

    def of(self, place: Place) -> Pod | None:
        """Return the pod of a place, by its uid or its container's id."""
        with self._lock:
            uid = place.pod_uid or self._by_container.get(place.container_id or "")
            return None if uid is None else self._by_uid.get(uid) or self._gone.get(uid)

    def put(self, told: PodObject) -> str:
        """Take a pod that is new or has changed; return its uid."""
        pod = pod_of(told, self.labels)
        with self._lock:
            self._unlink(self._gone.pop(pod.uid, None))
            self._unlink(self._by_uid.pop(pod.uid, None))
            self._by_uid[pod.uid] = pod
            self._by_container.update(dict.fromkeys(pod.containers, pod.uid))
            if len(self._by_uid) > MOST_PODS:
                self._unlink(self._by_uid.popitem(last=False)[1])
                self.evicted += 1
        return pod.uid

    def drop(self, told: PodObject) -> None:
        """Take note that a pod is gone."""
        with self._lock:
            self._retire(uid_of(told.metadata))

    def keep_only(self, uids: frozenset[str]) -> None:
        """Take note that no other pods than these are there."""
        with self._lock:
            for uid in [uid for uid in self._by_uid if uid not in uids]:
                self._retire(uid)

    def _retire(self, uid: str) -> None:
        pod = self._by_uid.pop(uid, None)
        if pod is not None:
            self._gone[uid] = pod
            if len(self._gone) > GONE:
                self._unlink(self._gone.popitem(last=False)[1])

    def _unlink(self, pod: Pod | None) -> None:
        for container in pod.containers if pod else ():
            self._by_container.pop(container, None)


def pod_of(told: PodObject, labels: frozenset[str]) -> Pod:
    """Return what is kept of a pod."""
    about, status = told.metadata, told.status
    found = [*(status.containers or ()), *(status.beginning or ()), *(status.ephemeral or ())]
    containers = {one.container_id.rpartition("//")[2]: Container(one.name, one.image) for one in found}
    containers.pop("", None)  # not started yet
    kept = {key: value for key, value in (about.labels or {}).items() if key in labels}
    return Pod(uid_of(about), about.name, about.namespace, kept, containers)


def uid_of(about: About) -> str:
    """Return the uid by which control groups name a pod."""
    return (about.annotations or {}).get(MIRROR) or about.uid
