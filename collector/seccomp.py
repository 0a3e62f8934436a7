"""Which system calls the observer is left with: every other is refused from then on, for good (seccomp(2)).

It reads a mapped ring, talks over sockets it holds and manages its memory. It can open, execute, trace, map code, make
sockets or processes no more, whatever the octets that it parses may make of it.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable

# x86-64, arch/x86/entry/syscalls/syscall_64.tbl. Of other machines no table is at hand: there nothing is filtered.
MACHINE, AUDIT_ARCH, SYS_SECCOMP = "x86_64", 0xC000_003E, 317
CALLS = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "munmap": 11, "brk": 12,
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "writev": 20, "select": 23, "sched_yield": 24,
    "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "exit": 60, "gettimeofday": 96, "sigaltstack": 131, "gettid": 186, "futex": 202,
    "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
    "pselect6": 270, "ppoll": 271, "getrandom": 318, "membarrier": 324, "rseq": 334,
}  # fmt: skip
NO_CODE = {"mmap": 9, "mprotect": 10}  # only for memory that holds no code
X32 = 0x4000_0000  # numbers of the other ABI of the same machine begin here
PROT_EXEC = 4
# struct seccomp_data: number, machine, address, six arguments; the third says what memory is for.
NUMBER_AT, MACHINE_AT, PROTECTION_AT = 0, 4, 32
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JGE, JSET, RET|K
ALLOW, REFUSE, KILL = 0x7FFF_0000, 0x0005_0000 | errno.EPERM, 0x8000_0000
SET_MODE_FILTER, OF_ALL_THREADS = 1, 1  # SECCOMP_FILTER_FLAG_TSYNC

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict() -> bool:
    """Refuse all calls but those of the tables; False where kernel, machine or a container's policy has no filters.

    Needs no_new_privs or CAP_SYS_ADMIN.
    """
    if platform.machine() != MACHINE:
        return False
    code = program(CALLS.values(), NO_CODE.values())
    filtered = _Program(len(code) // 8, code)
    return bool(_libc.syscall(SYS_SECCOMP, SET_MODE_FILTER, OF_ALL_THREADS, ctypes.byref(filtered)) == 0)


def program(calls: Iterable[int], no_code: Iterable[int]) -> bytes:
    """Return the classic BPF program (struct sock_filter: code, jump if true, if false, operand)."""
    steps = [(LOAD, 0, 0, MACHINE_AT), (EQUAL, 1, 0, AUDIT_ARCH), (RETURN, 0, 0, KILL)]
    steps += [(LOAD, 0, 0, NUMBER_AT), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for number in calls:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    for number in no_code:
        steps += [(EQUAL, 0, 4, number), (LOAD, 0, 0, PROTECTION_AT), (ANY_BIT, 0, 1, PROT_EXEC)]
        steps += [(RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    steps.append((RETURN, 0, 0, REFUSE))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
