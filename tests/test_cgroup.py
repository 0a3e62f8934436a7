"""collector/cgroup.py: what the paths of container runtimes say, each as it was seen on a host or in its source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cgroup import HOST, Place, place_of

ID = "3f4a1d8c" * 8
OTHER = "9b2e77aa" * 8
UID = "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a21"
BARE = UID.replace("-", "_")
STATIC = "c7d2e9f0" * 4

PATHS = [
    ("containerd, cgroupfs driver", f"/kubepods/besteffort/pod{UID}/{ID}", Place(ID, UID)),
    ("guaranteed pod, cgroupfs", f"/kubepods/pod{UID}/{ID}", Place(ID, UID)),
    (
        "containerd, systemd driver",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{BARE}.slice/cri-containerd-{ID}.scope",
        Place(ID, UID),
    ),
    (
        "guaranteed pod, systemd driver",
        f"/kubepods.slice/kubepods-pod{BARE}.slice/cri-containerd-{ID}.scope",
        Place(ID, UID),
    ),
    (
        "CRI-O",
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{BARE}.slice/crio-{ID}.scope",
        Place(ID, UID),
    ),
    (
        "CRI-O with crun's own group",
        f"/kubepods.slice/kubepods-pod{BARE}.slice/crio-{ID}.scope/container",
        Place(ID, UID),
    ),
    ("CRI-O's monitor", f"/kubepods.slice/kubepods-pod{BARE}.slice/crio-conmon-{ID}.scope", Place(None, UID)),
    ("Docker as Kubernetes' runtime", f"/kubepods/burstable/pod{UID}/docker-{ID}.scope", Place(ID, UID)),
    (
        "drivers of containerd and kubelet differ",
        f"/system.slice/containerd.service/kubepods-burstable-pod{BARE}.slice:cri-containerd:{ID}",
        Place(ID, None),
    ),
    ("pod from a file", f"/kubepods/burstable/pod{STATIC}/{ID}", Place(ID, STATIC)),
    ("Docker, cgroupfs", f"/docker/{ID}", Place(ID)),
    ("Docker, systemd", f"/system.slice/docker-{ID}.scope", Place(ID)),
    ("podman as root", f"/machine.slice/libpod-{ID}.scope", Place(ID)),
    ("podman, container's own group", f"/machine.slice/libpod-{ID}.scope/container", Place(ID)),
    (
        "podman of a user",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        Place(ID),
    ),
    ("podman's monitor", f"/machine.slice/libpod-conmon-{ID}.scope", HOST),
    ("nerdctl", f"/system.slice/nerdctl-{ID}.scope", Place(ID)),
    ("ctr run, by name", "/default/amf-1", Place("amf-1")),
    ("systemd inside a container", f"/docker/{ID}/init.scope", Place(ID)),
    ("a node that is a container (kind)", f"/docker/{OTHER}/kubelet/kubepods/burstable/pod{UID}/{ID}", Place(ID, UID)),
    ("the pod's own group on such a node", f"/docker/{OTHER}/kubelet/kubepods/pod{UID}", Place(None, UID)),
    ("seen from another container", f"/../../pod{UID}/{ID}", Place(ID, UID)),
    ("seen from the same pod", f"/../cri-containerd-{ID}.scope", Place(ID)),
    ("a service of the host", "/system.slice/ssh.service", HOST),
    ("a user's session", "/user.slice/user-0.slice/session-3.scope", HOST),
    ("the root", "/", HOST),
    ("a name too short for an id", f"/docker/{ID[:12]}", HOST),
    ("upper case is no id", f"/docker/{ID.upper()}", HOST),
]


@pytest.mark.parametrize(("path", "place"), [row[1:] for row in PATHS], ids=[row[0] for row in PATHS])
@pytest.mark.parametrize("form", ["0::{}\n", "4:memory:{}\n0::/\n", "12:pids:/\n4:memory:{}\n1:name=systemd:/x\n"])
def test_a_path_says_which_container_and_pod(path: str, place: Place, form: str) -> None:
    assert place_of(form.format(path)) == place


def test_the_line_that_tells_most_counts() -> None:
    text = f"3:cpu:/docker/{ID}\n2:pids:/kubepods/pod{UID}/{ID}\n1:name=systemd:/\n"
    assert place_of(text) == Place(ID, UID)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    place = place_of(text)
    assert place.container_id is None or place.container_id in text
