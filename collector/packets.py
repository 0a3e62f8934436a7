# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which TCP segment a captured packet holds: link header, VLAN tags, IPv4 or IPv6 with its extension headers."""

from collections.abc import Callable
from typing import Any

import cython

from collector.message import Counters

if cython.compiled:
    from cython.cimports.collector.tcp import Tracker
    from cython.cimports.libc.string import memcmp
else:
    from collector.tcp import Tracker

# ends, sequence number, acknowledged, flags, payload, bytes cut off it, time_ns, packet number (collector.tcp)
Segment = Callable[[bytes, int, int, int, bytes, int, int, int], None]

# Link types as the capture formats number them (LINKTYPE_*): NULL, Ethernet, raw IP (two BSD numbers and the common
# one), LOOP, Linux cooked v1, raw IPv4, raw IPv6, Linux cooked v2.
NULL = cython.declare(cython.int, 0)
ETHERNET = cython.declare(cython.int, 1)
LOOP = cython.declare(cython.int, 108)
LINUX_COOKED = cython.declare(cython.int, 113)
LINUX_COOKED_2 = cython.declare(cython.int, 276)
LINK_TYPES = frozenset({0, 1, 12, 14, 101, 108, 113, 228, 229, 276})

TCP = cython.declare(cython.int, 6)
HOP_BY_HOP = cython.declare(cython.int, 0)
ROUTING = cython.declare(cython.int, 43)
FRAGMENT = cython.declare(cython.int, 44)
AUTHENTICATION = cython.declare(cython.int, 51)
DESTINATION = cython.declare(cython.int, 60)
FIN_SYN_RST = cython.declare(cython.int, 0x07)

ENDS_MET = cython.declare(cython.Py_ssize_t, 1_024)  # pairs of ends at hand, a power of two


@cython.final
@cython.cclass
class Packets:
    """Reads packet after packet and gives `segment` each TCP segment that has payload, SYN, FIN or RST.

    Other protocols are none of ours and pass uncounted; what may have held SBI and cannot be read is counted.
    """

    def __init__(self, segment: Tracker | Segment, loss: Counters) -> None:
        """`segment`: a Tracker, which costs least, or any function."""
        self.count = 0
        self._loss = loss
        self._tracker: Tracker | None = None
        self._segment: Any = None
        if isinstance(segment, Tracker):
            self._tracker = segment
        else:
            self._segment = segment
        self._met: list[bytes] = [b""] * ENDS_MET

    def packet(
        self,
        link: cython.int,
        time_ns: cython.longlong,
        data: bytes,
        at: cython.Py_ssize_t,
        captured: cython.Py_ssize_t,
        original: cython.Py_ssize_t,
    ) -> cython.int:
        """Take the packet of `captured` bytes that stands at `at` in `data`; on the wire it had `original` bytes."""
        p: cython.p_const_uchar = data
        end: cython.Py_ssize_t = at + captured
        wire_end: cython.Py_ssize_t = at + max(original, captured)
        self.count += 1
        ip: cython.Py_ssize_t = network(link, p, at, end)
        if ip == end:
            self._loss.add("cut_headers")
        elif ip >= 0 and p[ip] >> 4 == 4:
            self._ipv4(p, ip, end, wire_end, time_ns)
        elif ip >= 0 and p[ip] >> 4 == 6:
            self._ipv6(p, ip, end, wire_end, time_ns)
        return 0

    def _ipv4(
        self,
        p: cython.p_const_uchar,
        ip: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        wire_end: cython.Py_ssize_t,
        time_ns: cython.longlong,
    ) -> cython.int:
        if ip + 20 > end:
            return self._unreadable(end, wire_end)
        if p[ip + 9] != TCP:
            return 0
        if (p[ip + 6] & 0x3F) | p[ip + 7]:  # more fragments, or not the first (RFC 791 3.1)
            self._loss.add("ip_fragments")
            return 0
        total: cython.Py_ssize_t = p[ip + 2] << 8 | p[ip + 3]
        header: cython.Py_ssize_t = (p[ip] & 15) << 2
        if total == 0:  # left to the network card (segmentation offload): the frame says how long it is
            total = wire_end - ip
        if header < 20 or ip + total > wire_end:
            self._loss.add("malformed_packets")
            return 0
        if header == 20 and ip + 24 <= end:
            return self._tcp(p, ip + 20, end, ip + total, self._ends(p, ip + 12, 12), time_ns)
        if ip + header + 4 > end:
            return self._unreadable(end, wire_end)
        ports: bytes = p[ip + header : ip + header + 4]
        return self._tcp(p, ip + header, end, ip + total, p[ip + 12 : ip + 20] + ports, time_ns)

    def _ipv6(
        self,
        p: cython.p_const_uchar,
        ip: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        wire_end: cython.Py_ssize_t,
        time_ns: cython.longlong,
    ) -> cython.int:
        if ip + 40 > end:
            return self._unreadable(end, wire_end)
        kind: cython.int = p[ip + 6]
        at: cython.Py_ssize_t = ip + 40
        while is_extension(kind):
            if at + 8 > end:
                return self._unreadable(end, wire_end)
            if kind == FRAGMENT and (p[at + 2] | (p[at + 3] & 0xF9)):  # RFC 8200 4.5; RFC 6946: alone it is none
                if p[at] == TCP:
                    self._loss.add("ip_fragments")
                return 0
            kind, at = p[at], at + extension_bytes(kind, p[at + 1])
        if kind != TCP:
            return 0
        length: cython.Py_ssize_t = p[ip + 4] << 8 | p[ip + 5]
        if length == 0:  # segmentation offload, or a jumbogram
            length = wire_end - ip - 40
        if ip + 40 + length > wire_end:
            self._loss.add("malformed_packets")
            return 0
        if at + 4 > end:
            return self._unreadable(end, wire_end)
        if at == ip + 40:
            return self._tcp(p, at, end, at + length, self._ends(p, ip + 8, 36), time_ns)
        ports: bytes = p[at : at + 4]
        return self._tcp(p, at, end, ip + 40 + length, p[ip + 8 : ip + 40] + ports, time_ns)

    def _tcp(
        self,
        p: cython.p_const_uchar,
        at: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        wire_end: cython.Py_ssize_t,
        ends: bytes,
        time_ns: cython.longlong,
    ) -> cython.int:
        """Read the TCP header at `at`; the segment ends at `wire_end`, what was captured of the packet at `end`."""
        if at + 20 > end:
            return self._unreadable(end, wire_end)
        start: cython.Py_ssize_t = at + (p[at + 12] >> 4 << 2)
        flags: cython.int = p[at + 13]
        if start < at + 20 or start > wire_end:
            self._loss.add("malformed_packets")
            return 0
        if start == wire_end and not flags & FIN_SYN_RST:
            return 0
        if end > wire_end:  # padding of a short frame
            end = wire_end
        if end < start:
            end = start
        cut: cython.Py_ssize_t = wire_end - end
        payload: bytes = p[start:end]
        tracker: Tracker | None = self._tracker
        if tracker is not None:
            tracker.segment(ends, word(p, at + 4), word(p, at + 8), flags, payload, cut, time_ns, self.count)
        else:
            self._segment(ends, word(p, at + 4), word(p, at + 8), flags, payload, cut, time_ns, self.count)
        return 0

    def _ends(self, p: cython.p_const_uchar, at: cython.Py_ssize_t, size: cython.Py_ssize_t) -> bytes:
        """Return the octets p[at:at+size], addresses and ports, as the object met before, whose hash is known."""
        place: cython.Py_ssize_t = (p[at + size - 1] + 3 * p[at + size - 3] + 7 * p[at + size - 5]) & (ENDS_MET - 1)
        met: bytes = self._met[place]
        if cython.compiled and len(met) == size and memcmp(cython.cast(cython.p_const_uchar, met), p + at, size) == 0:
            return met
        met = p[at : at + size]
        self._met[place] = met
        return met

    def _unreadable(self, end: cython.Py_ssize_t, wire_end: cython.Py_ssize_t) -> cython.int:
        self._loss.add("cut_headers" if end < wire_end else "malformed_packets")
        return 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def word(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.longlong:
    """Return the 32-bit number in network order at `at`."""
    high: cython.longlong = p[at]
    low: cython.longlong = p[at + 1] << 16 | p[at + 2] << 8 | p[at + 3]
    return high << 24 | low


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def is_extension(kind: cython.int) -> cython.bint:
    """Tell whether an IPv6 next header is one that can be stepped over; ESP (50) hides what follows."""
    return kind == HOP_BY_HOP or kind == ROUTING or kind == FRAGMENT or kind == AUTHENTICATION or kind == DESTINATION


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def extension_bytes(kind: cython.int, length: cython.int) -> cython.Py_ssize_t:
    """Return the octets of an IPv6 extension header (RFC 8200 4.3 to 4.6, RFC 4302 2.2)."""
    if kind == FRAGMENT:
        return 8
    return (length + 2) << 2 if kind == AUTHENTICATION else (length + 1) << 3


@cython.cfunc
@cython.exceptval(check=False)
def network(
    link: cython.int, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Return where the IP header stands, -1 where there is none, `end` where the packet is cut before it."""
    header: cython.Py_ssize_t = 0  # of the link layer
    field: cython.Py_ssize_t = 0  # in it, the EtherType
    if link == ETHERNET:
        header, field = 14, 12
    elif link == LINUX_COOKED:
        header, field = 16, 14
    elif link == LINUX_COOKED_2:
        header, field = 20, 0
    elif link == NULL or link == LOOP:
        header = 4
    if at + header >= end:
        return end
    if header == 0:
        return at
    if header == 4:
        return at + 4 if is_ip_family(p[at] | p[at + 1] | p[at + 2] | p[at + 3]) else -1
    kind: cython.int = p[at + field] << 8 | p[at + field + 1]
    at += header
    while kind == 0x8100 or kind == 0x88A8 or kind == 0x9100:  # IEEE 802.1Q, 802.1ad, and what came before it
        if at + 4 >= end:
            return end
        kind = p[at + 2] << 8 | p[at + 3]
        at += 4
    return at if kind == 0x0800 or kind == 0x86DD else -1


@cython.cfunc
@cython.exceptval(check=False)
def is_ip_family(family: cython.int) -> cython.bint:
    """Tell whether an address family, its octets OR-ed (any byte order), is IP: the systems number AF_INET6 apart."""
    return family == 2 or family == 10 or family == 23 or family == 24 or family == 28 or family == 30
