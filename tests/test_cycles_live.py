"""An agent started and ended again and again leaves nothing: no process, no program, no file, no memory.

In turn it is told to end and killed. Memory is that of a control group of its own: what the kernel keeps for it is
counted too (maps of BPF, the ring, per-CPU counters), 59 MB while it lives.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bench.agent_process import with_children
from tests.kernel import LIVE
from tests.test_agent_live import agent, gone, program_ids
from tests.test_tls_live import ended

pytestmark = LIVE
CYCLES = 100 if os.environ.get("SBISCOPE_LONG") else 2
MOUNTS = Path("/proc/mounts")
ENTERS = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
ALIVE_BYTES = 32 * 1_048_576  # the ring alone
LEFT_BYTES = 1_048_576  # names of files that the kernel remembers, 0.2 MB; a hundredth of what a lost map would leave
GONE_S = 30.0  # maps go after a grace period


class Group:
    """A control group's memory; version 1 and 2 tell it in other files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def of_kernel(self) -> int:
        """Return the bytes that the kernel holds for its processes."""
        file = self.folder / "memory.kmem.usage_in_bytes"
        if file.exists():
            return int(file.read_text())
        words = (self.folder / "memory.stat").read_text().split()
        return int(dict(zip(words[::2], words[1::2], strict=True))["kernel"])

    def forget_files(self) -> None:
        """Let go of cached files and names."""
        for name, amount in (("memory.force_empty", "0"), ("memory.reclaim", "1G")):
            if (self.folder / name).exists():
                with suppress(OSError):  # not everything can be
                    (self.folder / name).write_text(amount)

    def left(self) -> int:
        """Return the bytes that the kernel holds once nothing goes any more."""
        until = time.monotonic() + GONE_S
        while self.of_kernel() > LEFT_BYTES and time.monotonic() < until:
            self.forget_files()
            time.sleep(0.1)
        return self.of_kernel()


@pytest.fixture
def group() -> Iterator[Group]:
    for line in MOUNTS.read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        controllers = Path(place) / "cgroup.subtree_control"
        if (kind == "cgroup" and "memory" in options.split(",")) or (
            kind == "cgroup2" and controllers.exists() and "memory" in controllers.read_text().split()
        ):
            made = Group(Path(place) / f"sbiscope-cycles-{os.getpid()}")
            yield made
            made.folder.rmdir()
            return
    pytest.skip("no control groups of memory here")


@pytest.mark.timeout(1_200)
def test_a_hundred_agents_leave_nothing(group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred with SBISCOPE_LONG, two else."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SBISCOPE_COLLECTOR_PORTS", "1")
    start = [sys.executable, "-c", ENTERS, str(group.folder / "cgroup.procs"), sys.executable]
    for turn in range(CYCLES):
        with agent(tmp_path, start=start) as running:
            processes = with_children(running.process.pid)
            programs = set().union(*map(program_ids, processes))
            assert len(programs) >= 3
            assert group.of_kernel() > ALIVE_BYTES
            if turn % 2:
                running.process.kill()
                running.process.wait()
            else:
                running.end()
        assert all(map(ended, processes))
        assert gone(programs)
        assert group.left() <= LEFT_BYTES
        assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]
    assert (group.folder / "cgroup.procs").read_text() == ""
