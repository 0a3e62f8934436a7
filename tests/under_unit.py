"""Runs a command under a systemd unit's system call filter: `python -m tests.under_unit UNIT COMMAND ...`.

The filter is what systemd itself makes of the unit's words; every other call fails with EPERM, as the units want it.
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from collector import seccomp

UNITS = Path(__file__).parent.parent / "deploy" / "systemd"
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, REFUSE_EXEC_GAIN = 38, 65, 1


def is_possible() -> bool:
    """Tell whether this machine can filter and knows the calls by name."""
    return bool(shutil.which("systemd-analyze")) and HEADER.exists() and platform.machine() == seccomp.MACHINE


def settings(unit: str, section: str = "Service") -> dict[str, list[str]]:
    """Return what stands in a section of a unit (systemd.syntax(7)); a key may stand several times."""
    found: dict[str, list[str]] = {}
    here = ""
    for line in (UNITS / unit).read_text().splitlines():
        if line.startswith("["):
            here = line.strip("[]")
        elif here == section and "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def members(word: str) -> set[str]:
    """Return the system calls that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", word]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    words = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(members, words))


def allowed(unit: str) -> set[str]:
    """Return the names of the system calls that a unit is left with: a line that begins with ~ takes away."""
    found: set[str] = set()
    for line in settings(unit)["SystemCallFilter"]:
        named = set().union(*map(members, line.lstrip("~").split()))
        found = found - named if line.startswith("~") else found | named
    return found


def main() -> None:
    unit, *command = sys.argv[1:]
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text()))
    calls = sorted(int(numbers[name]) for name in allowed(unit) if name in numbers)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if settings(unit).get("MemoryDenyWriteExecute") == ["yes"]:
        libc.prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # Linux 6.3 and later
    code = seccomp.program(calls, ())
    filtered = seccomp._Program(len(code) // 8, code)
    assert libc.syscall(seccomp.SYS_SECCOMP, seccomp.SET_MODE_FILTER, 0, ctypes.byref(filtered)) == 0
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
