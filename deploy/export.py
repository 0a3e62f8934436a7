"""A subscriber's exchanges out of a capture, as a capture of their own: redacted, written anew as HTTP/2 over TCP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from pathlib import Path

from collector.batch import Event
from collector.capture_writing import Packet, connection, pcapng
from collector.halves import Message
from collector.http2_writing import beginning, conversation
from collector.message import Endpoints
from collector.pcap_source import PcapSource
from collector.pseudonym import Pseudonyms
from collector.redacted_message import MessageRedaction, Written
from deploy.capture import meaning_of, run_capture
from deploy.transactions import TransactionLines
from schemas.config import Config

BODY_BYTES = 1_048_576  # of a body, instead of what an event needs
COMMENT = (
    "Written by sbiscope from a capture, redacted: subscriber identifiers are pseudonyms; tokens, keys, user location,"
    " NAS and other payloads and whatever is no JSON are removed. HTTP/2 and TCP are written anew: sequence numbers,"
    " frames, window updates and trailers are not those of the network; times are."
)

Stream = tuple[str, int]  # connection, stream


class Exported:
    """What was found; `exchanges` of them are HTTP/2 and in the file, `others` are HTTP/1.1 and are not."""

    def __init__(self) -> None:
        self.ends: dict[str, Endpoints] = {}
        self.messages: dict[str, list[Written]] = {}
        self.exchanges: set[Stream] = set()
        self.others: set[Stream] = set()

    def packets(self) -> Iterator[Packet]:
        """Yield the packets of all connections in order of time."""
        return merge(*(self._packets(name) for name in self.messages), key=lambda packet: packet[0])

    def _packets(self, name: str) -> Iterator[Packet]:
        said = conversation(self.messages[name])
        begun_ns = said[0][0] if said else 0
        greetings = [(begun_ns, from_client, beginning(from_client)) for from_client in (True, False)]
        return connection(self.ends[name], [*greetings, *said])

    def file(self) -> Iterator[bytes]:
        """Yield the octets of the pcapng file."""
        return pcapng(self.packets(), COMMENT)


def export(config: Config, path: Path, subscriber: str, pseudonyms: Pseudonyms) -> Exported:
    """Return the exchanges of a subscriber, named as records of `config` name it. Raises Refusal: no whole capture."""
    wanted = _streams(config, path, subscriber)
    redaction = MessageRedaction(pseudonyms)
    found = Exported()
    meaning = meaning_of(config.collector)

    def keep(ends: Endpoints, message: Message) -> Event:
        stream = (ends.connection_id, message.stream_id)
        if stream in wanted and message.http_version != "h2":
            found.others.add(stream)
        elif stream in wanted:
            found.exchanges.add(stream)
            found.ends[ends.connection_id] = ends
            found.messages.setdefault(ends.connection_id, []).append(redaction.of(message))
        return meaning(ends, message)

    large = replace(config, collector=replace(config.collector, body_bytes=BODY_BYTES))
    run_capture(PcapSource(path), large, keep, lambda _: None)
    return found


def _streams(config: Config, path: Path, subscriber: str) -> set[Stream]:
    """Return the streams whose transaction is of the subscriber."""
    found: set[Stream] = set()

    def take(lines: bytes) -> None:
        rows = map(json.loads, lines.splitlines())
        found.update((row["connection_id"], row["stream_id"]) for row in rows if row["supi"] == subscriber)

    lines = TransactionLines(take, config.streams)
    source = PcapSource(path)
    run_capture(source, config, meaning_of(config.collector), lines.put)
    lines.finish()
    if source.problem is not None:
        raise source.problem
    return found
