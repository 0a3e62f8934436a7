"""Capture files whole: the messages equal tshark's, from every container; a broken file is told in one line."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from collector.connections import Bounds, Connections
from collector.message import Ended, Half, Limits
from collector.pcap_source import PcapSource
from schemas.refusal import Refusal
from tests import tshark
from tests.wire import block, interface, pcap, section

CAPTURES = tshark.CAPTURES
FOREIGN = Path(__file__).parent.parent.parent / "shared" / "captures"
FULL = CAPTURES / "open5gs-registration-full.pcapng"


def decoded(path: Path) -> tuple[list[tshark.Row], PcapSource, Connections]:
    """Return what the collector's core reads in a capture, as rows, with its source and connections."""
    source = PcapSource(path)
    connections = Connections(Limits(), Bounds())
    taken: list[Any] = []

    def tick(now_ns: int) -> None:
        connections.advance(now_ns)
        taken.extend(connections.take())

    source.run(connections, tick)
    connections.finish(source.now_ns)
    taken.extend(connections.take())
    without = [message for _, message in taken if not message.header_bytes]
    assert Ended.COMPLETE not in {message.ended for message in without}  # tshark counts header blocks, these had none
    rows = [row(ends, message) for ends, message in taken if message.header_bytes]
    return sorted(rows, key=tshark.json.dumps), source, connections


def row(ends: Any, message: Any) -> tshark.Row:
    """Return one message as tshark's row."""
    client, server = f"{ends.client_address}/{ends.client_port}", f"{ends.server_address}/{ends.server_port}"
    field = {name: value.decode() for name, value in reversed(message.headers) if name and value is not None}
    if message.half == Half.REQUEST:
        method, path, authority = (field.get(name) for name in (b":method", b":path", b":authority"))
        return tshark.request(client, server, message.stream_id, method, path, authority)
    status = field.get(b":status")
    return tshark.response(client, server, message.stream_id, int(status) if status else None)


@pytest.mark.parametrize("name", tshark.WHOLE)
def test_the_messages_are_those_of_the_golden_file(name: str) -> None:
    rows, source, connections = decoded(CAPTURES / f"{name}.pcapng")
    assert rows == tshark.golden(name)
    assert (source.problem, connections.counters.by_reason) == (None, {})


@pytest.mark.parametrize(
    "path",
    [FULL, CAPTURES / "open5gs-suite-scp.pcapng", FOREIGN / "thirdparty-free5gc-registration.pcap"],
    ids=lambda path: path.stem,
)
def test_the_messages_are_those_of_tshark(path: Path) -> None:
    if not path.exists():
        pytest.skip("the capture is not here")
    assert decoded(path)[0] == tshark.ask(path)


@pytest.fixture(scope="module")
def truth() -> list[tshark.Row]:
    """Return the golden rows of the registration capture."""
    return tshark.golden("open5gs-registration-full")


def test_gzip_is_the_same_capture(tmp_path: Path, truth: list[tshark.Row]) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(FULL.read_bytes()))
    rows, source, _ = decoded(packed)
    assert (rows, source.digest) == (truth, PcapSource(FULL).digest)


def packets_of(path: Path) -> list[tuple[int, bytes]]:
    """Return time and octets of each packet of a pcapng file written by editcap (one section, one interface)."""
    data = path.read_bytes()
    found, at = [], 0
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        if kind == 6:
            high, low, captured = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (12, 16, 20))
            found.append(((high << 32 | low) * 1_000, data[at + 28 : at + 28 + captured]))
        at += length
    return found


@pytest.mark.parametrize(
    "transform",
    [
        pytest.param(lambda packets: pcap(packets, order=">", nano=True), id="pcap, big endian, nanoseconds"),
        pytest.param(
            lambda packets: pcap([(t, o[:12] + b"\x81\x00\x00\x07" + o[12:]) for t, o in packets]),
            id="behind a VLAN tag",
        ),
        pytest.param(lambda packets: pcap([(t, o[14:]) for t, o in packets], link=101), id="raw IP"),
        pytest.param(
            lambda packets: pcap([(t, o[12:14] + bytes(18) + o[14:]) for t, o in packets], link=276),
            id="Linux cooked v2",
        ),
        pytest.param(lambda packets: pcap([one for one in packets for _ in "12"]), id="each packet twice"),
        pytest.param(lambda packets: pcap(swapped(packets)), id="neighbours swapped"),
    ],
)
def test_the_container_changes_nothing(transform: Any, tmp_path: Path, truth: list[tshark.Row]) -> None:
    path = tmp_path / "other.pcap"
    path.write_bytes(transform(packets_of(FULL)))
    rows, _, connections = decoded(path)
    assert (rows, connections.counters.by_reason) == (truth, {})


def swapped(packets: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the packets with each 5th and 6th in the other order, but for those that open or close a connection."""
    out = list(packets)
    for i in range(4, len(out) - 1, 5):
        if not any(octets[47] & 7 for _, octets in out[i : i + 2] if octets[23] == 6):
            out[i], out[i + 1] = (out[i][0], out[i + 1][1]), (out[i + 1][0], out[i][1])
    return out


def test_a_snap_length_leaves_the_short_messages_and_says_what_is_missing(
    tmp_path: Path, truth: list[tshark.Row]
) -> None:
    path = tmp_path / "snapped.pcap"
    path.write_bytes(pcap(packets_of(FULL), snap=300))
    rows, _, connections = decoded(path)
    loss = connections.counters.by_reason
    cut = [octets for _, octets in packets_of(FULL) if octets[23] == 6 and len(octets) > 300]
    once = {octets[26:42]: len(octets) - 300 for octets in cut}  # ends and sequence number: some were sent twice
    assert (loss["cut_packets"], loss["missing_bytes"]) == (len(cut), sum(once.values()))
    assert set(map(str, rows)) & set(map(str, truth))


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_file_is_read_up_to_the_cut(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    data = gzip.compress(FULL.read_bytes(), mtime=0) if packed else FULL.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    rows, source, _ = decoded(path)
    assert len(rows) > 500
    assert "\n" not in str(source.problem)
    assert "the capture is broken" in str(source.problem)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "empty"),
        (b"GET / HTTP/1.1\r\n\r\n", "neither pcap nor pcapng"),
        (b"\xd4\xc3", "neither pcap nor pcapng"),
        (b"\x1f\x8bnot gzip after all", "not a capture.*gzip: Unknown compression method"),
        (gzip.compress(b"text", mtime=0), "neither pcap nor pcapng"),
        (None, "No such file"),
    ],
)
def test_what_is_no_capture_is_refused(content: bytes | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal, match=text) as refused:
        PcapSource(path)
    assert "\n" not in str(refused.value)


def test_a_capture_of_another_link_type_says_so(tmp_path: Path) -> None:
    path = tmp_path / "radio.pcap"
    path.write_bytes(pcap([(10**18, b"beacon")], link=105))
    _, source, _ = decoded(path)
    assert "1 of unsupported link types" in str(source.problem)


@pytest.mark.parametrize("data", [pcap([]), section(), section() + interface(), section() + block(0xBAD, b"x")])
def test_a_capture_without_packets_is_one(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.write_bytes(data)
    rows, source, connections = decoded(path)
    assert (rows, source.problem, connections.counters.by_reason) == ([], None, {})


def test_real_time_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("collector.pcap_source.time.sleep", slept.append)
    path = tmp_path / "slow.pcap"
    path.write_bytes(pcap([(10**18 + i * 10**9, b"") for i in range(4)]))
    PcapSource(path, speed=2.0).run(Connections(Limits(), Bounds()), lambda _: None)
    assert [round(seconds, 1) for seconds in slept] == [0.0, 0.5, 1.0]


def test_a_run_is_repeatable() -> None:
    def identities() -> list[str]:
        source = PcapSource(FULL)
        connections = Connections(Limits(), Bounds())
        source.run(connections, connections.advance)
        connections.finish(source.now_ns)
        return [ends.connection_id for ends, _ in connections.take()]

    first = identities()
    assert (len(set(first)), identities()) == (18, first)
