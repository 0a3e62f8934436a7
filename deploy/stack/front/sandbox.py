"""What the front's process gives up before it opens the engine: its user, new files, new sockets, other programs.

Three walls behind the engine's own grants, each kept by the kernel: Landlock (files, where the kernel has it), seccomp
(no new socket, no program), and, started as root, chroot into the engine's directory as nobody.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65_534

_PR_SET_DUMPABLE, _PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH = 1
_READ = 0b1101  # execute (for mapping libraries), read a file, read a directory
_ALL = {2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF, 5: 0xFFFF}  # what each Landlock version can forbid
_FILE_ONLY = 0b1000000000000111 | 1 << 14  # rights that a rule on a file may have

# (AUDIT_ARCH, system calls that are denied): socket, connect, execve, execveat, ptrace, io_uring_setup.
_DENIED = {
    "x86_64": (0xC000003E, (41, 42, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 203, 221, 281, 117, 425)),
}

_libc = ctypes.CDLL(None, use_errno=True)


def is_root() -> bool:
    """Tell whether this process may become somebody else."""
    return os.geteuid() == 0


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies: no orphan keeps port and data."""
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)


def close_in(data: Path) -> list[str]:
    """Give up new privileges, files outside `data`, new sockets and programs; return the walls that now stand.

    For the thread that calls and those it starts afterwards: call it before anything starts one.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    walls = []
    if _landlock(data):
        walls.append("landlock")
    if _seccomp():
        walls.append("seccomp")
    return walls


def drop_root(data: Path) -> list[str]:
    """Where this is root: see nothing but `data` from now on, as nobody. Its files must be nobody's already."""
    if not is_root():
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        return []
    os.chroot(data)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    die_with_parent()  # a change of user had cleared it
    return ["chroot", "nobody"]


def give_to_nobody(path: Path) -> None:
    """Where this is root: make `path` and all below it nobody's."""
    if not is_root() or path.stat().st_uid == NOBODY:
        return
    for folder, _, files in os.walk(path):
        for name in (".", *files):
            os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)  # noqa: PTH118


def _readable() -> Iterator[str]:
    """Yield what Python and the engine read besides the data: libraries and the machine's size.

    Without `auxv` the engine's library takes for it what stands behind the environment: the heap, once a variable was
    set, and where that says there is code it ended by SIGSEGV as it was loaded.
    """
    yield from {sys.prefix, sys.base_prefix, str(Path(sys.prefix).resolve()), "/usr", "/lib", "/lib64"}
    yield from ("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/sys/fs/cgroup")
    yield from ("/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu")
    yield from (f"/proc/self/{name}" for name in ("auxv", "statm", "status", "stat", "maps", "cgroup", "mountinfo"))


def _landlock(data: Path) -> bool:
    """Forbid every file but `data` and what `_readable` names; tell whether this kernel could."""
    version = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 2:  # before it could, moving files between directories was always forbidden
        return False
    rights = _ALL[min(version, 5)]
    attributes = struct.pack("QQ", rights, 0)[: 8 if version < 4 else 16]
    rules = _libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    for path, allowed in [(str(data), rights), *((one, _READ) for one in _readable())]:
        _allow(rules, path, allowed & rights)
    done: int = _libc.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return done == 0


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not on this machine
    if not os.path.isdir(path):  # noqa: PTH112
        rights &= _FILE_ONLY
    _libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("<Qi", rights, beneath), 0)
    os.close(beneath)


def _seccomp() -> bool:
    """Deny new sockets and programs with EPERM; tell whether this kernel and architecture could."""
    known = _DENIED.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    load, equal, at_least, end = 0x20, 0x15, 0x35, 0x06  # LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
    allow, deny = (end, 0, 0, 0x7FFF0000), (end, 0, 0, 0x00050000 | 1)  # ALLOW, ERRNO(EPERM)
    # Jumps count from the next instruction; the last two are allow and deny. x32 calls begin at 0x40000000.
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), deny, (load, 0, 0, 0)]
    program += [(at_least, len(calls) + 1, 0, 0x40000000)]
    program += [(equal, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    program += [allow, deny]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    # struct sock_fprog: length, padding, pointer.
    form = ctypes.create_string_buffer(struct.pack("H6xQ", len(program), ctypes.addressof(code)))
    done: int = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, form, 0, 0)
    return done == 0
