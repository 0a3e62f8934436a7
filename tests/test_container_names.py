"""collector/container_names.py and what it asks: names that Docker 20.10 and Podman 4.3 gave, as they keep them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from collector.attribution import Attribution
from collector.container_names import FRESH_S, MOST_KNOWN, QUIET_S, SOON_S, ContainerNames
from collector.docker_names import Named, look, named
from collector.monitored import name_above, name_in
from collector.workload import MOST_TEXT, NOT_YET, Caller, Container, Workload

ID = "e57cbb3d006c67edd54db4175419e872516fb908656d742fe14b2ba301442463"
OTHER_ID = "78ff6d3b8a995f1c572230767424bb2a59c01d7831d072fbdf8c8d8342c83b16"
# config.v2.json of `docker run --name smf-lab -e SECRET=planted-secret nf-base:2.7`, shortened where nobody reads.
OF_DOCKER = """{"StreamConfig":{},"State":{"Running":true,"Pid":23802,"Health":null},"ID":"%s","Managed":false,
"Path":"/bin/sleep","Args":["600"],"Config":{"Hostname":"e57cbb3d006c","Env":["SECRET=planted-secret"],
"Cmd":["/bin/sleep","600"],"Image":"nf-base:2.7","Volumes":null,"Entrypoint":null,"Labels":{}},
"Image":"sha256:689c75b8d490513480825ddf4e6052d0a292d7a6803abe2d18bc2de87052ee1b","NetworkSettings":{"Ports":{}},
"Name":"%s","Driver":"overlay2","OS":"linux","RestartCount":0,"MountPoints":{},"SecretReferences":null}"""
# The monitor of `podman run --name amf-lab`, likewise.
MONITOR = [
    "/usr/bin/conmon", "--api-version", "1", "-c", OTHER_ID, "-u", OTHER_ID, "-r", "/usr/sbin/runc",
    "-b", f"/var/lib/containers/storage/overlay-containers/{OTHER_ID}/userdata", "-n", "amf-lab",
    "--exit-dir", "/run/libpod/exits", "--full-attach", "-l", "k8s-file:/ctr.log", "--runtime-arg", "--log-format=json",
    "--exit-command", "/usr/bin/podman", "--exit-command-arg", "container", "--exit-command-arg", "cleanup",
    "--exit-command-arg", OTHER_ID, "",
]  # fmt: skip


PODMAN = f"/machine.slice/libpod-{OTHER_ID}.scope"


def called(name: str) -> list[str]:
    """Return the monitor's words with another name."""
    return [name if word == "amf-lab" else word for word in MONITOR]


class Host:
    """Docker's files and a /proc, on a disk as root keeps them."""

    def __init__(self, root: Path, data: str = "var/lib/docker") -> None:
        self.root = root
        self.place = root / data / "containers"
        self.proc = root / "proc"
        self.place.mkdir(parents=True)
        self.proc.mkdir()
        self.now_s = 0.0

    def docker_runs(self, container_id: str, name: str) -> Path:
        folder = self.place / container_id
        folder.mkdir(exist_ok=True)
        file = folder / "config.v2.json"
        file.write_text(OF_DOCKER % (container_id, name))
        file.chmod(0o600)
        for one in (folder, self.place, self.place.parent):
            one.chmod(0o710)
        return file

    def runs(
        self, process_id: int, parent: int, words: list[str], name: str = "sleep",
        cgroup: str = "/", user: int = 0, users: str = "0 0 4294967295",
    ) -> None:  # fmt: skip
        folder = self.proc / str(process_id)
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(f"{process_id} ({name}) S {parent} {process_id} 1 0 -1 4194560")
        (folder / "cmdline").write_text("\0".join(words))
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "status").write_text(f"Name:\t{name}\nUid:\t{user}\t{user}\t{user}\t{user}\n")
        (folder / "uid_map").write_text(f"{users}\n")

    @contextmanager
    def names(self) -> Iterator[ContainerNames]:
        names = ContainerNames([str(self.root)], self.proc, lambda: self.now_s)
        try:
            yield names
        finally:
            names.close()


def told(host: Host, names: ContainerNames, container_id: str, name: str) -> Container:
    """Return what a container is called, once who reads the files has begun and says this name."""
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        found = names.of(7, container_id)
        if found is not None and found.name == name:
            return found
        host.now_s += FRESH_S + 1
    raise AssertionError("nobody says its name")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_docker_says_name_and_image_and_nothing_of_its_variables() -> None:
    found = named(ID, (OF_DOCKER % (ID, "/smf-lab")).encode())
    assert found == Named(ID, "smf-lab", "nf-base:2.7")
    assert b"planted" not in msgspec.json.encode(found)


def test_a_container_of_docker_is_named(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    with host.names() as names:
        assert told(host, names, ID, "smf-lab") == Container("smf-lab", "nf-base:2.7")
        assert names.of(7, OTHER_ID) in {None, NOT_YET}  # a busy machine answers late
        host.docker_runs(OTHER_ID, "/amf")
        host.docker_runs(ID, "/smf-renamed")
        assert names.of(7, OTHER_ID) in {None, NOT_YET}
        assert names.of(7, ID) == Container("smf-lab", "nf-base:2.7")
        assert told(host, names, OTHER_ID, "amf") == Container("amf", "nf-base:2.7")
        assert told(host, names, ID, "smf-renamed") == Container("smf-renamed", "nf-base:2.7")
        (host.place / ID / "config.v2.json").unlink()
        host.now_s += FRESH_S + 1
        assert names.of(7, ID) == Container("smf-renamed", "nf-base:2.7")  # its last connections are told of later


def test_docker_may_keep_its_containers_elsewhere(tmp_path: Path) -> None:
    host = Host(tmp_path, "srv/docker")
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/docker/daemon.json").write_text('{"log-driver": "journald", "data-root": "/srv/docker"}')
    host.docker_runs(ID, "/smf-lab")
    with host.names() as names:
        assert told(host, names, ID, "smf-lab") == Container("smf-lab", "nf-base:2.7")


def test_where_there_is_no_docker_nobody_stays(tmp_path: Path) -> None:
    names = ContainerNames([str(tmp_path)], tmp_path)
    assert names._process.wait(30) == 0
    assert (names.of(7, ID), names.of(7, OTHER_ID)) == (None, None)
    names.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose right it keeps")
def test_who_reads_the_files_is_nobody_with_one_right(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    with host.names() as names:
        assert told(host, names, ID, "smf-lab")
        lines = Path(f"/proc/{names._process.pid}/status").read_text().splitlines()
        said = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert said["Uid"] == ["65534"] * 4
    assert {int(said[name][0], 16) for name in ("CapEff", "CapPrm")} == {1 << 2}
    assert said["NoNewPrivs"] == ["1"]


def test_names_end_with_who_reads_the_files(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    with host.names() as names:
        names._process.kill()
        names._process.wait()
        assert names.of(7, ID) is None


@pytest.mark.parametrize(
    "asked", [b"", b"..", b"../" * 20 + b"etc/shadow", b"\xff" * 64, ID.upper().encode(), ID.encode() + b"/"]
)
def test_only_ids_are_looked_for(host: Host, asked: bytes) -> None:
    host.docker_runs(ID, "/smf-lab")
    directory = os.open(host.place, os.O_PATH)
    assert look(directory, asked) == Named(asked.decode(errors="replace"))
    os.close(directory)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"Name": 7}', '{"Config": null, "Name": "/x"}', "link", "pipe"])
def test_what_is_no_such_file_names_nothing(host: Host, kept: str) -> None:
    file = host.docker_runs(ID, "/smf-lab")
    file.unlink()
    if kept == "link":
        file.symlink_to(host.docker_runs(OTHER_ID, "/amf"))
    elif kept == "pipe":
        os.mkfifo(file)
    else:
        file.write_text(kept)
    directory = os.open(host.place, os.O_PATH)
    assert look(directory, ID.encode()) == Named(ID)
    os.close(directory)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (MONITOR, "amf-lab"),
        (["/tmp/mine", *MONITOR[1:]], None),
        ([word.replace(OTHER_ID, ID) for word in MONITOR], None),
        ([word for word in MONITOR if word not in {"-n", "amf-lab"}], None),
        (["conmon"], None),
        ([], None),
        (called("a" * 255), "a" * 255),
        (called("a" * 256), None),
        (called("amf\x1b]0;owned\x07"), None),
        (called("amf\n"), None),
        (called("-amf"), None),
        (called("\ufffd"), None),
    ],
    ids=[
        "a monitor", "another program", "another container's", "without a name", "without words", "a kernel's thread",
        "a long name", "one too long", "what a terminal obeys", "a line's end", "an option", "no text",
    ],
)  # fmt: skip
def test_a_monitor_says_the_name_that_podman_gave(words: list[str], wanted: str | None) -> None:
    assert name_in(words, OTHER_ID) == wanted


def test_the_monitor_is_found_above_a_process_of_its_container(host: Host) -> None:
    host.runs(1, 0, ["/sbin/init"])
    host.runs(20, 1, MONITOR, "conmon")
    host.runs(21, 20, ["/bin/amf"])
    host.runs(22, 21, ["/bin/worker"], "a) S 1 (b")
    host.runs(30, 1, ["/bin/other"])
    found = [name_above(host.proc, process_id, OTHER_ID) for process_id in (22, 21, 20, 30, 99)]
    assert found == ["amf-lab", "amf-lab", None, None, None]
    host.runs(40, 40, ["/bin/its own parent"])
    assert name_above(host.proc, 40, OTHER_ID) is None


@pytest.mark.parametrize(
    ("cgroup", "monitor", "user", "users", "wanted"),
    [
        (f"/machine.slice/libpod-conmon-{OTHER_ID}.scope", 0, 0, "0 0 4294967295", "amf-lab"),
        ("/libpod_parent/conmon", 0, 5_000, "0 0 4294967295", "amf-lab"),
        ("/user.slice/user-1000.slice/x.scope", 1_000, 1_000, "0 1000 1\n1 100000 65536", "amf-lab"),
        ("/user.slice/user-1000.slice/x.scope", 1_000, 104_999, "0 1000 1\n1 100000 65536", "amf-lab"),
        ("/user.slice/user-1000.slice/x.scope", 1_001, 1_000, "0 1000 1\n1 100000 65536", None),
        ("/user.slice/user-1000.slice/x.scope", 1_000, 0, "0 0 4294967295", None),
        (PODMAN, 0, 0, "0 0 4294967295", None),
        (f"{PODMAN}/deeper", 0, 0, "0 0 4294967295", None),
        (f"/docker/{ID}", 0, 0, "0 0 4294967295", None),
    ],
    ids=[
        "root's", "root's, the program nobody's", "a user's", "a user's, the program another's of the container",
        "another user's", "a user's above root's process", "inside", "deeper inside", "in another container",
    ],
)  # fmt: skip
def test_a_monitor_is_believed_outside_of_containers_by_users_that_may_say_it(
    host: Host, cgroup: str, monitor: int, user: int, users: str, wanted: str | None
) -> None:
    host.runs(20, 1, MONITOR, "conmon", cgroup, monitor)
    host.runs(21, 20, ["/bin/amf"], "amf", PODMAN, user, users)
    assert name_above(host.proc, 21, OTHER_ID) == wanted


def test_a_monitor_is_not_of_the_user_that_its_name_says(host: Host) -> None:
    host.runs(20, 1, MONITOR, "x\rUid:\t0", "/user.slice/user-1000.slice/x.scope", 1_000)
    host.runs(21, 20, ["/bin/amf"], "amf", PODMAN, 0, "0 0 4294967295")
    assert name_above(host.proc, 21, OTHER_ID) is None


def test_docker_is_believed_before_a_monitor(host: Host) -> None:
    host.docker_runs(OTHER_ID, "/smf-lab")
    host.runs(20, 1, MONITOR, "conmon")
    host.runs(7, 20, ["/bin/amf"])
    with host.names() as names:
        assert told(host, names, OTHER_ID, "smf-lab") == Container("smf-lab", "nf-base:2.7")


def test_a_reader_that_answers_nothing_is_asked_ever_less(host: Host) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.01)
    with host.names() as names, theirs:
        names._leave()
        names._link = ours
        theirs.setblocking(False)
        asked: list[float] = []
        for number in range(300):
            assert names.of(7, f"{number:064x}") is NOT_YET
            with suppress(BlockingIOError):
                asked += [host.now_s] * (int(theirs.recv(128), 16) == number)
            host.now_s += 0.125
        assert asked == [0, SOON_S, 3, 7, 15, 15 + QUIET_S, 15 + 2 * QUIET_S]


def test_a_container_is_not_whole_until_who_knows_it_has_answered(host: Host) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.01)
    host.runs(7, 1, ["/bin/nf"], cgroup=f"/docker/{ID}")
    caller = Caller(7, "nf", 1, 5)
    with host.names() as names, theirs:
        names._leave()
        names._link = ours
        attribution = Attribution(proc=host.proc, container_of=names.of)
        early = attribution.of(caller)
        assert (early.container_id, early.container_name, early.is_whole) == (ID, None, False)
        theirs.send(msgspec.json.encode(Named(ID, "smf-lab")))
        host.now_s += SOON_S + 1
        late = attribution.of(caller)
        assert (late.container_id, late.container_name, late.is_whole) == (ID, "smf-lab", True)
    assert Workload(None, ID).is_whole  # that nobody knows it was answered too


def test_a_reader_that_does_not_end_is_ended(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    with host.names() as names:
        told(host, names, ID, "smf-lab")
        names._process.send_signal(signal.SIGSTOP)
    assert names._process.returncode == -signal.SIGKILL


def test_what_others_named_is_cut() -> None:
    long = "n" * (MOST_TEXT + 1)
    assert Container(long, long) == Container(long[:MOST_TEXT], long[:MOST_TEXT])
    assert Container("amf", None) == Container("amf", None)


def test_a_process_in_a_container_is_told_with_its_name(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    for process_id, parent, cgroup in (
        (7, 1, f"/docker/{ID}"),
        (21, 20, f"/libpod_parent/libpod-{OTHER_ID}"),
        (9, 1, "/"),
    ):
        host.runs(process_id, parent, ["/bin/nf"], cgroup=cgroup)
    host.runs(20, 1, MONITOR)
    with host.names() as names:
        told(host, names, ID, "smf-lab")
        attribution = Attribution(proc=host.proc, container_of=names.of)
        of_docker, of_podman, of_none = (attribution.of(Caller(process_id, "nf", 1, 5)) for process_id in (7, 21, 9))
    assert of_docker == Workload(None, ID, "smf-lab", "nf-base:2.7")
    assert of_podman == Workload(None, OTHER_ID, "amf-lab", None)
    assert of_none == Workload()


def test_no_more_names_are_kept_than_the_bound(host: Host) -> None:
    with host.names() as names:
        names._leave()
        for number in range(MOST_KNOWN + 5):
            names.of(7, f"{number:064x}")
        assert len(names._known) == MOST_KNOWN


def test_an_answer_that_comes_late_is_no_answer_to_another_question(host: Host) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with host.names() as names:
        names._leave()
        names._link = ours
        theirs.send(msgspec.json.encode(Named(OTHER_ID, "late")))
        theirs.send(msgspec.json.encode(Named(ID, "smf-lab")))
        assert names.of(7, ID) == Container("smf-lab", None)
        theirs.close()
        assert names.of(7, OTHER_ID) is None


def test_it_is_a_program_of_its_own_that_ends_with_its_socket(host: Host) -> None:
    host.docker_runs(ID, "/smf-lab")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "collector.docker_names", str(theirs.fileno()), str(host.root)]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.send(ID.encode())
        assert msgspec.json.decode(ours.recv(4_096), type=Named).name == "smf-lab"
        ours.close()
        assert process.wait(10) == 0
