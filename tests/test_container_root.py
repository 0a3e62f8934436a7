"""The root of a container has few capabilities and may not become another user: it gives up its rights all the same."""

import os
import shutil
import subprocess
import sys

import pytest

PROGRAM = "from collector import privilege; privilege.keep(*{kept}); print(hex(privilege.effective_capabilities()))"
CHART = "-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search"  # as the chart grants them

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv (util-linux)"),
]


@pytest.mark.parametrize(("kept", "left"), [((19, 2), 1 << 19 | 1 << 2), ((19,), 1 << 19), ((), 0)])
def test_the_attacher_keeps_its_rights_and_no_other(kept: tuple[int, ...], left: int) -> None:
    command = ["setpriv", f"--bounding-set={CHART}", "--inh-caps=-all", sys.executable, "-c", PROGRAM.format(kept=kept)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, hex(left)), done.stderr
