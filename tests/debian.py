"""Programs of Debian's that tests need: installed where that may be done, and then they must be there."""

import os
import shutil
import subprocess

import pytest

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


def apt(*command: str, cwd: str | None = None) -> None:
    """Run a command of apt's as root, its lists brought first; skips where we are not or there is none."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"as root, with apt: {' '.join(command)}")
    for words in (["apt-get", "update", "-qq"], list(command)):
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr[-300:]}"
