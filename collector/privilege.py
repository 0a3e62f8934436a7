"""How the observer gives up what it needed to start: after this it can read its mapped ring and talk to its sink."""

import ctypes
import os
import resource

from schemas.refusal import Refusal

NOBODY = 65_534
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 8, 24, 38, 47  # prctl(2)
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
ADVICE = "run it as root, or with CAP_BPF and CAP_PERFMON only"
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 2, 19
CAPABILITY_VERSION = 0x20080522  # capget(2): version 3, two words a set
LAST_CAPABILITY = "/proc/sys/kernel/cap_last_cap"

_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHead(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


def keep(*capabilities: int) -> None:
    """Become nobody, with at most these capabilities, and let nothing that starts from here on gain a right."""
    mask = sum(1 << capability for capability in capabilities) & effective_capabilities()
    _prctl(PR_SET_KEEPCAPS, 1)
    become_nobody()
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _set_capabilities(mask)


def hand_on() -> None:
    """Let the program that this one becomes, and what that begins, have the capabilities of now (capabilities(7))."""
    mask = effective_capabilities()
    _set_capabilities(mask, inherited=mask)
    for capability in range(mask.bit_length()):
        if mask >> capability & 1:
            _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def forbid_gain() -> None:
    """Let nothing that starts from here on gain a right: before any thread is made, since each has its own state."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    with open(LAST_CAPABILITY) as text:  # noqa: PTH123 (pathlib is a megabyte, and processes wait in here all their life)
        last = int(text.read())
    for capability in range(last + 1):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # EPERM where it is not held: nothing to lose then
    if os.geteuid() != 0:
        _drop_capabilities()


def leave_no_core() -> None:
    """Close this process to other processes' eyes (ptrace, /proc, core files), as who holds the key or identifiers."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(PR_SET_DUMPABLE, 0)  # the limit alone does not keep a core from a program that the kernel pipes it to


def become_nobody() -> None:
    """Take the user and group that own nothing, where this is root and may: not in a user namespace without that user.

    The root of a container without CAP_SETUID stays what it is: a user without rights once its capabilities are gone.
    """
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError:
            pass


def drop() -> None:
    """Become nobody, without capabilities, closed to other processes' eyes (ptrace, /proc, core files).

    Raises Refusal where a capability is left.
    """
    become_nobody()
    _drop_capabilities()
    leave_no_core()
    if effective_capabilities():
        seen = f"capabilities {effective_capabilities():#x} are left"
        raise Refusal("the observer cannot give up its rights", seen, ADVICE)


def effective_capabilities() -> int:
    """Return the effective capabilities of this thread as a bit mask (capget(2))."""
    words = (ctypes.c_uint32 * 6)()
    if _libc.capget(ctypes.byref(_CapabilityHead(CAPABILITY_VERSION, 0)), words):
        raise _failed("capget")
    return int(words[0]) | int(words[3]) << 32


def _drop_capabilities() -> None:
    _set_capabilities(0)


def _set_capabilities(mask: int, inherited: int = 0) -> None:
    """Make `mask` the effective and permitted capabilities, `inherited` the inheritable ones, of those below 32."""
    head = _CapabilityHead(CAPABILITY_VERSION, 0)
    if _libc.capset(ctypes.byref(head), (ctypes.c_uint32 * 6)(mask, mask, inherited)):
        raise _failed("capset")


def _prctl(option: int, value: int, which: int = 0) -> None:
    if _libc.prctl(option, value, which, 0, 0):
        raise _failed("prctl")


def _failed(call: str) -> Refusal:
    seen = f"{call}: {os.strerror(ctypes.get_errno())}"
    return Refusal("the observer cannot give up its rights", seen, ADVICE)
