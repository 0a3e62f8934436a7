"""What the tests of this directory need; without it they are skipped, and say what is missing."""

import os
import shutil

import pytest

MISSING = [
    one
    for one in ("containerd", "runc", "etcd", "go", "buildah", "debootstrap", "java", "iptables")
    if not shutil.which(one)
]
MARKS = [
    pytest.mark.timeout(1_800),
    pytest.mark.skipif("SBISCOPE_KUBERNETES" not in os.environ, reason="takes half an hour: make test-kubernetes"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
