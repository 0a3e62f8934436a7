# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which connection a TCP segment belongs to, from which end it comes and where its bytes stand (RFC 9293)."""

from collections import OrderedDict
from ipaddress import ip_address

import cython

from collector.connections import ABSENT, FOREIGN, UNDECIDED
from collector.message import Counters, Endpoints, Vantage
from schemas.identity import captured_connection_id

if cython.compiled:
    from cython.cimports.collector.connections import Connections
else:
    from collector.connections import Connections

FIN = cython.declare(cython.int, 0x01)
SYN = cython.declare(cython.int, 0x02)
RST = cython.declare(cython.int, 0x04)
ACK = cython.declare(cython.int, 0x10)

WHOLE = cython.declare(cython.longlong, 1 << 32)  # sequence numbers
HALF = cython.declare(cython.longlong, 1 << 31)
BEFORE_JOIN = cython.declare(cython.longlong, 1 << 32)  # where a direction joined late begins: room for what is older
OLD = cython.declare(cython.longlong, -(1 << 26))  # further back than any retransmission of an SBI connection
AHEAD = cython.declare(cython.longlong, 1 << 30)  # no window is larger (RFC 7323 2.3)
TOUCH_NS = cython.declare(cython.longlong, 100_000_000)


@cython.final
@cython.cclass
class Direction:
    """One direction of a flow: how its 32-bit sequence numbers continue to 64-bit positions."""

    def __init__(self, flow: "Flow", from_client: bool) -> None:
        """Begin with nothing seen; initial: its SYN's sequence number; sequence, position: of the furthest segment."""
        self.flow = flow
        self.from_client = from_client
        self.known = False
        self.initial = -1
        self.sequence = 0
        self.position = 0
        self.finished = False

    def begin(self, initial: cython.longlong) -> cython.void:
        """Position 0 follows the sequence number of the SYN."""
        self.known = True
        self.initial = initial
        self.sequence = (initial + 1) % WHOLE
        self.position = 0

    def ahead(self, sequence: cython.longlong) -> cython.longlong:
        """Return how far `sequence` lies before (+) or behind (-) the furthest segment, modulo 2^32."""
        if not self.known:
            self.known = True
            self.sequence = sequence
            self.position = BEFORE_JOIN
            return 0
        step: cython.longlong = sequence - self.sequence
        if step >= HALF:
            return step - WHOLE
        if step < -HALF:
            return step + WHOLE
        return step


@cython.final
@cython.cclass
class Flow:
    """One connection as its segments tell it."""

    def __init__(self, key: int, ends: bytes, first_ns: int, from_start: bool) -> None:
        """Begin; ends: client to server. opened: given to Connections."""
        self.key = self.first_packet = key
        self.ends = ends
        self.first_ns = self.touched_ns = first_ns
        self.client = Direction(self, True)
        self.server = Direction(self, False)
        self.opened = self.closed = self.foreign = False
        self.from_start = from_start


@cython.final
@cython.cclass
class Tracker:
    """Follows the TCP connections of one capture and gives their bytes to `connections`; bounded to `max_flows`."""

    def __init__(self, connections: Connections, file_digest: str, loss: Counters, max_flows: int = 65_536) -> None:
        self._connections = connections
        self._loss = loss
        self._digest = file_digest
        self._max_flows = max_flows
        self._directions: dict[bytes, Direction] = {}
        self._flows: OrderedDict[int, Flow] = OrderedDict()

    def segment(
        self,
        ends: bytes,
        sequence: cython.longlong,
        acknowledged: cython.longlong,
        flags: cython.int,
        payload: bytes,
        cut: cython.longlong,
        time_ns: cython.longlong,
        packet: cython.longlong,
    ) -> cython.int:
        """Take one segment with payload, SYN, FIN or RST.

        `ends`: source address, destination address, source port, destination port, as on the wire. `cut`: bytes of
        payload that follow in the packet and were not captured. `packet`: its number in the file, from 1.
        """
        if flags & SYN:
            self._synchronise(ends, sequence, acknowledged, flags, time_ns, packet)
            sequence = (sequence + 1) & 0xFFFFFFFF
        direction: Direction | None = self._directions.get(ends)
        if direction is None:
            if not payload and not cut:
                return 0
            direction = self._join(ends, time_ns, packet)
        flow: Flow = direction.flow
        if time_ns - flow.touched_ns > TOUCH_NS:
            flow.touched_ns = time_ns
            self._flows.move_to_end(flow.key)
        if (payload or cut) and not flow.foreign and (flow.opened or not flow.closed):
            direction = self._data(direction, ends, sequence, payload, cut, time_ns, packet)
            flow = direction.flow
        if flags & (FIN | RST) and not flow.closed:
            direction.finished = True
            if flags & RST or (flow.client.finished and flow.server.finished):
                flow.closed = True
                self._connections.close(flow.key, time_ns)
        return 0

    def _data(
        self,
        direction: Direction,
        ends: bytes,
        sequence: cython.longlong,
        payload: bytes,
        cut: cython.longlong,
        time_ns: cython.longlong,
        packet: cython.longlong,
    ) -> Direction:
        step: cython.longlong = direction.ahead(sequence)
        if step < OLD or step > AHEAD:
            self._loss.add("sequence_restarted")
            self._end(direction, time_ns)
            direction = self._join(ends, time_ns, packet)
            step = direction.ahead(sequence)
        position: cython.longlong = direction.position + step
        if step > 0:
            direction.position = position
            direction.sequence = sequence
        flow: Flow = direction.flow
        if not flow.opened:
            self._open(flow, time_ns)
        verdict = UNDECIDED
        if payload:
            verdict = self._connections.chunk(flow.key, direction.from_client, position, payload, time_ns)
            if verdict is ABSENT and not flow.closed:
                self._reopen(flow, time_ns, packet)
                verdict = self._connections.chunk(flow.key, direction.from_client, position, payload, time_ns)
        if cut:
            self._loss.add("cut_packets")
            self._connections.missing(flow.key, direction.from_client, position + len(payload), cut, time_ns)
        if verdict is FOREIGN:
            flow.foreign = True
        return direction

    def _synchronise(
        self,
        ends: bytes,
        initial: cython.longlong,
        acknowledged: cython.longlong,
        flags: cython.int,
        time_ns: cython.longlong,
        packet: cython.longlong,
    ) -> cython.int:
        direction: Direction | None = self._directions.get(ends)
        if direction is not None and direction.initial == initial and not _is_closed(direction):
            return 0  # sent again
        if not flags & ACK:
            if direction is not None:
                self._end(direction, time_ns)
            self._begin(ends, time_ns, packet, True).client.begin(initial)
            return 0
        before: cython.longlong = (acknowledged - 1) & 0xFFFFFFFF
        if direction is None or not _answers(direction, before):
            if direction is not None:
                self._end(direction, time_ns)
            flow: Flow = self._begin(_turned(ends), time_ns, packet, True)
            flow.client.begin(before)
            direction = flow.server
        direction.begin(initial)
        return 0

    def _join(self, ends: bytes, time_ns: cython.longlong, packet: cython.longlong) -> Direction:
        """Begin a flow whose SYN was not seen: the lower port is taken for the server's until content corrects it."""
        half = len(ends) - 4
        source, destination = ends[half : half + 2], ends[half + 2 :]
        if source < destination:
            return self._begin(_turned(ends), time_ns, packet, False).server
        return self._begin(ends, time_ns, packet, False).client

    def _begin(self, ends: bytes, time_ns: cython.longlong, packet: cython.longlong, from_start: cython.bint) -> Flow:
        flow = Flow(packet, ends, time_ns, from_start)
        self._flows[packet] = flow
        self._directions[ends] = flow.client
        self._directions[_turned(ends)] = flow.server
        if len(self._flows) > self._max_flows:
            _, oldest = self._flows.popitem(last=False)
            self._drop(oldest, time_ns)
        return flow

    def _end(self, direction: Direction, time_ns: cython.longlong) -> None:
        flow: Flow = direction.flow
        if not flow.closed:
            flow.closed = True
            self._connections.close(flow.key, time_ns)
        self._flows.pop(flow.key, None)

    def _drop(self, flow: Flow, time_ns: cython.longlong) -> None:
        if flow.foreign:
            self._connections.close(flow.key, time_ns)
        elif not flow.closed:
            self._loss.add("flows_evicted")
            self._connections.evict(flow.key, time_ns)
        for ends in (flow.ends, _turned(flow.ends)):
            direction: Direction | None = self._directions.get(ends)
            if direction is not None and direction.flow is flow:  # else a later flow of the same ends
                del self._directions[ends]

    def _open(self, flow: Flow, time_ns: cython.longlong) -> None:
        flow.opened = True
        positions = (0 if flow.client.known and flow.from_start else -1, 0 if flow.server.initial >= 0 else -1)
        self._connections.open(flow.key, self._endpoints(flow), time_ns, flow.from_start, positions)

    def _reopen(self, flow: Flow, time_ns: cython.longlong, packet: cython.longlong) -> None:
        """Begin an evicted flow anew, under another id: what was told of its streams is told."""
        flow.first_packet = packet
        flow.first_ns = time_ns
        self._connections.open(flow.key, self._endpoints(flow), time_ns, False, None)

    def _endpoints(self, flow: Flow) -> Endpoints:
        size = (len(flow.ends) - 4) // 2
        client = str(ip_address(flow.ends[:size]))
        server = str(ip_address(flow.ends[size : 2 * size]))
        client_port = int.from_bytes(flow.ends[2 * size : 2 * size + 2], "big")
        server_port = int.from_bytes(flow.ends[2 * size + 2 :], "big")
        identity = captured_connection_id(
            self._digest, f"{client}/{client_port}", f"{server}/{server_port}", flow.first_packet, flow.first_ns
        )
        return Endpoints(identity, Vantage.WIRE, False, client, client_port, server, server_port)


def _turned(ends: bytes) -> bytes:
    size = (len(ends) - 4) // 2
    return ends[size : 2 * size] + ends[:size] + ends[2 * size + 2 :] + ends[2 * size : 2 * size + 2]


def _is_closed(direction: Direction) -> cython.bint:
    flow: Flow = direction.flow
    return flow.closed


def _answers(direction: Direction, initial: cython.longlong) -> cython.bint:
    """Tell whether a SYN-ACK on `direction` answers the open flow whose client began at `initial`."""
    flow: Flow = direction.flow
    return not direction.from_client and not direction.known and not flow.closed and flow.client.initial == initial
