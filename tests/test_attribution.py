"""collector/attribution.py: which workload a process is, also when it has ended, also when its number serves again."""

from collections.abc import Callable
from pathlib import Path

from collector.attribution import FRESH_S, MOST_CALLERS, Attribution
from collector.cgroup import Place
from collector.workload import Caller, Container, Pod, Workload

ID = "3f4a1d8c" * 8
UID = "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a21"
POD = Pod(UID, "amf-0", "core", {"app": "amf"}, {ID: Container("amf", "registry.test/amf:2.7")})
IN_POD = f"0::/kubepods/burstable/pod{UID}/{ID}\n"
ON_HOST = "0::/system.slice/ssh.service\n"
HOST_NETNS, POD_NETNS = 4_026_531_840, 4_026_532_999


class Node:
    """A /proc of files, and a clock."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.now_s = 0.0

    def starts(self, process_id: int, cgroup: str, executable: str = "/usr/bin/amf") -> None:
        folder = self.place / str(process_id)
        folder.mkdir(exist_ok=True)
        (folder / "cgroup").write_text(cgroup)
        (folder / "exe").unlink(missing_ok=True)
        (folder / "exe").symlink_to(executable)

    def ends(self, process_id: int) -> None:
        for name in ("cgroup", "exe"):
            (self.place / str(process_id) / name).unlink()

    def attribution(self, pod_of: Callable[[Place], Pod | None] = lambda _: None) -> Attribution:
        return Attribution(pod_of, self.place, lambda: self.now_s)


def caller(process_id: int, cgroup: int = 77, netns: int = POD_NETNS, name: str = "amf") -> Caller:
    return Caller(process_id, name, cgroup, netns)


def test_a_process_of_a_pod_is_told_with_all_that_is_known(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    said = node.attribution(lambda place: POD if place.pod_uid == UID else None).of(caller(7))
    assert said == Workload(
        "/usr/bin/amf", ID, "amf", "registry.test/amf:2.7", UID, "amf-0", "core", {"app": "amf"}
    )  # fmt: skip


def test_without_kubernetes_ids_are_told_and_no_names(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    assert node.attribution().of(caller(7)) == Workload("/usr/bin/amf", ID, pod_uid=UID)


def test_a_process_of_the_host_is_in_no_container(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, ON_HOST, "/usr/sbin/sshd (deleted)")
    assert node.attribution().of(caller(7, netns=HOST_NETNS)) == Workload("/usr/sbin/sshd")


def test_one_that_has_ended_is_found_by_its_control_group(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    attribution = node.attribution()
    attribution.of(caller(7))
    assert attribution.of(caller(8, name="curl")) == Workload(container_id=ID, pod_uid=UID)
    assert attribution.unknown == 0


def test_on_version_1_its_pod_is_found_by_the_network_namespace(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    attribution = node.attribution()
    attribution.of(caller(7, cgroup=1))
    assert attribution.of(caller(8, cgroup=1)) == Workload(pod_uid=UID)
    assert attribution.of(caller(8, cgroup=1, netns=POD_NETNS + 1)) == Workload()
    assert attribution.unknown == 1


def test_a_namespace_that_pods_share_with_the_host_names_no_pod(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    node.starts(9, ON_HOST)
    attribution = node.attribution()
    for process_id in (7, 9, 7):
        attribution.of(caller(process_id, cgroup=1, netns=HOST_NETNS))
    assert attribution.of(caller(8, cgroup=1, netns=HOST_NETNS)) == Workload()


def test_what_was_seen_counts_for_a_while_even_when_the_process_has_ended(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.starts(7, IN_POD)
    attribution = node.attribution()
    attribution.of(caller(7))
    node.ends(7)
    assert attribution.of(caller(7)).executable == "/usr/bin/amf"
    node.starts(7, ON_HOST, "/usr/bin/other")
    assert attribution.of(caller(7, cgroup=78)).executable == "/usr/bin/other"
    node.now_s = FRESH_S + 1
    assert attribution.of(caller(7)).executable == "/usr/bin/other"


def test_it_is_bounded(tmp_path: Path) -> None:
    attribution = Node(tmp_path).attribution()
    for number in range(MOST_CALLERS + 13):
        attribution.of(caller(number, cgroup=number, netns=number))
    assert len(attribution._seen) == MOST_CALLERS
