# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""From the kernel's records to connections: which connection a record belongs to, what is told back of it."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

import cython

from collector import record as layout
from collector.awaited_workload import AwaitedWorkloads
from collector.connections import ABSENT, FOREIGN, SBI, Connections
from collector.judge import is_foreign_http1
from collector.message import NOWHERE, Endpoints, Vantage
from collector.record import Head, Role, ending_of, head_of
from collector.workload import Caller, Workload
from schemas.identity import live_connection_id

if cython.compiled:
    from cython.cimports.collector.connections import Connections as Usual
    from cython.cimports.collector.ring import Ring
else:
    from collector.connections import Connections as Usual
    from collector.ring import Ring

TIME_NS = cython.declare(cython.int, layout.OFFSETS["time_ns"])
KEY = cython.declare(cython.int, layout.OFFSETS["key"])
POSITION = cython.declare(cython.int, layout.OFFSETS["position"])
LENGTH = cython.declare(cython.int, layout.OFFSETS["length"])
SLOT = cython.declare(cython.int, layout.OFFSETS["slot"])
LOCAL_PORT = cython.declare(cython.int, layout.OFFSETS["local_port"])
REMOTE_PORT = cython.declare(cython.int, layout.OFFSETS["remote_port"])
KIND = cython.declare(cython.int, layout.OFFSETS["kind"])
DIRECTION = cython.declare(cython.int, layout.OFFSETS["direction"])
ROLE = cython.declare(cython.int, layout.OFFSETS["role"])
VERDICT = cython.declare(cython.int, layout.OFFSETS["verdict"])
HEAD_BYTES = cython.declare(cython.Py_ssize_t, layout.HEAD.size)
DATA = cython.declare(cython.int, int(layout.Kind.DATA))
MISSING = cython.declare(cython.int, int(layout.Kind.MISSING))
CLOSED = cython.declare(cython.int, int(layout.Kind.CLOSED))
FLOW = cython.declare(cython.int, int(layout.Kind.FLOW))
CLIENT = cython.declare(cython.int, int(Role.CLIENT))
SERVER = cython.declare(cython.int, int(Role.SERVER))
JUDGED_SBI = cython.declare(cython.int, layout.SBI)
JUDGED_IGNORED = cython.declare(cython.int, layout.IGNORED)

MOST_FOREIGN = cython.declare(cython.int, 65_536)  # sockets of foreign HTTP/1.1 remembered
UNREAD_NS = cython.declare(cython.longlong, 1_000_000_000)  # how long a closed socket's unread bytes are waited for


def nowhere(_: Caller) -> Workload:
    """Know nothing of any process."""
    return NOWHERE


def untold(_record: bytes, _verdict: int) -> None:
    """Tell nobody of flows."""


@cython.final
@cython.cclass
class Sockets:
    """Gives what the records bring to `connections`, a connection a socket, and the kernel its verdicts.

    Both ends of a connection within the node are two sockets, so two connections. `clock_ns` is added to the kernel's
    monotonic times.
    """

    _connections: Any
    _usual: Usual | None
    _verdicts: Any
    _boot_id: str
    _clock_ns: cython.longlong
    _workload_of: Any
    _tell_flow: Any
    _closing: dict[int, int]
    _foreign: dict[int, None]
    _awaited: Any

    last_ns = cython.declare(cython.longlong, visibility="readonly")

    def __init__(
        self,
        connections: Connections,
        verdicts: memoryview,
        boot_id: str,
        clock_ns: int,
        workload_of: Callable[[Caller], Workload] = nowhere,
        tell_flow: Callable[[bytes, int], None] = untold,
    ) -> None:
        """`verdicts`: the array shared with the kernel, a word a slot. `workload_of`: asked once a connection."""
        self._workload_of = workload_of
        self._tell_flow = tell_flow
        self._connections = connections
        self._usual = connections if isinstance(connections, Usual) else None
        self._verdicts = verdicts
        self._boot_id = boot_id
        self._clock_ns = clock_ns
        self._closing = {}
        self._foreign = {}
        self._awaited = AwaitedWorkloads(workload_of, connections.attribute)
        self.last_ns = 0

    def take(self, records: list[bytes]) -> None:
        """Take records in the order of the ring; `last_ns` is the time of the last one."""
        record: bytes
        for record in records:
            p: cython.p_const_uchar = record
            self._take(p, len(record))

    def take_from(self, ring: Ring, limit: cython.int) -> int:
        """Take up to `limit` records of `ring` where they stand, and return how many; their room is free again.

        Where that fails, all of them stay in the ring for the next process.
        """
        taken: cython.int = 0
        while taken < limit:
            at: cython.longlong = ring.next()
            if at < 0:
                break
            taken += 1
            if cython.compiled:
                self._take(cython.address(ring.data[at]), ring.length)
            else:
                self._take(bytes(ring.data[at : at + ring.length]), ring.length)
        ring.free()
        return taken

    def attribute(self, caller: Caller, workload: Workload) -> None:
        """Let the connections of `caller` that began without a whole workload have this one."""
        self._awaited.told(caller, workload)

    def settle(self, now_ns: int) -> None:
        """End by `now_ns` the closed connections whose last bytes nobody read; ask for workloads that are not known."""
        self._awaited.settle(now_ns)
        if self._closing:
            for key, due_ns in list(self._closing.items()):
                if due_ns <= now_ns:
                    del self._closing[key]
                    self._connections.close(key, due_ns - UNREAD_NS)

    @cython.cfunc
    def _take(self, p: cython.p_const_uchar, size: cython.Py_ssize_t) -> cython.int:
        if size < HEAD_BYTES:
            self._connections.counters.add("short_records")
            return 0
        kind: cython.int = p[KIND]
        time_ns: cython.longlong = cython.cast(cython.longlong, u64(p, TIME_NS)) + self._clock_ns
        key: cython.ulonglong = u64(p, KEY)
        length: cython.uint = u32(p, LENGTH)
        self.last_ns = time_ns
        if kind == DATA and HEAD_BYTES + length <= size:
            data: bytes = p[HEAD_BYTES : HEAD_BYTES + length]
            self._give(p, key, length, data, time_ns)
        elif kind == MISSING:
            self._give(p, key, length, None, time_ns)
        elif kind == CLOSED:
            self._close(p, size, key, time_ns)
        elif kind == FLOW:
            word: cython.ulonglong = self._verdicts[u32(p, SLOT)]
            self._tell_flow(p[:size], word & 3 if word >> 2 == key >> 2 else p[VERDICT])
        else:
            self._connections.counters.add("unknown_records")
        return 0

    @cython.cfunc
    def _give(
        self,
        p: cython.p_const_uchar,
        key: cython.ulonglong,
        length: cython.uint,
        data: bytes | None,
        time_ns: cython.longlong,
    ) -> cython.int:
        if p[VERDICT] == 0 and data is not None and self._is_foreign(p, key, data, time_ns):
            return 0
        from_client: cython.bint = is_client(p) == (p[DIRECTION] == 0)
        position: cython.longlong = cython.cast(cython.longlong, u64(p, POSITION))
        verdict = self._offer(key, from_client, position, length, data, time_ns)
        if verdict is ABSENT:
            if data is not None and data.startswith(b"HTTP/1."):
                return 0  # joined at an answer: its next request tells what this is
            head = head_of(p[:HEAD_BYTES])
            seen_from_start = position == 0 and head.role != Role.JOINED  # else evicted here, or its first record lost
            begins = None if position else (0, 0)
            self._connections.open(key, self._ends(head), time_ns, seen_from_start, begins)
            verdict = self._offer(key, from_client, position, length, data, time_ns)
        wanted: cython.int = 0
        if verdict is SBI:
            wanted = JUDGED_SBI
        elif verdict is FOREIGN:
            wanted = JUDGED_IGNORED
        if wanted and wanted != p[VERDICT]:
            self._verdicts[u32(p, SLOT)] = key | wanted
        return 0

    @cython.cfunc
    def _is_foreign(
        self, p: cython.p_const_uchar, key: cython.ulonglong, data: bytes, time_ns: cython.longlong
    ) -> cython.bint:
        """Tell whether a socket without verdict speaks HTTP/1.1 about something else than SBI; then it has one."""
        if key not in self._foreign:
            if not is_foreign_http1(data):
                return False
            self._connections.close(key, time_ns)
            self._connections.traffic.add("foreign_http1_connections")
            if len(self._foreign) >= MOST_FOREIGN:
                del self._foreign[next(iter(self._foreign))]
            self._foreign[key] = None
        self._verdicts[u32(p, SLOT)] = key | JUDGED_IGNORED
        return True

    @cython.cfunc
    def _offer(
        self,
        key: cython.ulonglong,
        from_client: cython.bint,
        position: cython.longlong,
        length: cython.uint,
        data: bytes | None,
        time_ns: cython.longlong,
    ) -> object:
        if data is None:
            return self._connections.missing(key, from_client, position, length, time_ns)
        usual: Usual | None = self._usual
        if usual is not None:  # as one compiled function calls the other
            return usual.chunk(key, from_client, position, data, time_ns)
        return self._connections.chunk(key, from_client, position, data, time_ns)

    @cython.cfunc
    def _close(
        self, p: cython.p_const_uchar, size: cython.Py_ssize_t, key: cython.ulonglong, time_ns: cython.longlong
    ) -> cython.int:
        """End a connection; what its last calls moved and no record brought becomes a gap."""
        end = ending_of(p[:size])
        client: cython.bint = is_client(p)
        self._connections.missing(key, client, end.sent, 0, time_ns)
        self._connections.missing(key, not client, end.received, 0, time_ns)
        if end.unread > 1:
            self._closing[key] = time_ns + UNREAD_NS
        else:
            self._connections.close(key, time_ns)
        return 0

    def _ends(self, head: Head) -> Endpoints:
        """Return the ends of a socket first seen; one joined late is taken for the lower port's server."""
        local, remote = (address(head.family, octets) for octets in (head.local, head.remote))
        connection_id = live_connection_id(self._boot_id, head.key, head.key & (1 << 56) - 1)
        is_local_client = head.role == Role.CLIENT or (
            head.role == Role.JOINED and not head.local_port < head.remote_port
        )
        ends = ((local, head.local_port), (remote, head.remote_port))
        caller = caller_of(head)
        client, server = ends if is_local_client else ends[::-1]
        workload = self._workload_of(caller)
        if workload is NOWHERE or not workload.is_whole:
            self._awaited.wait(head.key, caller, self.last_ns)
        elif len(self._awaited):
            self._awaited.told(caller, workload)
        return Endpoints(
            connection_id,
            Vantage.CLIENT if is_local_client else Vantage.SERVER,
            head.layer == layout.TLS_BYTES,
            *client,
            *server,
            process_id=head.process_id or None,
            process_name=caller.process_name or None,
            netns=head.netns or None,
            workload=workload,
            answers_from=(head.answers_from or None) if head.layer == layout.SOCKET_BYTES else None,
        )


def caller_of(head: Head) -> Caller:
    """Return the process of a record."""
    name = head.process_name.rstrip(b"\0").decode(errors="replace")
    return Caller(head.process_id, name, head.cgroup, head.netns)


def address(family: int, octets: bytes) -> str:
    """Return an address as text; one of IPv4 stays one, in whichever socket (RFC 4291 2.5.5.2)."""
    if not family:
        return ""
    found = ip_address(octets if family == 10 else octets[:4])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def is_client(p: cython.p_const_uchar) -> cython.bint:
    """Tell whether the record's socket is a client's; the lower port is taken for a server's where nothing is known."""
    if p[ROLE] == CLIENT:
        return True
    if p[ROLE] == SERVER:
        return False
    return u16(p, LOCAL_PORT) >= u16(p, REMOTE_PORT)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def u16(p: cython.p_const_uchar, at: cython.int) -> cython.uint:
    """Return the 16-bit number at `at`."""
    low: cython.uint = p[at]
    high: cython.uint = p[at + 1]
    return low | high << 8


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def u32(p: cython.p_const_uchar, at: cython.int) -> cython.uint:
    """Return the 32-bit number at `at`."""
    high: cython.uint = u16(p, at + 2)
    return u16(p, at) | high << 16


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def u64(p: cython.p_const_uchar, at: cython.int) -> cython.ulonglong:
    """Return the 64-bit number at `at`."""
    high: cython.ulonglong = u32(p, at + 4)
    return u32(p, at) | high << 32
