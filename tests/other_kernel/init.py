"""The first process of the emulated machine: mounts what tests look at, runs them, tells how they ended, switches off.

Started by the kernel as /init, with nothing but the archive; what it prints goes to the serial line.
"""

import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

SAID = "SBISCOPE TESTS ENDED WITH "
FILESYSTEMS = {
    "proc": "/proc",
    "sysfs": "/sys",
    "devtmpfs": "/dev",
    "tmpfs": "/tmp",
    "tracefs": "/sys/kernel/tracing",
    "debugfs": "/sys/kernel/debug",
    "bpf": "/sys/fs/bpf",
}
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 1, 64
POWER_OFF = 0x4321FEDC  # reboot(2)
HOOKS = {"fexit", "kprobe", "syscall"}  # that Debian's stock kernel takes (6.1); sock wants tracepoints of 6.3
SKIPPED = re.compile(r"SKIPPED \[\d+\] ")
NOT_LOADED = re.compile(r"hook (\w+) does not load here")

libc = ctypes.CDLL(None, use_errno=True)


def mount_all() -> None:
    """Mount the kernel's file systems."""
    for kind, place in FILESYSTEMS.items():
        if libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None):
            print(f"{place}: {os.strerror(ctypes.get_errno())}", flush=True)


def loopback_up() -> None:
    """Let 127.0.0.1 be there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def is_missing(line: str) -> bool:
    """Tell whether pytest says by `line` that something was skipped that has to run on this kernel."""
    hook = NOT_LOADED.search(line)
    return SKIPPED.match(line) is not None and (hook is None or hook.group(1) in HOOKS)


def followed(command: list[str], place: str, environment: dict[str, str]) -> int:
    """Run tests and print what they say; return their exit status, 1 where they ended well without some of theirs."""
    missing = False
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            print(line.rstrip(), flush=True)
            missing |= is_missing(line)
    return tests.returncode or int(missing)


def main() -> None:
    """Run the tests that the kernel's command line names behind `--`."""
    mount_all()
    loopback_up()
    print(f"{os.uname().release}, up {time.monotonic():.0f} s", flush=True)
    place, path = os.environ["PROJECT"], os.environ["PACKAGES"]
    Path(place).mkdir(exist_ok=True)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "-o", "addopts=", *sys.argv[1:]]
    print(f"{SAID}{followed(command, place, environment)}", flush=True)
    os.sync()
    libc.reboot(ctypes.c_uint(POWER_OFF))


if __name__ == "__main__":
    main()
