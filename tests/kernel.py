"""What tests that load probes into the kernel need, said once: `pytestmark = LIVE`."""

import os
from pathlib import Path

import pytest

LIVE = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"),
]
