"""Watches a Kubernetes cluster and hands on what its addresses stand for, one change after the other.

A thread watches each kind of object and puts what it is told on one queue; who reads it is alone with the state.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, Generic, Protocol

from schemas.kubernetes import Api, Kind, ObjectWatch, Told
from streams.cluster_objects import NodeObject, PodObject, ServiceObject, SliceObject
from streams.places import Place, node_places, pod_places
from streams.standing import Objects, Services, Standing

QUEUED = 10_000  # changes; then the threads that watch wait
TURN_S = 0.25  # what came meanwhile is told together, so that each change costs no waking
TOGETHER = 1_000  # places, about
RETELL_S = 6 * 3_600.0  # so that what a retention took is there again

Change = Callable[[], list[Place]]


class State(Protocol[Told]):
    """What is known of one kind of object (streams.standing)."""

    def put(self, told: Told, at_us: int, /) -> list[Place]:
        """Take an object that is new or has changed."""

    def drop(self, told: Told, at_us: int, /) -> list[Place]:
        """Take note that an object is gone."""

    def replace(self, all_told: list[Told], at_us: int, /) -> list[Place]:
        """Take all objects anew."""


@dataclass(frozen=True, slots=True)
class Queued(Generic[Told]):
    """Keeps nothing: what it is told waits on the queue, with the time (schemas.kubernetes.Keeper)."""

    queue: "Queue[Change]"
    state: State[Told]

    def put(self, told: Told) -> None:
        """Take an object that is new or has changed."""
        at_us = time.time_ns() // 1_000
        self.queue.put(lambda: self.state.put(told, at_us))

    def drop(self, told: Told) -> None:
        """Take note that an object is gone."""
        at_us = time.time_ns() // 1_000
        self.queue.put(lambda: self.state.drop(told, at_us))

    def replace(self, all_told: list[Told]) -> None:
        """Take all objects anew."""
        at_us = time.time_ns() // 1_000
        self.queue.put(lambda: self.state.replace(all_told, at_us))


class Cluster:
    """A cluster that is watched from `start` to `close`."""

    def __init__(self, api: Api, labels: frozenset[str]) -> None:
        """`labels`: the keys of those that are kept."""
        self.counts: Counter[str] = Counter()
        self._queue: Queue[Change] = Queue(QUEUED)
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
        return ObjectWatch(api, kind, Queued(self._queue, state), lambda name: self.counts.update((name,)))

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
        while not ended():
            time.sleep(TURN_S)
            yield self._waiting()
            if time.monotonic() > again_s:
                again_s += RETELL_S
                yield [place for one in self._standing() for place in one.places()]

    def _waiting(self) -> list[Place]:
        """Return what the changes that are there have to tell."""
        places: list[Place] = []
        with suppress(Empty):
            while len(places) < TOGETHER:
                places += self._queue.get_nowait()()
        return places

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
