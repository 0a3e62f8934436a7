"""`sbiscope doctor` tells the truth of this machine: each of its lines is looked up in another way."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.demo import observing_line

ROOT = Path(__file__).parent.parent
BTF = Path("/sys/kernel/btf/vmlinux")
HOOKS = ("sock", "fexit", "kprobe", "syscall")
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39

Line = tuple[bool, str]


def said(*command: str) -> str:
    """Return all that a command prints."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def doctor(**environment: str) -> tuple[int, dict[str, Line]]:
    """Run it; return its code, and of each line whether it is fine and what it tells."""
    command = [sys.executable, "-m", "deploy.cli", "doctor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.stderr == ""
    found = {}
    for line in done.stdout.splitlines():
        parts = re.fullmatch(r"(ok     |missing) ([^:]+): (.+)", line)
        assert parts, line
        found[parts[2]] = parts[1] == "ok     ", parts[3]
    return done.returncode, found


@pytest.fixture(scope="module")
def machine() -> tuple[int, dict[str, Line]]:
    return doctor()


def python() -> Line:
    version = said(sys.executable, "--version").split()[1]
    return True, version


def build() -> Line:
    compiled = any((ROOT / "collector").glob("http2.*.so"))
    return compiled, "compiled" if compiled else "uncompiled"


def java() -> Line:
    found = re.search(r'version "((\d+)[^"]*)"', said("java", "-version")) if shutil.which("java") else None
    return bool(found and int(found[2]) >= 17), found[1] if found else "no java"


def engine() -> Line:
    there = not said(sys.executable, "-c", "import importlib.metadata as m; m.version('chdb')")
    return there, "chdb" if there else "not installed"


def kernel() -> Line:
    release = said("uname", "-r").strip()
    numbers = tuple(map(int, re.findall(r"\d+", release)[:2]))
    return numbers >= (5, 8) and platform.machine() == "x86_64", release


def btf() -> Line:
    there = BTF.exists()
    return there, f"{len(BTF.read_bytes()) // 1_024} KiB" if there else "no /sys/kernel/btf/vmlinux"


def rights() -> Line:
    held = int(re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text())[0], 16)
    may = bool(held >> CAP_SYS_ADMIN & 1 or (held >> CAP_BPF & 1 and held >> CAP_PERFMON & 1))
    return may, "with CAP_BPF" if may else "no CAP_"


def bcc() -> Line:
    version = said("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "python3-bpfcc").split()
    there = version[0] == "installed"
    return there, version[1].partition("+")[0] if there else "no /usr/lib/python3/dist-packages/bcc"


TOLD: dict[str, Callable[[], Line]] = {
    "Python": python,
    "build": build,
    "Java": java,
    "ClickHouse engine": engine,
    "kernel": kernel,
    "BTF": btf,
    "rights": rights,
    "bcc": bcc,
}


@pytest.mark.parametrize("name", TOLD)
def test_a_line_is_true(machine: tuple[int, dict[str, Line]], name: str) -> None:
    if name == "bcc" and not shutil.which("dpkg-query"):
        pytest.skip("no dpkg-query here to compare with")
    is_fine, tells = machine[1][name]
    wanted, seen = TOLD[name]()
    assert is_fine == wanted
    assert seen in tells


def test_memory_is_what_the_kernel_has(machine: tuple[int, dict[str, Line]]) -> None:
    _, tells = machine[1]["memory"]
    told = int(tells.split()[0])
    available = int(re.findall(r"MemAvailable:\s*(\d+)", Path("/proc/meminfo").read_text())[0]) // 1_024
    assert told == pytest.approx(available, rel=0.5)  # others take and give back in between
    assert tells.endswith("the ring takes 32")


def test_a_hook_loads_where_it_says_so_and_only_there(machine: tuple[int, dict[str, Line]]) -> None:
    told = {hook: machine[1][f"hook {hook}"] for hook in HOOKS}
    used = [hook for hook, (_, tells) in told.items() if tells == "loads, in use"]
    for hook, (_, tells) in told.items():
        assert observes(hook) == (f"hook {hook}" if tells.startswith("loads") else ""), tells
    assert observes("auto") == (f"hook {used[0]}" if used else "")
    assert len(used) == any(tells.startswith("loads") for _, tells in told.values())


def observes(hook: str) -> str:
    """Start the agent with a hook; return which it says it has, "" if it refuses to start."""
    command = [sys.executable, "-m", "deploy.cli", "collect", "--to", "/dev/null", "--hook", hook]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        line = observing_line(agent.stderr)
        agent.terminate()
    found = re.search(r"observing .*\((hook \w+)\)", line)
    return found[1] if found else ""


def test_the_code_says_whether_anything_is_missing(machine: tuple[int, dict[str, Line]]) -> None:
    code, lines = machine
    assert code == (0 if all(is_fine for is_fine, _ in lines.values()) else 1)


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    code, lines = doctor(PATH=str(tmp_path), JAVA_HOME="", SBISCOPE_CACHE=str(tmp_path))
    assert code == 1
    for name, install in (("Java", "openjdk-17-jre-headless"), ("Kafka", "maven")):
        is_fine, tells = lines[name]
        assert not is_fine
        assert f"sudo apt-get install {install}" in tells
