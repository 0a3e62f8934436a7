"""What stands for what in a cluster now: its objects in as they come, change and go, places out where they differ.

`at_us` is when something was told. Nothing is timed before it was seen but what the objects themselves date.
"""

from collections.abc import Callable, Container, Iterable
from typing import Generic

from msgspec.structs import replace

from schemas.kubernetes import Told
from streams.cluster_objects import About, ServiceObject, SliceObject
from streams.places import ByAddress, Place, ready_behind, service_places

MAX_OBJECTS = 200_000  # of one kind; the first to come are kept
SERVICE = "kubernetes.io/service-name"  # label of a slice
Name = tuple[str, str]  # namespace and name


class Standing:
    """The places of all objects of one kind, by uid."""

    def __init__(self) -> None:
        self.refused = 0  # objects beyond MAX_OBJECTS
        self.by_uid: dict[str, ByAddress] = {}

    def stand(self, uid: str, wanted: ByAddress, at_us: int) -> list[Place]:
        """Let an object have these places; return what is new, and with its end what is no more."""
        before = self.by_uid.get(uid, {})
        if wanted and uid not in self.by_uid and len(self.by_uid) >= MAX_OBJECTS:
            self.refused += 1
            return []
        self.by_uid.pop(uid, None)
        if wanted:
            self.by_uid[uid] = wanted
        ended = [
            replace(place, until_us=max(at_us, place.since_us))
            for address, place in before.items()
            if address not in wanted or wanted[address].since_us != place.since_us
        ]
        return ended + [place for address, place in wanted.items() if place != before.get(address)]

    def keep_only(self, uids: Container[str], at_us: int) -> list[Place]:
        """End what belongs to none of these."""
        gone = [uid for uid in self.by_uid if uid not in uids]
        return [place for uid in gone for place in self.stand(uid, {}, at_us)]

    def places(self, uids: Iterable[str]) -> list[Place]:
        """Return what stands of these."""
        return [place for uid in uids for place in self.by_uid.get(uid, {}).values()]


class Objects(Generic[Told]):
    """Objects whose places are told by nothing but themselves: pods, nodes."""

    def __init__(self, places_of: Callable[[Told], ByAddress]) -> None:
        self.standing = Standing()
        self._places_of = places_of

    def put(self, told: Told, at_us: int) -> list[Place]:
        """Take an object that is new or has changed; return what there is to tell."""
        return self.standing.stand(told.metadata.uid, self._places_of(told), at_us)

    def drop(self, told: Told, at_us: int) -> list[Place]:
        """Take note that an object is gone."""
        return self.standing.stand(told.metadata.uid, {}, at_us)

    def keep_only(self, uids: Container[str], at_us: int) -> list[Place]:
        """Take note that no other objects than these are there."""
        return self.standing.keep_only(uids, at_us)


class Services:
    """Services, and the pods behind them; those are known from their slices on, as long as nothing changes."""

    def __init__(self, labels: frozenset[str]) -> None:
        """`labels`: the keys of those that are kept."""
        self.standing = Standing()
        self.slices = Slices(self)
        self._labels = labels
        self._told: dict[Name, ServiceObject] = {}

    def put(self, told: ServiceObject, at_us: int) -> list[Place]:
        """Take a service that is new or has changed; return what there is to tell."""
        name, uid = _name(told.metadata), told.metadata.uid
        if name not in self._told and len(self._told) >= MAX_OBJECTS:
            self.standing.refused += 1
            return []
        self._told[name] = told
        new = uid not in self.standing.by_uid
        bare = self.standing.stand(uid, service_places(told, self._labels), at_us) if new else []
        return bare + self.lead(name, at_us)

    def drop(self, told: ServiceObject, at_us: int) -> list[Place]:
        """Take note that a service is gone."""
        self._told.pop(_name(told.metadata), None)
        return self.standing.stand(told.metadata.uid, {}, at_us)

    def keep_only(self, uids: Container[str], at_us: int) -> list[Place]:
        """Take note that no other services than these are there."""
        self._told = {name: told for name, told in self._told.items() if told.metadata.uid in uids}
        return self.standing.keep_only(uids, at_us)

    def has(self, name: Name) -> bool:
        """Tell whether there is such a service."""
        return name in self._told

    def lead(self, name: Name, at_us: int) -> list[Place]:
        """Let a service stand for the pods behind it, where they changed from now on."""
        told = self._told.get(name)
        if told is None:
            return []
        uid, wanted = told.metadata.uid, service_places(told, self._labels)
        pods = self.slices.ready(name)
        before = self.standing.by_uid.get(uid, {})
        for address, place in wanted.items():
            same = address in before and before[address].pods == pods
            since_us = before[address].since_us if same else place.since_us if pods is None else at_us
            wanted[address] = replace(place, pods=pods, since_us=since_us)
        return self.standing.stand(uid, wanted, at_us)


class Slices:
    """Which pods are ready behind each service."""

    def __init__(self, services: Services) -> None:
        self.refused = 0  # slices beyond MAX_OBJECTS
        self._services = services
        self._ready: dict[Name, dict[str, frozenset[str]]] = {}  # by slice
        self._many = 0

    def ready(self, name: Name) -> tuple[str, ...] | None:
        """Return the pods that are ready behind a service, None where no slice of it was seen."""
        slices = self._ready.get(name)
        return None if slices is None else tuple(sorted(frozenset().union(*slices.values())))

    def put(self, told: SliceObject, at_us: int) -> list[Place]:
        """Take some endpoints; return what there is to tell of their service."""
        name = _service(told.metadata)
        self._keep(name, told)
        return self._services.lead(name, at_us)

    def drop(self, told: SliceObject, at_us: int) -> list[Place]:
        """Take note that some endpoints are gone."""
        name = _service(told.metadata)
        slices = self._ready.get(name, {})
        self._many -= slices.pop(told.metadata.uid, None) is not None
        out = self._services.lead(name, at_us)
        if not slices and not self._services.has(name):
            self._ready.pop(name, None)
        return out

    def keep_only(self, uids: Container[str], at_us: int) -> list[Place]:
        """Take note that no other endpoints than these are there."""
        kept = {
            name: {uid: ready for uid, ready in slices.items() if uid in uids} for name, slices in self._ready.items()
        }
        before, self._ready = self._ready, {name: slices for name, slices in kept.items() if slices}
        self._many = sum(map(len, self._ready.values()))
        changed = [name for name in before if before[name] != self._ready.get(name)]
        return [place for name in changed for place in self._services.lead(name, at_us)]

    def _keep(self, name: Name, told: SliceObject) -> None:
        uid = told.metadata.uid
        if uid not in self._ready.get(name, {}):
            if self._many >= MAX_OBJECTS:
                self.refused += 1
                return
            self._many += 1
        self._ready.setdefault(name, {})[uid] = ready_behind(told)


def _name(about: About) -> Name:
    return about.namespace, about.name


def _service(about: About) -> Name:
    return about.namespace, (about.labels or {}).get(SERVICE, "")
