"""Network functions in containers of containerd's own runtime, of an image made of local files: events name each.

No cluster stands around them, so nobody says what their image is called: that would take containerd's socket, which
the agent never has. In a cluster the API says it (tests/kubernetes).
"""

import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.debian import installed
from tests.kernel import LIVE
from tests.kubernetes.oci import image
from tests.test_agent_live import ROOT
from tests.test_hosts_live import CANNOT, CONTAINER, POD, TALKS, Nf, forget, named

pytestmark = LIVE
IMAGE = "library/sbiscope-test:1"
READY_S = 30.0
CONFIGURATION = """\
version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{root}/containerd.sock"
[ttrpc]
  address = "{root}/containerd.sock.ttrpc"
"""


@dataclass
class Runtime:
    """A containerd of the test's own."""

    root: Path

    def command(self, *words: str) -> list[str]:
        return ["ctr", "--address", str(self.root / "containerd.sock"), *words]

    def run(self, *words: str) -> str:
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True, timeout=60).stdout

    def is_ready(self) -> bool:
        words = self.command("--connect-timeout", "1s", "version")
        return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    installed("containerd", "containerd", "runc")
    with tempfile.TemporaryDirectory(prefix="containerd-") as name:  # a socket's path has 104 octets at most
        yield from running(Path(name))


def running(root: Path) -> Iterator[Runtime]:
    """Run one in folder `root` as long as it is wanted."""
    (root / "containerd.toml").write_text(CONFIGURATION.format(root=root))
    one = Runtime(root)
    with (root / "log").open("w") as log:
        daemon = subprocess.Popen(["containerd", "-c", root / "containerd.toml"], stdout=log, stderr=log)
        try:
            until = time.monotonic() + READY_S
            while not one.is_ready():
                assert time.monotonic() < until, (root / "log").read_text()[-2_000:]
                time.sleep(0.1)
            image(Path(__file__), IMAGE, root / "image.tar", [])
            one.run("images", "import", "--snapshotter", "native", str(root / "image.tar"))
            yield one
        finally:
            daemon.terminate()
            daemon.wait(30)


@contextmanager
def container(runtime: Runtime, number: int) -> Iterator[Nf]:
    """Run a network function that asks itself; what it runs is this machine's, read only."""
    name, pod = CONTAINER.format(number), POD.format(number)
    shown = [
        path for path in ("/usr", "/lib", "/lib64", "/bin", "/etc", str(ROOT), sys.base_prefix) if Path(path).exists()
    ]
    mounts = [f"--mount=type=bind,src={path},dst={path},options=rbind:ro" for path in shown]
    about = ["--snapshotter", "native", "--cgroup", f"/kubepods/pod{pod}/{name}", "--cwd", str(ROOT)]
    about += ["--env", f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}"]
    python = str(Path(sys.executable).resolve())
    words = runtime.command("run", "--rm", *about, *mounts, f"docker.io/{IMAGE}", name, python, "-c", TALKS)
    with ExitStack() as ending:
        ending.callback(forget, pod)
        with (
            (runtime.root / f"said{number}").open("w") as said,
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True) as process,
        ):
            ending.callback(process.kill)
            one = Nf(process, 0, name, pod)
            if one.says() != "serving\n":
                why = (runtime.root / f"said{number}").read_text()
                assert CANNOT.search(why), why
                pytest.skip(f"no container can be made here: {why}")  # as in a chroot
            tasks = [line.split() for line in runtime.run("task", "ls").splitlines()]
            (one.number,) = (int(words[1]) for words in tasks if words[0] == name)
            yield one
            runtime.run("task", "kill", "--signal", "KILL", name)
            process.wait(30)


def test_functions_in_containers_of_containerd_are_named(runtime: Runtime, tmp_path: Path) -> None:
    events = named(tmp_path, *(container(runtime, number) for number in (5, 6)))
    assert {one["image"] for one in events} == {None}
