"""Builds packets and capture files by hand, byte by byte as the RFCs and formats say, for tests."""

import struct
from collections.abc import Sequence
from ipaddress import ip_address

FIN, SYN, RST, ACK = 1, 2, 4, 16
CLIENT, SERVER = ("10.0.0.1", 40_001), ("10.0.0.2", 7777)
CLIENT_6, SERVER_6 = ("2001:db8::1", 40_001), ("2001:db8::2", 7777)


def tcp(
    source: int, target: int, sequence: int, payload: bytes = b"", flags: int = ACK, acknowledged: int = 0
) -> bytes:
    """Return a TCP segment with a timestamp option, so that the header is longer than the least (RFC 9293 3.1)."""
    options = b"\x01\x01\x08\x0a" + bytes(8)
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(">HHIIBBHHH", source, target, sequence, acknowledged, offset, flags, 65_535, 0, 0)
    return head + options + payload


def ipv4(source: str, target: str, payload: bytes, protocol: int = 6, fragment: int = 0, options: bytes = b"") -> bytes:
    """Return an IPv4 packet (RFC 791 3.1)."""
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 1, fragment, 64, protocol, 0)
    return head + ip_address(source).packed + ip_address(target).packed + options + payload


def ipv6(
    source: str, target: str, payload: bytes, extensions: Sequence[tuple[int, bytes]] = (), last: int = 6
) -> bytes:
    """Return an IPv6 packet with extension headers (number, header from its second octet on) (RFC 8200 3, 4)."""
    kinds = [number for number, _ in extensions] + [last]
    chain = b"".join(bytes([kinds[i + 1]]) + rest for i, (_, rest) in enumerate(extensions))
    head = struct.pack(">IHBB", 6 << 28, len(chain) + len(payload), kinds[0], 64)
    return head + ip_address(source).packed + ip_address(target).packed + chain + payload


def segment(
    source: tuple[str, int],
    target: tuple[str, int],
    sequence: int,
    payload: bytes = b"",
    flags: int = ACK,
    ack: int = 0,
) -> bytes:
    """Return the IP packet of one TCP segment between two ends."""
    build = ipv6 if ":" in source[0] else ipv4
    return build(source[0], target[0], tcp(source[1], target[1], sequence, payload, flags, ack))


def ethernet(packet: bytes, tags: Sequence[int] = ()) -> bytes:
    """Return a frame, padded to 60 octets, behind VLAN tags of these EtherTypes (IEEE 802.3, 802.1Q)."""
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    kinds = [*tags, kind]
    tagged = b"".join(struct.pack(">HH", 100, following) for following in kinds[1:])
    return (bytes(12) + struct.pack(">H", kinds[0]) + tagged + packet).ljust(60, b"\0")


Timed = tuple[int, bytes]  # nanoseconds, octets of a packet


def pcap(packets: Sequence[Timed], link: int = 1, order: str = "<", nano: bool = False, snap: int = 262_144) -> bytes:
    """Return a pcap file, each packet cut to `snap` octets."""
    unit = 1 if nano else 1_000
    out = [struct.pack(f"{order}IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for time_ns, octets in packets:
        head = (time_ns // 10**9, time_ns % 10**9 // unit, min(len(octets), snap), len(octets))
        out.append(struct.pack(f"{order}IIII", *head) + octets[:snap])
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Return a pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """Return a section header block."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """Return one option of a pcapng block."""
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, resolution: int | None = None, offset_s: int | None = None, order: str = "<") -> bytes:
    """Return an interface description block; `resolution` as the octet of if_tsresol."""
    options = b""
    if resolution is not None:
        options += option(9, bytes([resolution]), order)
    if offset_s is not None:
        options += option(14, struct.pack(f"{order}q", offset_s), order)
    return block(1, struct.pack(f"{order}HHI", link, 0, 0) + options + (bytes(4) if options else b""), order)


def enhanced(ticks: int, octets: bytes, number: int = 0, order: str = "<", original: int | None = None) -> bytes:
    """Return an enhanced packet block of interface `number`."""
    length = len(octets) if original is None else original
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), length)
    return block(6, head + octets, order)
