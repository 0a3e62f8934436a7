"""Programs of Debian's that tests need: installed where that may be done, and then they must be there."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

LOCK = Path(tempfile.gettempdir()) / "sbiscope-tests-apt"  # apt has one user at a time, pytest several processes
OPENSSL = ("/usr/include/openssl/ssl.h", "libssl-dev")
GNUTLS = ("/usr/include/gnutls/gnutls.h", "libgnutls28-dev")
NGHTTP2 = ("/usr/include/nghttp2/nghttp2.h", "libnghttp2-dev")
INSTALL = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]


def installed(program: str, *packages: str) -> str:
    """Return the path of a program, installed from `packages` where root finds none.

    Only who may not install skips; where Debian's packages cannot be had or lack the program, the test fails.
    """
    if shutil.which(program) is None:
        apt(*INSTALL, *packages)
    found = shutil.which(program)
    assert found is not None, f"{' '.join(packages)} brought no {program}"
    return found


def can_build_with(*headers: tuple[str, str]) -> None:
    """Have a C compiler and these headers, each by its path and its package: installed as `installed` does."""
    installed("cc", "gcc", "libc6-dev")
    for path, package in headers:
        if not Path(path).exists():
            apt(*INSTALL, package)
        assert Path(path).exists(), f"{package} brought no {path}"


def apt(*command: str, cwd: str | None = None) -> None:
    """Run a command of apt's as root, its lists brought first; skips where we are not or there is none."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"as root, with apt: {' '.join(command)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["apt-get", "update", "-qq"], list(command)):
            done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, env=quiet)
            assert done.returncode == 0, f"{' '.join(words)}: {done.stderr[-300:]}"
