"""The kernel side's filters, each on real connections: what fits is captured, what does not is left alone."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from collector.kernel_source import KernelSource
from collector.loading import begun
from collector.probes import Probes
from schemas.config import Collector
from tests.kernel import LIVE
from tests.live_peers import Recorder, observed
from tests.test_agent_live import ROOT
from tests.test_inventory import LOOPBACK_UP

pytestmark = LIVE
SENT = 1_009
SELF_TALK = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[2].encode(), 0, 0, 0)
is_mapped, is_ipv6 = sys.argv[1].startswith("::ffff:"), ":" in sys.argv[1]
place, family = "" if is_mapped else sys.argv[1], socket.AF_INET6 if is_ipv6 else socket.AF_INET
listener = socket.create_server((place, 0), family=family, dualstack_ipv6=is_mapped)
print(flush=True)
sys.stdin.readline()
client = socket.create_connection((sys.argv[1], listener.getsockname()[1]))
server, _ = listener.accept()
client.sendall(b"x" * 1009)
assert len(server.recv(1009, socket.MSG_WAITALL)) == 1009
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
"""


class Talker:
    """A program that will have one connection with itself on an address, under a name."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._read()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def talk(self) -> int:
        """Let it; return the port."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self._read())


@contextmanager
def talker(address: str = "127.0.0.1", name: str = "amf", *before: str) -> Iterator[Talker]:
    command = [*before, sys.executable, "-c", SELF_TALK, address, name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        try:
            yield Talker(process)
        finally:
            process.kill()


def check(filters: dict[str, str], wanted: list[Talker], others: list[Talker]) -> None:
    """Let all talk under the filters; those that are wanted are captured at both ends, the others at none."""
    recorder = Recorder()
    probes = Probes(begun(replace(Collector(), ring_bytes=1 << 22, flows=False, **filters)))
    with observed(KernelSource(probes.window(), 5, detach=probes.close), recorder):
        ports = [one.talk() for one in (*wanted, *others)]
    captured = [
        sum(len(one.text[True]) for one in recorder.taken if port in {one.ends.client_port, one.ends.server_port})
        for port in ports
    ]
    assert captured == [2 * SENT] * len(wanted) + [0] * len(others)


@contextmanager
def talkers(*given: tuple[str, str]) -> Iterator[list[Talker]]:
    with ExitStack() as ending:
        yield [ending.enter_context(talker(*one)) for one in given]


def test_networks() -> None:
    wanted = ("127.0.1.2", "::1", "::ffff:127.0.1.3")
    others = ("127.0.2.2", "::ffff:127.0.2.3")  # asked from 127.0.0.1
    with (
        talkers(*((one, "amf") for one in wanted)) as within,
        talkers(*((one, "amf") for one in others)) as beyond,
    ):
        check({"networks": "10.0.0.0/8, 127.0.1.0/24, ::1"}, within, beyond)


def test_programs() -> None:
    long = "open5gs-amfd-of-a-long-name"  # the kernel keeps 15 octets
    here = "127.0.0.1"
    with (
        talkers((here, "amf"), (here, long)) as within,
        talkers((here, "amfd"), (here, "am"), (here, long[:14])) as beyond,
    ):
        check({"programs": f"amf, {long}"}, within, beyond)


def test_network_namespaces() -> None:
    with talker("127.0.0.1", "amf", "unshare", "-n", sys.executable, "-c", LOOPBACK_UP) as one, talker() as another:
        check({"network_namespaces": f"/proc/{one.process.pid}/ns/net"}, [one], [another])


@contextmanager
def groups() -> Iterator[Path]:
    """Mount the control groups of version 2, beside whatever is mounted, and make one."""
    libc = ctypes.CDLL(None, use_errno=True)
    place = Path("/tmp") / f"sbiscope-groups-{os.getpid()}"
    place.mkdir()
    if libc.mount(b"none", str(place).encode(), b"cgroup2", 0, None):
        place.rmdir()
        pytest.skip(f"no control groups of version 2 here: {os.strerror(ctypes.get_errno())}")
    made = place / "nfs"
    try:
        (made / "amf").mkdir(parents=True)
        yield made
    finally:
        for folder in (made / "amf", made):
            with suppress(OSError):
                folder.rmdir()
        libc.umount2(str(place).encode(), 2)
        place.rmdir()


def test_control_groups_with_what_is_below_them() -> None:
    with groups() as made:
        enter = ["sh", "-c", f'echo $$ > {made}/amf/cgroup.procs; exec "$@"', "sh"]
        with talker("127.0.0.1", "amf", *enter) as one, talker() as another:
            check({"control_groups": str(made)}, [one], [another])


def test_every_filter_that_is_set_must_fit() -> None:
    with talker("127.0.0.2", "smf") as one, talker("127.0.0.2", "amf") as another:
        check({"networks": "127.0.0.2", "programs": "smf"}, [one], [another])
