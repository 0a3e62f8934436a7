"""Which container and pod a control group belongs to, by the paths that the container runtimes give."""

import re
from dataclasses import dataclass

# The last component that matches names the container: a container may hold control groups, and containers, of its own.
# containerd, CRI-O, Docker, podman, nerdctl; `libpod-conmon-` and `crio-conmon-` hold the monitor, not the container.
CONTAINER = re.compile(r"(?:(?:cri-containerd|crio|docker|libpod|libpod-payload|nerdctl)-)?([0-9a-f]{64})(?:\.scope)?")
COLON_FORM = re.compile(r".+:(?:cri-containerd|crio|docker|nerdctl):([0-9a-f]{64})")  # slice:prefix:id, given as a path
# A pod's uid; with the systemd driver `-` became `_`. That of a pod from a file (static) is a digest without either.
POD = re.compile(
    r"(?:kubepods[a-z-]*-)?pod([0-9a-f]{8}[-_](?:[0-9a-f]{4}[-_]){3}[0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?"
)
# Containers made by hand have names: /<containerd's namespace>/<name> (`ctr run`).
NAMED = re.compile(r"/(?:default|k8s\.io|moby)/([A-Za-z0-9][A-Za-z0-9_.-]{0,75})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is put: the container's id as its runtime has it, the pod's uid as Kubernetes has it."""

    container_id: str | None = None
    pod_uid: str | None = None


HOST = Place()


def place_of(text: str) -> Place:
    """Return what `/proc/PID/cgroup` says (cgroups(7)), version 1, 2 or both: the line that tells most counts."""
    found = HOST
    for line in text.split("\n"):  # names of groups may hold other ends of lines
        place = place_in(line.split(":", 2)[-1])
        if told(place) > told(found):
            found = place
    return found


def told(place: Place) -> int:
    """Return how much a place tells, for comparison."""
    return 2 * (place.container_id is not None) + (place.pod_uid is not None)


def place_in(path: str) -> Place:
    """Return what one path tells; from another cgroup namespace it begins with `/..`, which changes nothing."""
    container_id = pod_uid = None
    for component in path.split("/"):
        if container := CONTAINER.fullmatch(component) or COLON_FORM.fullmatch(component):
            container_id = container.group(1)
        elif pod := POD.fullmatch(component):
            pod_uid, container_id = pod.group(1).replace("_", "-"), None  # what stands before it held the whole node
    if container_id is None and pod_uid is None and (named := NAMED.fullmatch(path)):
        container_id = named.group(1)
    return Place(container_id, pod_uid)
