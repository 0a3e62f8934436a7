"""The messages of a capture, and of each what meaning reads: header fields as text, facts of the body."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collector.body import BodyFacts, read_body
from collector.connections import Bounds, Connections
from collector.halves import Message
from collector.message import Endpoints, Limits
from collector.pcap_source import PcapSource


@cache
def messages(path: Path) -> list[tuple[Endpoints, Message]]:
    source, connections = PcapSource(path), Connections(Limits(), Bounds())
    every: list[tuple[Endpoints, Message]] = []

    def tick(now_ns: int) -> None:
        connections.advance(now_ns)
        every.extend(connections.take())

    source.run(connections, tick)
    connections.finish(source.now_ns)
    return every + connections.take()


def fields(message: Message | None) -> dict[str, str]:
    found = message.headers if message is not None else []
    return {name.decode(): value.decode("latin-1") for name, value in found if name and value}


@dataclass
class Exchange:
    """A request and its response, either None if it was not seen."""

    key: tuple[str, int]
    server: str
    request: Message | None = None
    response: Message | None = None

    @property
    def asked(self) -> dict[str, str]:
        return fields(self.request) or fields(self.response.request if self.response else None)

    @property
    def answered(self) -> dict[str, str]:
        return fields(self.response)


def exchanges(path: Path) -> dict[tuple[str, int], Exchange]:
    found: dict[tuple[str, int], Exchange] = {}
    for ends, message in messages(path):
        key = (ends.connection_id, message.stream_id)
        exchange = found.setdefault(key, Exchange(key, f"{ends.server_address}:{ends.server_port}"))
        if message.half:
            exchange.response = message
        else:
            exchange.request = message
    return found


def facts(message: Message) -> BodyFacts:
    said = fields(message)
    return read_body(said.get("content-type"), said.get("content-encoding"), message.body, message.body_bytes)
