"""How a process leaves the network, the file system and the users of its node behind, without any right to begin with.

A user namespace of its own gives it the rights to leave (user_namespaces(7)); they end with privilege.drop.
"""

import ctypes
import os
from contextlib import suppress

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
CLONE_NEWUSER, CLONE_NEWNET = 0x1000_0000, 0x4000_0000

_libc = ctypes.CDLL(None, use_errno=True)


def leave(empty: str) -> tuple[str, ...]:
    """Leave what can be left; return the names of it. `empty`: a directory that becomes all there is of files.

    A kernel or a container's policy may forbid it; then what is not left is missing in the answer.
    """
    if not _unshare(CLONE_NEWUSER):
        return ()
    flags = (("net", CLONE_NEWNET), ("ipc", CLONE_NEWIPC), ("uts", CLONE_NEWUTS), ("mount", CLONE_NEWNS))
    left = ["user", *(name for name, flag in flags if _unshare(flag))]
    with suppress(OSError):
        os.chroot(empty)
        os.chdir("/")
        left.append("root")
    return tuple(left)


def _unshare(flag: int) -> bool:
    return bool(_libc.unshare(flag) == 0)
