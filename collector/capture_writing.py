"""A pcapng file of TCP connections, written anew: Ethernet, IP and TCP around what each side says."""

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, ip_address

from collector.message import Endpoints

SEGMENT = 1_400
ETHERNET = 1
IPV4, IPV6 = 0x0800, 0x86DD
TCP, HOPS = 6, 64
FIN, SYN, PSH, ACK = 1, 2, 8, 16
WINDOW = 65_535
SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER, ANY_LENGTH = 0x1A2B3C4D, 0xFFFF_FFFF_FFFF_FFFF
COMMENT, RESOLUTION = 1, 9  # opt_comment, if_tsresol
NANOSECONDS = 9
Packet = tuple[int, bytes]


def pcapng(packets: Iterable[Packet], comment: str) -> Iterator[bytes]:
    """Yield the blocks of a file of (time_ns, frame) in that order; `comment` is what Wireshark tells of the file."""
    head = struct.pack("<IHHQ", BYTE_ORDER, 1, 0, ANY_LENGTH)
    yield _block(SECTION, head + _option(COMMENT, comment.encode()) + _option(0, b""))
    interface = struct.pack("<HHI", ETHERNET, 0, 0)
    yield _block(INTERFACE, interface + _option(RESOLUTION, bytes([NANOSECONDS])) + _option(0, b""))
    for time_ns, frame in packets:
        place = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFF_FFFF, len(frame), len(frame))
        yield _block(PACKET, place + _padded(frame))


def connection(ends: Endpoints, said: Iterable[tuple[int, bool, bytes]]) -> Iterator[Packet]:
    """Yield (time_ns, frame) of a TCP connection from its handshake on; `said`: (time_ns, from_client, octets)."""
    sent = {True: 0, False: 0}
    begun = False
    for time_ns, from_client, octets in said:
        if not begun:
            begun = True
            yield from _handshake(ends, time_ns, sent)
        for at in range(0, len(octets), SEGMENT):
            piece = octets[at : at + SEGMENT]
            yield time_ns, _frame(ends, from_client, sent[from_client], sent[not from_client], PSH | ACK, piece)
            sent[from_client] += len(piece)


def _handshake(ends: Endpoints, time_ns: int, sent: dict[bool, int]) -> Iterator[Packet]:
    yield time_ns, _frame(ends, True, 0, 0, SYN, b"")
    yield time_ns, _frame(ends, False, 0, 1, SYN | ACK, b"")
    sent[True] = sent[False] = 1
    yield time_ns, _frame(ends, True, 1, 1, ACK, b"")


def _frame(ends: Endpoints, from_client: bool, sequence: int, acknowledged: int, flags: int, data: bytes) -> bytes:
    client, server = (ends.client_address, ends.client_port), (ends.server_address, ends.server_port)
    (source, source_port), (target, target_port) = (client, server) if from_client else (server, client)
    addresses = ip_address(source).packed + ip_address(target).packed
    head = struct.pack(
        ">HHIIBBHHH",
        source_port,
        target_port,
        sequence & 0xFFFF_FFFF,
        acknowledged & 0xFFFF_FFFF,
        5 << 4,
        flags,
        WINDOW,
        0,
        0,
    )
    pseudo = addresses + struct.pack(">II", len(head) + len(data), TCP)
    segment = head[:16] + struct.pack(">H", _checksum(pseudo + head + data)) + head[18:] + data
    if isinstance(ip_address(source), IPv4Address):
        start = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, HOPS, TCP, 0)
        packet = start[:10] + struct.pack(">H", _checksum(start + addresses)) + addresses
        return bytes(12) + struct.pack(">H", IPV4) + packet + segment
    packet = struct.pack(">IHBB", 6 << 28, len(segment), TCP, HOPS) + addresses
    return bytes(12) + struct.pack(">H", IPV6) + packet + segment


def _checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    even = octets + bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f">{len(even) // 2}H", even))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
