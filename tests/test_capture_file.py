"""From the bytes of a capture file to its packets: formats, byte orders, resolutions, any chunking, broken files."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.capture_file import CaptureError, CaptureFile
from collector.message import Counters
from tests.wire import block, enhanced, interface, option, pcap, section

NOON = 1_795_348_800_000_000_000
PACKETS = [(NOON + 123_456_789, b"first packet"), (NOON + 1_000_000_999, b"2"), (NOON + 99_000_000_000, b"last" * 9)]


def read(data: bytes, piece: int | None = None, ends: bool = True) -> tuple[list[Any], list[int], dict[str, int]]:
    """Return the packets (link, time, octets, length on the wire), the ticks and what was counted."""
    found: list[Any] = []
    ticks: list[int] = []
    loss = Counters()
    file = CaptureFile(
        lambda link, t, d, at, n, full: found.append((link, t, d[at : at + n], full)), ticks.append, loss
    )
    piece = piece or len(data) or 1
    for at in range(0, len(data), piece):
        file.feed(data[at : at + piece])
    if ends:
        file.finish()
    return found, ticks, loss.by_reason


def pcapng(order: str = "<", resolution: int | None = None, per_second: int = 10**6) -> bytes:
    """Return the three packets as pcapng."""
    blocks = [enhanced(time * per_second // 10**9, octets, order=order) for time, octets in PACKETS]
    return section(order) + interface(1, resolution, order=order) + b"".join(blocks)


def rounded(unit_ns: int) -> list[Any]:
    """Return the three packets, their times cut to units."""
    return [(1, time // unit_ns * unit_ns, octets, len(octets)) for time, octets in PACKETS]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("build", "unit_ns"),
    [
        pytest.param(lambda order: pcap(PACKETS, order=order), 1_000, id="pcap"),
        pytest.param(lambda order: pcap(PACKETS, order=order, nano=True), 1, id="pcap, nanoseconds"),
        pytest.param(lambda order: pcapng(order), 1_000, id="pcapng"),
        pytest.param(lambda order: pcapng(order, 9, 10**9), 1, id="pcapng, nanoseconds"),
        pytest.param(lambda order: pcapng(order, 3, 10**3), 10**6, id="pcapng, milliseconds"),
        pytest.param(lambda order: pcapng(order, 10, 10**10), 1, id="pcapng, finer than a nanosecond"),
    ],
)
def test_formats_whole_and_byte_by_byte(build: Any, unit_ns: int, order: str) -> None:
    for piece in (None, 1, 7):
        found, _, loss = read(build(order), piece)
        assert (found, loss) == (rounded(unit_ns), {})


@pytest.mark.parametrize("power", [1, 10, 20, 30, 33])
def test_resolutions_in_powers_of_two(power: int) -> None:
    found, _, _ = read(pcapng(resolution=0x80 | power, per_second=2**power))
    for (_, time, _, _), (wanted, _) in zip(found, PACKETS, strict=True):
        ticks = wanted * 2**power // 10**9
        assert time == ticks * 10**9 // 2**power


def test_a_clock_offset_is_added() -> None:
    found, _, _ = read(section() + interface(offset_s=-3600) + enhanced(7_200_000_000, b"x"))
    assert found == [(1, 3_600_000_000_000, b"x", 1)]


def test_interfaces_of_different_link_types_and_resolutions() -> None:
    data = section() + interface(1) + interface(113, 9) + enhanced(5, b"a", 0) + enhanced(5, b"b", 1, original=9)
    assert read(data)[0] == [(1, 5_000, b"a", 1), (113, 5, b"b", 9)]


def test_sections_may_follow_each_other_in_other_byte_orders() -> None:
    assert read(pcapng("<") + pcapng(">"))[0] == rounded(1_000) * 2


def test_unknown_blocks_are_passed_by() -> None:
    data = section() + block(0xBAD, bytes(40)) + interface() + block(4, b"names") + enhanced(1, b"x")
    assert read(data)[0] == [(1, 1_000, b"x", 1)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_old_packet_block(order: str) -> None:
    head = struct.pack(f"{order}HHIIII", 1, 3, 0, 7, 2, 2)
    data = section(order) + interface(order=order) + interface(101, order=order) + block(2, head + b"ab", order)
    assert read(data)[0] == [(101, 7_000, b"ab", 2)]


def test_a_packet_without_time_is_counted() -> None:
    data = section() + interface() + block(3, struct.pack("<I", 1) + b"x")
    assert read(data) == ([], [], {"packets_without_time": 1})


def test_what_the_recorder_dropped_is_counted() -> None:
    options = option(5, struct.pack("<Q", 20)) + option(7, struct.pack("<Q", 3)) + option(4, struct.pack("<Q", 99))
    data = section() + interface() + block(5, bytes(12) + options + bytes(4))
    assert read(data)[2] == {"dropped_by_recorder": 23}


def test_other_link_types_are_counted() -> None:
    assert read(pcap(PACKETS, link=105)) == ([], [NOON + 10**9, NOON + 99 * 10**9], {"unsupported_link_type": 3})


def test_ticks_fall_on_the_grid_before_the_packet_that_passes_it() -> None:
    times = [0, 99_999_999, 100_000_000, 150_000_000, 90_000_000, 730_000_000]
    _, ticks, _ = read(pcap([(NOON + time, b"x") for time in times], nano=True))
    assert [tick - NOON for tick in ticks] == [100_000_000, 700_000_000]


@pytest.mark.parametrize(
    ("head", "records"),
    [
        ([pcap([])], [pcap([packet])[24:] for packet in PACKETS]),
        ([section(), interface()], [enhanced(time // 1_000, octets) for time, octets in PACKETS]),
    ],
    ids=["pcap", "pcapng"],
)
def test_a_file_cut_anywhere_gives_what_is_whole(head: list[bytes], records: list[bytes]) -> None:
    data = b"".join(head + records)
    ends = [len(b"".join((head + records)[: i + 1])) for i in range(len(head + records))]
    for length in range(24, len(data)):
        whole = sum(end <= length for end in ends[len(head) :])
        assert read(data[:length], ends=False)[0] == rounded(1_000)[:whole]
        if length not in ends:
            with pytest.raises(CaptureError, match="in the middle"):
                read(data[:length])


def test_a_clock_that_falls_back_is_counted() -> None:
    times = [5_000_000_000, 4_100_000_000, 3_900_000_000, 6_000_000_000]
    found, _, loss = read(pcap([(NOON + time, b"x") for time in times]))
    assert ([time - NOON for _, time, _, _ in found], loss) == (times, {"time_backwards": 1})


def test_times_beyond_reason_are_counted() -> None:
    data = section() + interface() + enhanced(2**63, b"x") + enhanced(1, b"y")
    assert read(data) == ([(1, 1_000, b"y", 1)], [], {"absurd_time": 1})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: example\r\n", "neither", id="text"),
        pytest.param(b"\xd4\xc3\xb2\xa1", "neither", id="four octets"),
        pytest.param(pcap([])[:24] + struct.pack("<IIII", 1, 2, 2**31, 2**31), "2147483648 bytes", id="huge packet"),
        pytest.param(section() + struct.pack("<II", 6, 8) + bytes(20), "8 bytes", id="block too short"),
        pytest.param(section() + enhanced(1, b"x"), "no known interface", id="no interface"),
        pytest.param(block(0x0A0D0D0A, bytes(16)) + bytes(8), "byte order", id="no byte order"),
        pytest.param(section() + block(1, b"\0\0"), "too short", id="interface too short"),
        pytest.param(section() + interface(1, 0xFF), "ticks a second", id="absurd resolution"),
        pytest.param(section() + interface(1, offset_s=2**60), "seconds off", id="absurd offset"),
        pytest.param(
            section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 1, 500, 500) + b"x"), "more bytes", id="lies"
        ),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(data: bytes, text: str) -> None:
    with pytest.raises(CaptureError, match=text):
        read(data)


@given(st.binary(max_size=200), st.sampled_from([b"", pcap(PACKETS), pcapng(), section() + interface()]))
def test_random_octets_only_ever_raise_capture_errors(octets: bytes, before: bytes) -> None:
    try:
        read(before + octets)
    except CaptureError:
        pass


@given(st.sampled_from([pcap(PACKETS), pcapng()]), st.integers(0, 300), st.integers(0, 255), st.integers(1, 50))
def test_a_changed_octet_gives_the_same_in_any_pieces(data: bytes, at: int, value: int, piece: int) -> None:
    at %= len(data)
    data = data[:at] + bytes([value]) + data[at + 1 :]
    assert outcome(data, piece) == outcome(data, None)


def outcome(data: bytes, piece: int | None) -> Any:
    """Return what is read, or that it is refused (the packets before are compared by the other tests)."""
    try:
        return read(data, piece)
    except CaptureError as error:
        return str(error).split(",", maxsplit=1)[0]
