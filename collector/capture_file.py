# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Which packets a capture file holds: pcap and pcapng, both byte orders, micro- and nanoseconds, any chunking."""

import struct
from collections.abc import Callable
from typing import Any

import cython

from collector.message import Counters
from collector.packets import LINK_TYPES

if cython.compiled:
    from cython.cimports.collector.packets import Packets
else:
    from collector.packets import Packets

# link type, time_ns, bytes that hold it, where it begins in them, bytes captured, bytes it had on the wire
Packet = Callable[[int, int, bytes, int, int, int], object]

PCAP_UNITS = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}  # magic number → parts of a second
UNKNOWN = cython.declare(cython.int, 0)
PCAP = cython.declare(cython.int, 1)
PCAPNG = cython.declare(cython.int, 2)
PCAP_HEADER = cython.declare(cython.Py_ssize_t, 24)

# Block types of pcapng.
SECTION = cython.declare(cython.longlong, 0x0A0D0D0A)
INTERFACE = cython.declare(cython.int, 1)
OLD_PACKET = cython.declare(cython.int, 2)
SIMPLE_PACKET = cython.declare(cython.int, 3)
STATISTICS = cython.declare(cython.int, 5)
ENHANCED_PACKET = cython.declare(cython.int, 6)

# Options of an interface (if_tsresol, if_tsoffset) and of its statistics (isb_ifdrop, isb_osdrop).
OPTION_RESOLUTION = 9
OPTION_OFFSET = 14
OPTIONS_DROPPED = frozenset({5, 7})

MAX_RECORD = cython.declare(cython.Py_ssize_t, 16_777_216)  # longer: no packet but a broken length
MAX_RESOLUTION = 10**18
MAX_OFFSET_S = 2**32
SECOND = cython.declare(cython.longlong, 1_000_000_000)
MAX_SECONDS = cython.declare(cython.ulonglong, 4_900_000_000)  # the year 2125: int64 nanoseconds end in 2262


class CaptureError(ValueError):
    """The file is no capture, or breaks its format; what stood before was delivered."""


@cython.final
@cython.cclass
class Interface:
    """What a packet's numbers mean: link type, and how ticks become nanoseconds."""

    link: cython.int
    usable: cython.bint
    per_second: cython.ulonglong  # ticks
    offset_ns: cython.longlong

    def __init__(self, link: int, per_second: int, offset_s: int) -> None:
        self.link = link
        self.usable = link in LINK_TYPES
        self.per_second = per_second
        self.offset_ns = offset_s * 1_000_000_000

    @cython.cfunc
    @cython.exceptval(check=False)
    def time_ns(self, ticks: cython.ulonglong) -> cython.longlong:
        """Return the time of `ticks`, in nanoseconds since the epoch, rounded down; beyond MAX_SECONDS -1."""
        scale: cython.ulonglong = self.per_second
        seconds: cython.ulonglong = ticks // scale
        rest: cython.ulonglong = ticks % scale
        if seconds > MAX_SECONDS:
            return -1
        while scale > 10_000_000_000:  # so that rest * 10^9 stays within 64 bits: nothing is told below a nanosecond
            if scale % 10 == 0:
                scale //= 10
                rest //= 10
            else:
                scale >>= 1
                rest >>= 1
        since: cython.longlong = seconds * SECOND + rest * SECOND // scale
        return since + self.offset_ns


@cython.final
@cython.cclass
class CaptureFile:
    """Takes the bytes of one file in any pieces and gives each packet to `packet`."""

    now_ns = cython.declare(cython.longlong, visibility="readonly")
    _packets: Packets | None
    _packet: Any
    _tick: Any
    _loss: Any
    _tick_ns: cython.longlong
    _next_ns: cython.longlong
    _rest: bytes
    _format: cython.int
    _big: cython.bint
    _interfaces: list[Interface]

    def __init__(
        self, packet: Packets | Packet, tick: Callable[[int], None], loss: Counters, tick_ns: int = 100_000_000
    ) -> None:
        """`packet`: a Packets, which costs least, or any function.

        `tick` is told each multiple of `tick_ns` that packet time reaches, of several passed at once the last.
        """
        self._loss = loss
        self.now_ns = 0
        self._packets = packet if isinstance(packet, Packets) else None
        self._packet = packet
        self._tick = tick
        self._tick_ns = tick_ns
        self._next_ns = -1
        self._rest = b""
        self._format = UNKNOWN
        self._big = False
        self._interfaces = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file; raises CaptureError where they break the format."""
        if self._rest:
            data = self._rest + data
        at: cython.Py_ssize_t = 0
        if self._format == UNKNOWN and len(data) >= PCAP_HEADER:
            at = self._begin(data)
        if self._format == PCAP:
            at = self._records(data, len(data), at, self._interfaces[0])
        elif self._format == PCAPNG:
            at = self._blocks(data, data, len(data))
        self._rest = data[at:]

    def finish(self) -> None:
        """Take the end of the file; raises CaptureError if it comes in the middle of something."""
        if self._format == UNKNOWN:
            raise CaptureError("neither pcap nor pcapng" if self._rest else "empty")
        if self._rest:
            raise CaptureError(f"it ends in the middle of a packet, {len(self._rest)} bytes after the last whole one")

    def _begin(self, data: bytes) -> int:
        for order in "<>":
            magic, _, _, _, _, _, link = struct.unpack_from(f"{order}IHHiIII", data)
            if magic in PCAP_UNITS:
                self._format = PCAP
                self._big = order == ">"
                self._interfaces = [Interface(link & 0x0FFFFFFF, PCAP_UNITS[magic], 0)]
                return PCAP_HEADER
        if struct.unpack_from("<I", data)[0] != SECTION:  # reads the same in both orders
            raise CaptureError("neither pcap nor pcapng")
        self._format = PCAPNG
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _records(
        self, data: bytes, end: cython.Py_ssize_t, at: cython.Py_ssize_t, interface: Interface
    ) -> cython.Py_ssize_t:
        """Read whole pcap records from `at` on; return where the first that is not whole begins."""
        p: cython.p_const_uchar = data
        captured: cython.Py_ssize_t
        seconds: cython.longlong
        fraction: cython.longlong
        while at + 16 <= end:
            captured = word(p, at + 8, self._big)
            if captured > MAX_RECORD:
                raise CaptureError(f"a packet says it has {captured} bytes")
            if at + 16 + captured > end:
                break
            seconds = word(p, at, self._big)
            fraction = word(p, at + 4, self._big)
            self._deliver(
                interface,
                seconds * SECOND + fraction * (SECOND // cython.cast(cython.longlong, interface.per_second)),
                data,
                at + 16,
                captured,
                word(p, at + 12, self._big),
            )
            at += 16 + captured
        return at

    @cython.cfunc
    @cython.exceptval(-1)
    def _blocks(self, data: bytes, p: cython.p_const_uchar, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Read whole pcapng blocks; return where the first that is not whole begins."""
        at: cython.Py_ssize_t = 0
        kind: cython.longlong
        length: cython.Py_ssize_t
        while at + 12 <= end:
            kind = word(p, at, self._big)
            if kind == SECTION:
                self._section(word(p, at + 8, False))
            length = word(p, at + 4, self._big)
            if length < 12 or length > MAX_RECORD:
                raise CaptureError(f"a block says it has {length} bytes")
            if at + length > end:
                break
            if kind == ENHANCED_PACKET or kind == OLD_PACKET:
                self._packet_block(kind == OLD_PACKET, data, p, at + 8, at + length - 4)
            elif kind == INTERFACE:
                self._interface(data[at + 8 : at + length - 4])
            elif kind == STATISTICS:
                self._statistics(data[at + 8 : at + length - 4])
            elif kind == SIMPLE_PACKET:  # has no time, and time is what everything behind needs
                self._loss.add("packets_without_time")
            at += length
        return at

    def _section(self, magic: int) -> None:
        if magic not in {0x1A2B3C4D, 0x4D3C2B1A}:
            raise CaptureError("a pcapng section names no byte order")
        self._big = magic == 0x4D3C2B1A  # it was read as little endian
        self._interfaces = []

    @cython.cfunc
    @cython.exceptval(-1)
    def _packet_block(
        self, old: cython.bint, data: bytes, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t
    ) -> cython.int:
        if at + 20 > end:
            raise CaptureError("a packet block is too short")
        number: cython.Py_ssize_t = word(p, at, self._big)
        if old:  # 16 bits of interface, 16 bits of drop count
            number = number >> 16 if self._big else number & 0xFFFF
        captured: cython.Py_ssize_t = word(p, at + 12, self._big)
        if number >= len(self._interfaces) or captured > end - at - 20:
            raise CaptureError("a packet block names no known interface, or more bytes than it has")
        interface: Interface = self._interfaces[number]
        ticks: cython.ulonglong = cython.cast(cython.ulonglong, word(p, at + 4, self._big)) << 32
        ticks |= cython.cast(cython.ulonglong, word(p, at + 8, self._big))
        self._deliver(interface, interface.time_ns(ticks), data, at + 20, captured, word(p, at + 16, self._big))
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _deliver(
        self,
        interface: Interface,
        time_ns: cython.longlong,
        data: bytes,
        at: cython.Py_ssize_t,
        captured: cython.Py_ssize_t,
        original: cython.Py_ssize_t,
    ) -> cython.int:
        if time_ns < 0:
            self._loss.add("absurd_time")
            return 0
        if time_ns >= self._next_ns:
            self._advance(time_ns)
        if time_ns > self.now_ns:
            self.now_ns = time_ns
        elif time_ns < self.now_ns - SECOND:  # the watermark has passed it: what is told of it comes late
            self._loss.add("time_backwards")
        if interface.usable:
            packets: Packets | None = self._packets
            if packets is not None:
                packets.packet(interface.link, time_ns, data, at, captured, original)
            else:
                self._packet(interface.link, time_ns, data, at, captured, original)
        else:
            self._loss.add("unsupported_link_type")
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _advance(self, time_ns: cython.longlong) -> cython.int:
        reached: cython.longlong = time_ns - time_ns % self._tick_ns
        if self._next_ns >= 0:
            self._tick(reached)
        self._next_ns = reached + self._tick_ns
        return 0

    def _interface(self, body: bytes) -> None:
        if len(body) < 8:
            raise CaptureError("an interface block is too short")
        per_second, offset_s = 1_000_000, 0
        order = ">" if self._big else "<"
        for code, value in self._options(body[8:]):
            if code == OPTION_RESOLUTION and len(value) == 1:
                power = value[0] & 0x7F
                per_second = 2**power if value[0] & 0x80 else 10**power
                if not 1 <= per_second <= MAX_RESOLUTION:
                    raise CaptureError(f"an interface counts {per_second} ticks a second")
            elif code == OPTION_OFFSET and len(value) == 8:
                offset_s = struct.unpack(f"{order}q", value)[0]
        if not -MAX_OFFSET_S <= offset_s <= MAX_OFFSET_S:
            raise CaptureError(f"an interface's clock is {offset_s} seconds off")
        self._interfaces.append(Interface(struct.unpack_from(f"{order}H", body)[0], per_second, offset_s))

    def _statistics(self, body: bytes) -> None:
        for code, value in self._options(body[12:]):
            if code in OPTIONS_DROPPED and len(value) == 8:
                dropped = int.from_bytes(value, "big" if self._big else "little")
                if dropped:
                    self._loss.add("dropped_by_recorder", dropped)

    def _options(self, body: bytes) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        at = 0
        while at + 4 <= len(body):
            code, length = struct.unpack_from(">HH" if self._big else "<HH", body, at)
            if code == 0:
                break
            found.append((code, body[at + 4 : at + 4 + length]))
            at += 4 + (length + 3) // 4 * 4
        return found


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def word(p: cython.p_const_uchar, at: cython.Py_ssize_t, big: cython.bint) -> cython.longlong:
    """Return the unsigned 32-bit number at `at` in either byte order."""
    high: cython.longlong = p[at if big else at + 3]
    middle: cython.longlong = p[at + 1] << 16 | p[at + 2] << 8 if big else p[at + 2] << 16 | p[at + 1] << 8
    low: cython.longlong = p[at + 3 if big else at]
    return high << 24 | middle | low
