"""The connections of a capture as the observer is given them: chunks in order, by direction, with their times."""

from functools import cache
from pathlib import Path
from typing import Any

from collector.bytestream import ByteStream
from collector.connections import ABSENT, Bounds, Connections
from collector.message import Counters, Limits
from collector.pcap_source import PcapSource
from tests.tshark import CAPTURES

Chunk = tuple[bool, bytes, int]  # from the client?, octets, ns

FULL = CAPTURES / "open5gs-registration-full.pcapng"
MIDSTREAM = CAPTURES / "open5gs-registration-midstream.pcapng"
SUITE = CAPTURES / "open5gs-suite-scp.pcapng"


class Noted(list[Chunk]):
    """What a connection is given, in order."""

    def feed(self, from_client: bool, data: bytes, time_ns: int) -> None:
        self.append((from_client, data, time_ns))

    def gap(self, from_client: bool, length: int, time_ns: int) -> None:
        raise AssertionError("the capture has a hole")


class Listening(Connections):
    """Connections that note what each of them is given."""

    def __init__(self) -> None:
        super().__init__(Limits(), Bounds())
        self.found: list[Noted] = []
        self._streams: dict[int, tuple[ByteStream, ByteStream]] = {}

    def open(self, key: int, endpoints: Any, time_ns: int, from_start: bool, positions: Any) -> None:
        super().open(key, endpoints, time_ns, from_start, positions)
        noted = Noted()
        self.found.append(noted)
        client, server = (
            ByteStream(noted, side, position, False, Counters(), Counters())
            for side, position in zip((True, False), positions or (-1, -1), strict=True)
        )
        self._streams[key] = (server, client)

    def chunk(self, key: int, from_client: bool, position: int, data: bytes, time_ns: int) -> Any:
        verdict = super().chunk(key, from_client, position, data, time_ns)
        if verdict is not ABSENT:
            self._streams[key][from_client].chunk(position, data, time_ns)
        return verdict


@cache
def recorded(path: Path) -> list[list[Chunk]]:
    """Return the chunks of each connection of a capture without loss."""
    source, shard = PcapSource(path), Listening()
    source.run(shard, lambda now_ns: (shard.advance(now_ns), shard.take(), None)[-1])
    shard.finish(source.now_ns)
    return [list(noted) for noted in shard.found]


def frame_begins(octets: bytes, first: int) -> list[int]:
    """Return where the frames of a direction begin, of which the first one begins at `first`."""
    begins = []
    while first + 9 <= len(octets):
        begins.append(first)
        first += 9 + int.from_bytes(octets[first : first + 3], "big")
    return begins
