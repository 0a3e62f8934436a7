"""`sbiscope doctor --inventory`: who talks to whom on this node just now, SBI or not, by process, container and pod.

Asked of /proc, network namespace by network namespace; how much is told by `sbi.flows`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from collector.tcp_table import LISTEN, OPEN, TcpSocket, sockets_in
from collector.workload import Caller, Workload

PROC = Path("/proc")
SOCKET = "socket:["
HEADS = ("process", "workload", "role", "here", "peer", "connections")
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Talk:
    """Connections of one process that differ in nothing but the port of the client.

    here, peer: with a port at the end that serves. role: of the process; client, server or listening.
    """

    process: str
    workload: str
    role: str
    here: str
    peer: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The talks and how many connections each has. unseen: processes whose files may not be read."""

    talks: Counter[Talk]
    unseen: int


def inventory(workload_of: Callable[[Caller], Workload], proc: Path = PROC) -> Inventory:
    """Return what the sockets of all processes say; `workload_of` names a process's container and pod."""
    talks: Counter[Talk] = Counter()
    owners, unseen = _owners(proc)
    for netns, process_id in _namespaces(proc).items():
        found = list(_sockets(proc / str(process_id) / "net"))
        served = {one.local_port for one in found if one.state == LISTEN}
        for one in found:
            if one.state == LISTEN or one.state in OPEN:
                pid = owners.get(one.inode)
                name, where = (UNKNOWN, "") if pid is None else _named(proc, pid, netns, workload_of)
                talks[_talk(name, where, one, one.local_port in served)] += 1
    return Inventory(talks, unseen)


def lines(found: Inventory) -> Iterator[str]:
    """Give the inventory as a table, and what it does not show."""
    order = sorted(found.talks, key=attrgetter("workload", "process", "role", "here", "peer"))
    said = [HEADS, *((t.process, t.workload, t.role, t.here, t.peer, str(found.talks[t])) for t in order)]
    rows = [tuple(map(_inert, row)) for row in said]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    if found.unseen:
        yield f"{found.unseen} processes may not be looked into: their connections stand under {UNKNOWN}; run as root"


def _talk(name: str, where: str, one: TcpSocket, serves: bool) -> Talk:
    here, peer = one.local_address, one.remote_address
    if one.state == LISTEN:
        return Talk(name, where, "listening", _with_port(here, one.local_port), "")
    if serves:
        return Talk(name, where, "server", _with_port(here, one.local_port), peer)
    return Talk(name, where, "client", here, _with_port(peer, one.remote_port))


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _named(proc: Path, pid: int, netns: int, workload_of: Callable[[Caller], Workload]) -> tuple[str, str]:
    try:
        name = (proc / str(pid) / "comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return UNKNOWN, ""  # it has ended
    found = workload_of(Caller(pid, name, 1, netns))
    pod = f"{found.namespace}/{found.pod}" if found.pod is not None else found.pod_uid or ""
    container = found.container_name or (found.container_id or "")[:12]
    return name, "/".join(filter(None, (pod, container)))


def _namespaces(proc: Path) -> dict[int, int]:
    """Return a process of each network namespace."""
    found: dict[int, int] = {}
    for pid in _pids(proc):
        try:
            found.setdefault((proc / str(pid) / "ns" / "net").stat().st_ino, pid)
        except OSError:
            continue  # another user's, or it has ended
    return found


def _owners(proc: Path) -> tuple[dict[int, int], int]:
    """Return a process of each socket by inode, and how many processes may not be looked into."""
    owners: dict[int, int] = {}
    unseen = 0
    for pid in _pids(proc):
        try:
            targets = list(map(_target, (proc / str(pid) / "fd").iterdir()))
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue
        for target in targets:
            if target.startswith(SOCKET):
                owners.setdefault(int(target[len(SOCKET) : -1]), pid)
    return owners, unseen


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""  # closed meanwhile


def _pids(proc: Path) -> list[int]:
    return sorted(int(one.name) for one in proc.iterdir() if one.name.isdigit())


def _sockets(net: Path) -> Iterator[TcpSocket]:
    for name in ("tcp", "tcp6"):
        try:
            yield from sockets_in((net / name).read_text())
        except OSError:
            continue  # a kernel without IPv6


def _inert(text: str) -> str:
    """Return a text without what a terminal would obey: a process names itself as it likes."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
