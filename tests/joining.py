"""A capture's connections as chunks, so that each can be joined late at any of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.connection import Connection, Message
from collector.connections import UNDECIDED, Bounds, Connections, Verdict
from collector.message import Endpoints, Half, Limits
from collector.pcap_source import PcapSource
from collector.repair import Repair
from collector.selection import EVERYTHING, Selection

Field = tuple[bytes | None, bytes | None]


@dataclass(frozen=True)
class Told:
    """What a message said when it was handed on; later ones may mend its list of fields further."""

    stream_id: int
    half: Half
    headers: list[Field]
    inferred: tuple[str, ...]
    missing: tuple[str, ...]
    request: Message | None

    @property
    def key(self) -> tuple[int, Half]:
        """Return stream and half."""
        return self.stream_id, self.half


def told_now(message: Message) -> Told:
    """Write down what a message says now."""
    return Told(
        message.stream_id, message.half, list(message.headers), message.inferred, message.missing, message.request
    )


@dataclass
class Recorded:
    """One connection: its chunks in their order (from the client?, octets, time)."""

    endpoints: Endpoints
    chunks: list[tuple[bool, bytes, int]] = field(default_factory=list)

    def watch(self, first: int = 0, selection: Selection = EVERYTHING, tick: int = 1) -> list[Told]:
        """Return what is told of it, joined at chunk `first`, mended every `tick` chunks."""
        connection = Connection(Limits(), first == 0, selection=selection)
        repair = Repair()
        messages: list[Told] = []
        for number, (from_client, data, time_ns) in enumerate(self.chunks[first:], 1):
            connection.feed(from_client, data, time_ns)
            if number % tick == 0:
                messages += self._mended(repair, connection)
        connection.close(self.chunks[-1][2])
        return messages + self._mended(repair, connection)

    def _mended(self, repair: Repair, connection: Connection) -> list[Told]:
        taken = connection.take()
        repair.mend([(self.endpoints, message) for message in taken])
        return [told_now(message) for message in taken]


class Recorder(Connections):
    """Stands where the connections of a shard stand and writes down what they are given, in order of position."""

    def __init__(self) -> None:
        super().__init__(Limits(), Bounds())
        self.recorded: dict[int, Recorded] = {}
        self._waiting: dict[tuple[int, bool], dict[int, tuple[bytes, int]]] = {}
        self._next: dict[tuple[int, bool], int] = {}

    def open(self, key: int, endpoints: Endpoints, *_: Any) -> None:
        """Begin a connection."""
        self.recorded[key] = Recorded(endpoints)

    def chunk(self, key: int, from_client: bool, position: int, data: bytes, time_ns: int) -> Verdict:
        """Write a chunk down, once those before it are."""
        side = (key, from_client)
        waiting = self._waiting.setdefault(side, {})
        waiting.setdefault(position, (data, time_ns))
        place = self._next.get(side, position)
        while place in waiting:
            data, time_ns = waiting.pop(place)
            self.recorded[key].chunks.append((from_client, data, time_ns))
            place += len(data)
        self._next[side] = place
        return UNDECIDED

    def close(self, *_: Any) -> None:
        """Ignore the end."""

    def missing(self, *_: Any) -> Verdict:
        """Ignore what was not captured."""
        return UNDECIDED


def connections_of(path: Path) -> list[Recorded]:
    """Return the connections of a capture that carry HTTP, whole ones first seen first."""
    recorder = Recorder()
    source: Any = PcapSource(path)
    source.run(recorder, lambda now_ns: None)
    return [one for one in recorder.recorded.values() if len(one.chunks) > 3]


def truth_of(one: Recorded, selection: Selection = EVERYTHING) -> dict[tuple[int, Half], list[Field]]:
    """Return the fields of each message of a connection seen whole."""
    return {told.key: told.headers for told in one.watch(0, selection)}
