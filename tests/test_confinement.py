"""What the process that holds the key can do after it has confined itself: nothing but its work."""

import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector import seccomp

ROOT = Path(__file__).parent.parent
EPERM = 1
NOBODY = 65_534
needs_filters = pytest.mark.skipif(platform.machine() != seccomp.MACHINE, reason="no table of this machine's calls")

# Tells what confines it, tries what it is told, one call a line, then does as its last word says.
CONFINED = """
import ctypes, json, os, sys, time
from collector.observer import confine
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
print(json.dumps(confine(sys.argv[1])), flush=True)
for line in sys.stdin:
    number, *given = json.loads(line)
    given = [ctypes.c_char_p(one.encode()) if isinstance(one, str) else ctypes.c_long(one) for one in given]
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *given)
    print(json.dumps([done, ctypes.get_errno()]), flush=True)
ctypes.string_at(0)
"""
FORBIDDEN = {
    "open": (2, "/etc/passwd", 0),
    "openat": (257, -100, "/etc/passwd", 0),
    "openat2": (437, -100, "/etc/passwd", 0, 24),
    "creat": (85, "/tmp/x", 0o600),
    "execve": (59, "/bin/true", 0, 0),
    "execveat": (322, -100, "/bin/true", 0, 0, 0),
    "fork": (57,),
    "clone": (56, 17, 0, 0, 0, 0),
    "clone3": (435, 0, 0),
    "ptrace": (101, 16, 1, 0, 0),
    "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0),
    "pidfd_open": (434, 1, 0),
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, 0, 0, 0),
    "socket": (41, 2, 1, 0),
    "connect": (42, 0, 0, 0),
    "kill": (62, 1, 0),
    "tgkill": (234, 1, 1, 0),
    "prctl dumpable": (157, 4, 1, 0, 0, 0),
    "setrlimit": (160, 4, 0),
    "prlimit64": (302, 0, 4, 0, 0),
    "unshare": (272, 0x1000_0000),
    "mount": (165, 0, 0, 0, 0, 0),
    "io_uring_setup": (425, 8, 0),
    "memfd_create": (319, "x", 0),
    "userfaultfd": (323, 0),
    "keyctl": (250, 0, 0, 0, 0, 0),
    "mmap of code": (9, 0, 4_096, 5, 0x22, -1, 0),
    "mprotect to code": (10, 0, 4_096, 5),
}


class Confined:
    """A process that has confined itself and tries what it is told."""

    def __init__(self, empty: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONFINED, str(empty)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=empty.parent,
        )
        self.by = self._heard()

    def _heard(self) -> list[str]:
        assert self.process.stdout is not None
        found: list[str] = json.loads(self.process.stdout.readline())
        return found

    def tries(self, *call: int | str) -> tuple[int, int]:
        """Return what the call gave and its errno."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(call).encode() + b"\n")
        self.process.stdin.flush()
        done, number = self._heard()
        return int(done), int(number)


@contextmanager
def confined(place: Path) -> Iterator[Confined]:
    empty = place / "empty"
    empty.mkdir(mode=0o755)
    one = Confined(empty)
    with one.process:
        try:
            yield one
        finally:
            one.process.kill()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confined]:
    with confined(tmp_path_factory.mktemp("confined")) as one:
        yield one


@needs_filters
def test_it_says_what_confines_it(process: Confined) -> None:
    assert {"no_new_privs", "no_capabilities", "no_core", "system_calls"} <= set(process.by)
    lines = Path(f"/proc/{process.process.pid}/status").read_text().splitlines()
    said = dict(line.split(":\t", 1) for line in lines)
    assert (said["Seccomp"], said["NoNewPrivs"], int(said["CapEff"], 16)) == ("2", "1", 0)


@needs_filters
@pytest.mark.parametrize("name", FORBIDDEN)
def test_it_is_refused(process: Confined, name: str) -> None:
    assert process.tries(*FORBIDDEN[name]) == (-1, EPERM)


@needs_filters
def test_its_work_is_not_refused(process: Confined) -> None:
    assert process.tries(39)[0] == process.process.pid  # getpid
    for protection in (1, 3):
        assert process.tries(9, 0, 4_096, protection, 0x22, -1, 0)[0] > 0  # mmap of data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the user of that process")
def test_its_own_user_cannot_look_into_it(process: Confined) -> None:
    target = process.process.pid
    looks = f"""
import ctypes, os
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, {target}, 0, 0), ctypes.get_errno())
for name in ("mem", "maps", "environ", "auxv", "fd/0"):
    try:
        open("/proc/{target}/" + name, "rb").read(1)
        print(name)
    except OSError as error:
        print(error.errno)
"""
    done = subprocess.run([sys.executable, "-I", "-c", looks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-1", "1", "13", "13", "13", "13", "13"]
    if shutil.which("gcore"):
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        assert subprocess.run([*user, "gcore", str(target)], capture_output=True, cwd="/tmp").returncode != 0


def test_its_death_leaves_no_core(tmp_path: Path) -> None:
    with confined(tmp_path) as dying:
        assert dying.process.stdin is not None
        dying.process.stdin.close()  # then it reads at address 0
        ended = os.waitid(os.P_PID, dying.process.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGSEGV)  # not CLD_DUMPED
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_the_program_is_whole() -> None:
    """Every jump stays within the program, which ends by refusing."""
    code = seccomp.program(seccomp.CALLS.values(), seccomp.NO_CODE.values())
    steps = list(struct.iter_unpack("<HBBI", code))
    assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.REFUSE)
    for at, (code_of, yes, no, _) in enumerate(steps):
        assert at + 1 + max(yes, no) < len(steps) or code_of == seccomp.RETURN
    assert len(set(seccomp.CALLS.values()) | set(seccomp.NO_CODE.values())) == len(seccomp.CALLS) + 2


LEAVES = """
import resource
from ctypes import CDLL
from collector.privilege import leave_no_core
leave_no_core()
print(CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_who_reads_a_capture_leaves_no_core() -> None:
    """It opens files and Kafka as it goes, so no system call is refused; yet no other process looks into it."""
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "0 (0, 0)\n"
