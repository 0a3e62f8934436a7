"""The name that Podman gave a container: it stands in the command line of the monitor (conmon) above its processes.

Anybody may read that, of other users' containers too: no right is needed, and no file of the runtime.
"""

from itertools import pairwise
from pathlib import Path

MONITOR = "conmon"
MOST_STEPS = 64  # from a process to the first of its container, and one more
MOST_BYTES = 65_536


def name_above(proc: Path, process_id: int, container_id: str) -> str | None:
    """Return what the container is called that a process is in, None where no monitor of it is above the process."""
    for _ in range(MOST_STEPS):
        parent = _parent(proc, process_id)
        if parent is None or parent <= 1:
            return None
        process_id = parent
        if name := name_in(_words(proc, process_id), container_id):
            return name
    return None


def name_in(words: list[str], container_id: str) -> str | None:
    """Return the name in a monitor's command line, None where it is none, or another container's."""
    if not words or words[0].rpartition("/")[2] != MONITOR:
        return None
    said = dict(reversed([*pairwise(words)]))  # of an option given twice the first
    return (said.get("-n") or None) if said.get("-c") == container_id else None


def _parent(proc: Path, process_id: int) -> int | None:
    try:
        behind_name = (proc / str(process_id) / "stat").read_text(errors="replace").rpartition(")")[2]
        return int(behind_name.split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _words(proc: Path, process_id: int) -> list[str]:
    try:
        with (proc / str(process_id) / "cmdline").open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace").split("\0")
    except OSError:
        return []
