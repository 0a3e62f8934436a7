"""The name that Podman gave a container: it stands in the command line of the monitor (conmon) above its processes.

Anybody may read that, of other users' containers too: no right is needed, and no file of the runtime. Any program may
call itself so: a monitor is believed only outside of every container, and of root or of whose the container is.
"""

import re
from itertools import pairwise
from pathlib import Path

from collector.cgroup import place_of

MONITOR = "conmon"
MOST_STEPS = 64  # from a process to the first of its container, and one more
MOST_BYTES = 65_536
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")  # of containers of Podman and Docker
ROOT_USER = 0
WHOLE_MAP = 4_294_967_295  # user_namespaces(7): all users, so that they are nobody's own


def name_above(proc: Path, process_id: int, container_id: str) -> str | None:
    """Return what the container is called that a process is in, None where no monitor of it is above the process."""
    above = process_id
    for _ in range(MOST_STEPS):
        parent = _parent(proc, above)
        if parent is None or parent <= 1:
            return None
        above = parent
        if name := name_in(_words(proc, above), container_id):
            return name if _may_name(proc, above, process_id) else None
    return None


def name_in(words: list[str], container_id: str) -> str | None:
    """Return the name in a monitor's command line, None where it is none, or another container's."""
    if not words or words[0].rpartition("/")[2] != MONITOR:
        return None
    said = dict(reversed([*pairwise(words)]))  # of an option given twice the first
    name = said.get("-n", "")
    return name if said.get("-c") == container_id and NAME.fullmatch(name) else None


def _may_name(proc: Path, monitor: int, process_id: int) -> bool:
    """Tell whether a monitor is no container's own program, and of root or of whose the process is."""
    cgroup, user = _text(proc, monitor, "cgroup"), _user(proc, monitor)
    if not cgroup or user is None or place_of(cgroup).container_id is not None:
        return False
    return user in {ROOT_USER, _user(proc, process_id)} or _is_mapped(_text(proc, process_id, "uid_map"), user)


def _is_mapped(users: str, user: int) -> bool:
    """Tell whether a user namespace holds a user: that of a container of no root has its owner's and those given it."""
    for line in users.splitlines():
        _, first, count = map(int, line.split())
        if count < WHOLE_MAP and first <= user < first + count:
            return True
    return False


def _user(proc: Path, process_id: int) -> int | None:
    """Return the real user; the owner of its directory is root's for any program that cannot be dumped."""
    for line in _text(proc, process_id, "status").split("\n"):  # a name may hold other ends of lines
        if line.startswith("Uid:"):
            return int(line.split()[1])
    return None


def _parent(proc: Path, process_id: int) -> int | None:
    try:
        behind_name = (proc / str(process_id) / "stat").read_text(errors="replace").rpartition(")")[2]
        return int(behind_name.split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _words(proc: Path, process_id: int) -> list[str]:
    return _text(proc, process_id, "cmdline").split("\0")


def _text(proc: Path, process_id: int, name: str) -> str:
    try:
        with (proc / str(process_id) / name).open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
