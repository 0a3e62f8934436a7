"""The suite capture seen by two collectors, each half of its connections: the same exchanges, no subscriber wrong."""

import struct
from collections import Counter
from typing import Any

import pytest

from tests import tshark
from tests.test_decode import lines, sbiscope
from tests.test_pcap_source import packets_of
from tests.wire import Timed, pcap

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
Row = dict[str, Any]
# What follows from earlier exchanges, whom it is about above all, may be lacking where the other collector saw them.
LEARNED = {
    "supi", "supi_source", "subscriber_reference", "gpsi", "pei", "pdu_session_id", "snssai", "dnn", "plmn", "guami",
    "consumer_nf", "consumer_nf_source", "consumer_nf_instance", "producer_nf", "producer_nf_source",
    "producer_nf_instance", "operation", "operation_id", "operation_source", "service", "api_version", "resource",
    "callback", "to_proxy",
}  # fmt: skip
OWN = {"transaction_id", "request_event_id", "response_event_id", "connection_id", "incarnation", "node"}


def place(row: Row) -> tuple[Any, ...]:
    return row["client_address"], row["client_port"], row["server_address"], row["stream_id"], row["request_us"]


@pytest.fixture(scope="module")
def whole() -> dict[tuple[Any, ...], Row]:
    return {place(row): row for row in lines(sbiscope("decode", "--transactions", SUITE))}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Return the transactions of both collectors."""
    folder = tmp_path_factory.mktemp("split")
    halves: tuple[list[Timed], list[Timed]] = ([], [])
    for time_ns, frame in packets_of(SUITE):
        ports = struct.unpack_from(">HH", frame, 14 + (frame[14] & 15) * 4)  # behind Ethernet and IPv4
        halves[sum(ports) // 2 % 2].append((time_ns, frame))
    rows = []
    for number, packets in enumerate(halves):
        path = folder / f"{number}.pcap"
        path.write_bytes(pcap(packets))
        rows += lines(sbiscope("decode", "--transactions", "--node", f"n{number}", path))
    return rows


def test_the_exchanges_are_the_same(whole: dict[tuple[Any, ...], Row], split: list[Row]) -> None:
    assert Counter(map(place, split)) == Counter(list(whole))
    assert min(Counter(row["node"] for row in split).values()) > 0.2 * len(split)
    for row in split:
        other = whole[place(row)]
        differing = {name for name in row if row[name] != other[name]}
        assert differing <= LEARNED | OWN, (differing, row, other)


def test_no_subscriber_is_wrong_and_what_is_lacking_is_said(
    whole: dict[tuple[Any, ...], Row], split: list[Row]
) -> None:
    """A reference learned by the other collector stays in its own column (DESIGN 7), never a guess."""
    named = [row for row in split if whole[place(row)]["supi"] is not None]
    right = [row for row in named if row["supi"] == whole[place(row)]["supi"]]
    lacking = [row for row in named if row["supi"] is None]
    assert len(right) + len(lacking) == len(named)
    assert not [row for row in split if whole[place(row)]["supi"] is None and row["supi"] is not None]
    assert all(row["subscriber_reference"] for row in lacking)
    assert len(right) >= 0.99 * len(named)
