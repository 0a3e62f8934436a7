"""What tests that load probes into the kernel need, said once: `pytestmark = LIVE`, and which hooks may be missing."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from schemas.refusal import Refusal

LIVE = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"),
]
SINCE = {"syscall": (0, 0), "sock": (6, 3)}  # the Linux from which a hook must load; the others hang on its options


def must_load(hook: str) -> bool:
    """Tell whether this kernel has what a hook needs: then it is our fault where it does not load."""
    major, minor = os.uname().release.split(".")[:2]
    return hook in SINCE and (int(major), int("".join(filter(str.isdigit, minor)))) >= SINCE[hook]


def without(hook: str, refusal: Refusal) -> NoReturn:
    """Skip what wants a hook that this kernel has not; fail where it has it."""
    if must_load(hook):
        raise refusal
    pytest.skip(f"hook {hook} does not load here: {refusal.seen}")
