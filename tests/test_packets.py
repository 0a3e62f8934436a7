"""From a captured packet to its TCP segment: link types, VLAN tags, IPv4, IPv6, what is cut, what is none."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.message import Counters
from collector.packets import LINK_TYPES, Packets
from tests.wire import ACK, CLIENT, CLIENT_6, FIN, SERVER, SERVER_6, SYN, ethernet, ipv4, ipv6, segment, tcp

HELLO = b"PRI * HTTP/2.0"
IP = segment(CLIENT, SERVER, 1000, HELLO, ack=77)
IP_6 = segment(CLIENT_6, SERVER_6, 1000, HELLO)
HOP_BY_HOP = (0, b"\0" + bytes(6))
ROUTING = (43, b"\1" + bytes(14))
DESTINATION = (60, b"\0" + bytes(6))
AUTHENTICATION = (51, b"\4" + bytes(22))
ATOMIC_FRAGMENT = (44, bytes(7))


def read(link: int, *packets: bytes, cut: int = 0) -> tuple[list[Any], dict[str, int]]:
    """Return the segments found and what was counted; the last `cut` octets of each packet were not captured."""
    found: list[Any] = []
    loss = Counters()
    reader = Packets(lambda *told: found.append(told), loss)
    for octets in packets:
        buffer = b"\xff\xff" + octets[: len(octets) - cut]
        reader.packet(link, 5, buffer, 2, len(buffer) - 2, len(octets))
    return found, loss.by_reason


ENDS = bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack(">HH", 40_001, 7777)
FOUND = (ENDS, 1000, 77, ACK, HELLO, 0, 5, 1)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        pytest.param(1, ethernet(IP), id="Ethernet"),
        pytest.param(1, ethernet(IP, [0x8100]), id="VLAN"),
        pytest.param(1, ethernet(IP, [0x88A8, 0x8100]), id="QinQ"),
        pytest.param(1, ethernet(IP, [0x9100, 0x8100, 0x8100]), id="three tags"),
        pytest.param(113, bytes(14) + b"\x08\x00" + IP, id="Linux cooked v1"),
        pytest.param(113, bytes(14) + b"\x81\x00\x00\x64\x08\x00" + IP, id="Linux cooked v1, VLAN"),
        pytest.param(276, b"\x08\x00" + bytes(18) + IP, id="Linux cooked v2"),
        pytest.param(0, b"\x02\0\0\0" + IP, id="NULL, little endian"),
        pytest.param(0, b"\0\0\0\x02" + IP, id="NULL, big endian"),
        pytest.param(108, b"\0\0\0\x02" + IP, id="LOOP"),
        pytest.param(101, IP, id="raw IP"),
        pytest.param(12, IP, id="raw IP, BSD"),
        pytest.param(228, IP, id="raw IPv4"),
    ],
)
def test_each_link_type_leads_to_the_segment(link: int, frame: bytes) -> None:
    assert read(link, frame) == ([FOUND], {})


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (1, ethernet(IP_6)),
        (0, b"\x1e\0\0\0" + IP_6),
        (0, b"\x0a\0\0\0" + IP_6),
        (229, IP_6),
        (276, b"\x86\xdd" + bytes(18) + IP_6),
    ],
)
def test_ipv6(link: int, frame: bytes) -> None:
    (found,), loss = read(link, frame)
    assert (found[0][:1], found[0][15:17], found[0][32:], found[4], loss) == (b"\x20", b"\1\x20", ENDS[8:], HELLO, {})


@pytest.mark.parametrize(
    "extensions",
    [
        [HOP_BY_HOP],
        [ROUTING],
        [DESTINATION, ROUTING],
        [AUTHENTICATION],
        [ATOMIC_FRAGMENT],
        [HOP_BY_HOP, ATOMIC_FRAGMENT],
    ],
)
def test_ipv6_extension_headers_are_stepped_over(extensions: list[tuple[int, bytes]]) -> None:
    packet = ipv6(CLIENT_6[0], SERVER_6[0], tcp(40_001, 7777, 9, HELLO), extensions)
    (found,), loss = read(101, packet)
    assert (found[1], found[4], len(found[0]), loss) == (9, HELLO, 36, {})


def test_ipv4_options_are_stepped_over() -> None:
    packet = ipv4(CLIENT[0], SERVER[0], tcp(40_001, 7777, 1000, HELLO, acknowledged=77), options=bytes(12))
    assert read(101, packet) == ([FOUND], {})


@pytest.mark.parametrize(
    "packet",
    [
        ipv4("10.0.0.1", "10.0.0.2", tcp(1, 2, 3, HELLO), fragment=0x2000),
        ipv4("10.0.0.1", "10.0.0.2", b"rest", fragment=185),
        ipv6("::1", "::2", tcp(1, 2, 3, HELLO), [(44, b"\0\0\1" + bytes(4))]),
        ipv6("::1", "::2", b"rest", [HOP_BY_HOP, (44, b"\0\1\xb8" + bytes(4))]),
    ],
)
def test_fragments_are_counted_not_guessed(packet: bytes) -> None:
    assert read(101, packet) == ([], {"ip_fragments": 1})


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        pytest.param(1, bytes(12) + b"\x08\x06" + bytes(46), id="ARP"),
        pytest.param(1, ethernet(ipv4("10.0.0.1", "10.0.0.2", bytes(40), protocol=17)), id="UDP"),
        pytest.param(101, ipv4("10.0.0.1", "10.0.0.2", bytes(40), protocol=17, fragment=0x2000), id="UDP fragment"),
        pytest.param(101, ipv6("::1", "::2", bytes(40), last=17), id="UDP over IPv6"),
        pytest.param(101, ipv6("::1", "::2", bytes(40), last=50), id="ESP"),
        pytest.param(1, ethernet(segment(CLIENT, SERVER, 5)), id="acknowledgement, padded frame"),
        pytest.param(0, b"\x07\0\0\0" + IP, id="another family"),
    ],
)
def test_what_is_no_segment_of_ours_passes_uncounted(link: int, frame: bytes) -> None:
    assert read(link, frame) == ([], {})


def test_syn_and_fin_are_told_without_payload() -> None:
    found, _ = read(1, *(ethernet(segment(CLIENT, SERVER, 5, flags=flags)) for flags in (SYN, FIN | ACK)))
    assert [(told[3], told[4], told[7]) for told in found] == [(SYN, b"", 1), (FIN | ACK, b"", 2)]


@pytest.mark.parametrize("cut", [1, 5, len(HELLO)])
def test_a_packet_cut_in_its_payload_says_how_much_is_missing(cut: int) -> None:
    (found,), loss = read(1, ethernet(IP), cut=cut)
    assert (found[4], found[5], loss) == (HELLO[: len(HELLO) - cut], cut, {})


@pytest.mark.parametrize("packet", [ethernet(IP), ethernet(IP_6)])
def test_a_packet_cut_in_its_headers_is_counted(packet: bytes) -> None:
    header = len(packet) - len(HELLO) - 12  # TCP's options may be cut: the fixed part says all
    for cut in range(len(packet) - header + 1, len(packet)):
        assert read(1, packet, cut=cut) == ([], {"cut_headers": 1})


def test_segmentation_offload_leaves_the_length_to_the_frame() -> None:
    packet = bytearray(IP)
    packet[2:4] = b"\0\0"
    assert read(101, bytes(packet)) == ([FOUND], {})


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(0, b"\x44", id="header shorter than the least"),
        pytest.param(2, b"\xff\xff", id="longer than the frame"),
        pytest.param(32, b"\x40", id="TCP header shorter than the least"),
        pytest.param(32, b"\xf0", id="TCP header longer than the packet"),
    ],
)
def test_malformed_packets_are_counted(at: int, value: bytes) -> None:
    packet = IP[:at] + value + IP[at + len(value) :]
    found, loss = read(101, packet)
    assert (found, loss) == ([], {"malformed_packets": 1})


@given(st.sampled_from(sorted(LINK_TYPES)), st.binary(max_size=120), st.integers(0, 60))
def test_no_packet_breaks_the_reader(link: int, octets: bytes, cut: int) -> None:
    read(link, octets, cut=min(cut, len(octets)))


@given(st.integers(0, len(IP_6) - 1), st.integers(0, 255), st.booleans())
def test_no_changed_octet_breaks_the_reader(at: int, value: int, version_6: bool) -> None:
    packet = IP_6 if version_6 else IP
    at %= len(packet)
    found, _ = read(101, packet[:at] + bytes([value]) + packet[at + 1 :])
    assert all(len(told[4]) + told[5] <= len(packet) for told in found)
