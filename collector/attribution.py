"""Which workload a process is: asked of /proc when a connection is first seen, joined with what Kubernetes says."""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collector.cgroup import HOST, Place, place_of
from collector.workload import NOT_YET, Caller, Container, Pod, Workload

PROC = Path("/proc")
MOST_CALLERS = 16_384
MOST_GROUPS = 16_384
FRESH_S = 30.0  # a number of a process serves again, by then as another's
MOST_CGROUP_BYTES = 65_536
ON_VERSION_1 = 1  # the kernel's answer for every process there
DELETED = " (deleted)"

NO_POD: Callable[[Place], Pod | None] = lambda _: None  # noqa: E731
NO_NAME: Callable[[int, str], Container | None] = lambda _process, _container: None  # noqa: E731


@dataclass(slots=True)
class _Seen:
    """What /proc said of a caller, and until when it counts."""

    place: Place
    executable: str | None
    until_s: float


class Attribution:
    """Places of processes, bounded; the one asked for longest ago is forgotten.

    A process that has ended is found by its control group (version 2), or else its pod by its network namespace, if
    others there were seen before.
    """

    def __init__(
        self,
        pod_of: Callable[[Place], Pod | None] = NO_POD,
        proc: Path = PROC,
        clock_s: Callable[[], float] = time.monotonic,
        container_of: Callable[[int, str], Container | None] = NO_NAME,
    ) -> None:
        """`pod_of`: what is known of a place's pod by now; `container_of`: of the container of a process in no pod."""
        self._pod_of = pod_of
        self._proc = proc
        self._clock_s = clock_s
        self._container_of = container_of
        self._seen: OrderedDict[Caller, _Seen] = OrderedDict()
        self._groups: OrderedDict[int, Place] = OrderedDict()
        self._namespaces: OrderedDict[int, Place] = OrderedDict()
        self.unknown = 0  # callers that had ended unseen

    def of(self, caller: Caller) -> Workload:
        """Return what `caller` is part of, as far as it is known."""
        seen = self._seen.get(caller)
        if seen is None or seen.until_s < self._clock_s():
            seen = self._look(caller)
            self._keep(caller, seen)
        place, pod = seen.place, self._pod_of(seen.place)
        if place.container_id is None or place.pod_uid is not None or pod is not None:
            return joined(place, seen.executable, pod)
        container = self._container_of(caller.process_id, place.container_id)
        if container is NOT_YET:
            return Workload(seen.executable, place.container_id, is_named_later=True)
        return Workload(seen.executable, place.container_id, *_named(container))

    def _look(self, caller: Caller) -> _Seen:
        place = self._place(caller.process_id)
        executable = self._executable(caller.process_id)
        if place is None:
            place = self._remembered(caller)
        else:
            self._learn(caller, place)
        return _Seen(place, executable, self._clock_s() + FRESH_S)

    def _place(self, process_id: int) -> Place | None:
        """Return where a process is, None if it has ended."""
        try:
            with (self._proc / str(process_id) / "cgroup").open("rb") as file:
                return place_of(file.read(MOST_CGROUP_BYTES).decode(errors="replace"))
        except OSError:
            return None

    def _executable(self, process_id: int) -> str | None:
        """Return the path of its program, as it sees it; needs CAP_SYS_PTRACE for other users' processes."""
        with suppress(OSError):
            return str((self._proc / str(process_id) / "exe").readlink()).removesuffix(DELETED)
        return None

    def _remembered(self, caller: Caller) -> Place:
        place = self._groups.get(caller.cgroup) if caller.cgroup > ON_VERSION_1 else None
        place = place or self._namespaces.get(caller.netns)
        if place is None:
            self.unknown += 1
        return place or HOST

    def _learn(self, caller: Caller, place: Place) -> None:
        if caller.cgroup > ON_VERSION_1:
            _put(self._groups, caller.cgroup, place)
        known = self._namespaces.get(caller.netns)
        if known is None or known.pod_uid == place.pod_uid:  # the containers of a pod share it
            _put(self._namespaces, caller.netns, Place(None, place.pod_uid))
        else:  # the host's, which pods may share
            _put(self._namespaces, caller.netns, HOST)

    def _keep(self, caller: Caller, seen: _Seen) -> None:
        self._seen[caller] = seen
        self._seen.move_to_end(caller)
        if len(self._seen) > MOST_CALLERS:
            self._seen.popitem(last=False)


def joined(place: Place, executable: str | None, pod: Pod | None) -> Workload:
    """Return a workload from what each source says."""
    if pod is None:
        return Workload(executable, place.container_id, pod_uid=place.pod_uid)
    return Workload(
        executable,
        place.container_id,
        *_named(pod.containers.get(place.container_id or "")),
        pod.uid,
        pod.name,
        pod.namespace,
        pod.labels,
    )


def _named(container: Container | None) -> tuple[str | None, str | None]:
    return (None, None) if container is None else (container.name, container.image)


def _put(places: OrderedDict[int, Place], key: int, place: Place) -> None:
    places[key] = place
    places.move_to_end(key)
    if len(places) > MOST_GROUPS:
        places.popitem(last=False)
