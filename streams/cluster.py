"""Watches a Kubernetes cluster and hands on what its addresses stand for, one change after the other.

A thread watches each kind of object and changes the state as it is told; who tells takes what came since the last turn.
"""

import time
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol

from schemas.cluster_api import Api
from schemas.kubernetes import Kind, ObjectWatch, Told, Told_contra
from streams.cluster_objects import NodeObject, PodObject, ServiceObject, SliceObject
from streams.places import Place, node_places, pod_places
from streams.standing import Objects, Services, Standing
from streams.waiting_places import WaitingPlaces

TURN_S = 0.5  # what came meanwhile is told together, so that each change costs no waking
RETOLD = 1_000  # objects a turn, so that telling all of them again takes no more memory
RETELL_S = 6 * 3_600.0  # so that what a retention took is there again


class State(Protocol[Told_contra]):
    """What is known of one kind of object (streams.standing)."""

    def put(self, told: Told_contra, at_us: int, /) -> list[Place]:
        """Take an object that is new or has changed."""

    def drop(self, told: Told_contra, at_us: int, /) -> list[Place]:
        """Take note that an object is gone."""

    def keep_only(self, uids: Container[str], at_us: int, /) -> list[Place]:
        """Take note that no other objects than these are there."""


@dataclass(frozen=True, slots=True)
class Folded(Generic[Told]):
    """Changes the state by what it is told, in turn with the other kinds (schemas.kubernetes.Keeper)."""

    waiting: WaitingPlaces
    state: State[Told]

    def put(self, told: Told) -> str:
        """Take an object that is new or has changed; return its uid."""
        self.waiting.change(lambda: self.state.put(told, _now_us()))
        return told.metadata.uid

    def drop(self, told: Told) -> None:
        """Take note that an object is gone."""
        self.waiting.change(lambda: self.state.drop(told, _now_us()))

    def keep_only(self, uids: frozenset[str]) -> None:
        """Take note that no other objects than these are there."""
        self.waiting.change(lambda: self.state.keep_only(uids, _now_us()))


class Cluster:
    """A cluster that is watched from `start` to `close`."""

    def __init__(self, api: Api, labels: frozenset[str]) -> None:
        """`labels`: the keys of those that are kept."""
        self.counts: Counter[str] = Counter()
        self._waiting = WaitingPlaces()
        self._pods: Objects[PodObject] = Objects(lambda told: pod_places(told, labels))
        self._nodes: Objects[NodeObject] = Objects(lambda told: node_places(told, labels))
        self._services = Services(labels)
        self._watches: dict[str, ObjectWatch[Any]] = {
            "nodes": self._watch(api, Kind("/api/v1/nodes", NodeObject), self._nodes),
            "pods": self._watch(api, Kind("/api/v1/pods", PodObject), self._pods),
            "services": self._watch(api, Kind("/api/v1/services", ServiceObject), self._services),
            "endpointslices": self._watch(
                api, Kind("/apis/discovery.k8s.io/v1/endpointslices", SliceObject), self._services.slices
            ),
        }

    def _watch(self, api: Api, kind: Kind[Told], state: State[Told]) -> ObjectWatch[Told]:
        return ObjectWatch(api, kind, Folded(self._waiting, state), lambda name: self.counts.update((name,)))

    def start(self) -> None:
        """Begin to watch."""
        for watch in self._watches.values():
            watch.start()

    def close(self) -> None:
        """End."""
        for watch in self._watches.values():
            watch.close()

    def changes(self, ended: Callable[[], bool]) -> Iterator[list[Place]]:
        """Give each turn what there is to tell, if only nothing; everything again now and then."""
        again_s = time.monotonic() + RETELL_S
        again: Iterator[Callable[[], list[Place]]] = iter(())
        while not ended():
            time.sleep(TURN_S)
            if time.monotonic() > again_s:
                again_s += RETELL_S
                again = self._everything()
            yield self._waiting.take(next(again, list))

    def _everything(self) -> Iterator[Callable[[], list[Place]]]:
        """Yield what tells some objects again, those that stand by then."""
        for standing in self._standing():
            uids = [*standing.by_uid]
            for first in range(0, len(uids), RETOLD):
                yield partial(standing.places, uids[first : first + RETOLD])

    def held(self) -> dict[str, int]:
        """Return how much is known: addresses by kind, and objects refused by a bound."""
        names = ("pods", "nodes", "services")
        held = {name: len(one.by_uid) for name, one in zip(names, self._standing(), strict=True)}
        refused = sum(one.refused for one in self._standing()) + self._services.slices.refused
        return held | {"refused": refused}

    def problems(self) -> dict[str, str]:
        """Return what is wrong with each watch, those that are well left out."""
        return {name: watch.problem for name, watch in self._watches.items() if watch.problem}

    def ailment(self) -> str:
        """Return what is wrong in one line, "" for nothing."""
        return "; ".join(f"{name}: {problem}" for name, problem in self.problems().items())

    def _standing(self) -> tuple[Standing, ...]:
        return self._pods.standing, self._nodes.standing, self._services.standing


def _now_us() -> int:
    return time.time_ns() // 1_000
