"""The connections of a capture as the observer is given them: chunks in order, by direction, with their times."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from collector import connections
from collector.connection import Connection
from collector.message import Limits
from collector.pcap_source import PcapSource
from tests.tshark import CAPTURES

Chunk = tuple[bool, bytes, int]  # from the client?, octets, ns

FULL = CAPTURES / "open5gs-registration-full.pcapng"
MIDSTREAM = CAPTURES / "open5gs-registration-midstream.pcapng"
SUITE = CAPTURES / "open5gs-suite-scp.pcapng"


class Recorder:
    """A Connection that notes what it is given."""

    def __init__(self, recorded: list[list[Chunk]], *arguments: Any) -> None:
        self._connection = Connection(*arguments)
        self._chunks: list[Chunk] = []
        recorded.append(self._chunks)

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
        self._chunks.append((from_client, data, time_ns))
        self._connection.feed(from_client, data, time_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@cache
def recorded(path: Path) -> list[list[Chunk]]:
    """Return the chunks of each connection of a capture without loss."""
    found: list[list[Chunk]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "Connection", lambda *arguments: Recorder(found, *arguments))
        source = PcapSource(path)
        shard = connections.Connections(Limits(), connections.Bounds())
        source.run(shard, lambda now_ns: (shard.advance(now_ns), shard.take(), None)[-1])
        shard.finish(source.now_ns)
    return found


def frame_begins(octets: bytes, first: int) -> list[int]:
    """Return where the frames of a direction begin, of which the first one begins at `first`."""
    begins = []
    while first + 9 <= len(octets):
        begins.append(first)
        first += 9 + int.from_bytes(octets[first : first + 3], "big")
    return begins
