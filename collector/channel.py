"""What the supervisor and the observer say to each other, framed on a Unix stream socket, checked where it arrives.

The observer parses hostile octets, so the supervisor takes nothing from it but these messages, of bounded size.
"""

import select
import socket
import time
from collections import deque
from dataclasses import dataclass
from struct import Struct

import msgspec

from collector.delivery import Delivery
from collector.workload import Caller, Workload

HEAD = Struct("<IB")
MOST_BYTES = 16_777_216  # a message; a batch of 200 bodies of 16 KiB takes 4 MB
RECEIVE_BYTES = 131_072  # of a buffer that stays: a new one each time would be mapped and faulted in anew
SEND_S = 10.0  # the other side stands still: it is given up


class Closed(Exception):  # noqa: N818 (what the channel is)
    """The other side is gone, or said what is no message."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the observer needs to begin; sections of the configuration without any password."""

    site: str
    node: str
    collector: bytes  # JSON of its section
    ring_bytes: int
    pseudonym_key: bytes | None
    to_lines: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The observer observes; `confined`: what confines it."""

    incarnation: str
    confined: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Which workload is this? Numbered, since an answer may come too late."""

    number: int
    caller: Caller


@dataclass(frozen=True, slots=True)
class Answer:
    """It is this."""

    number: int
    workload: Workload


@dataclass(frozen=True, slots=True)
class Figures:
    """What the observer counted since it began, once a second."""

    loss: dict[str, int]
    traffic: dict[str, int]
    connections: int
    events: int
    batches: int
    watermark_us: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost behind the observer since it began, by reason: it tells it in its batches."""

    by_reason: dict[str, int]


@dataclass(frozen=True, slots=True)
class Stop:
    """End in order."""


Message = Setup | Ready | Ask | Answer | Figures | Loss | Stop | Delivery
KINDS: tuple[type[Message], ...] = (Setup, Ready, Ask, Answer, Figures, Loss, Stop, Delivery)
NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


class Channel:
    """One side of the conversation."""

    def __init__(self, link: socket.socket) -> None:
        """Speak over a connected stream socket."""
        self._link = link
        self._link.settimeout(SEND_S)
        self._waiting: deque[Message] = deque()
        self._octets = bytearray(RECEIVE_BYTES)
        self._filled = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders = [msgspec.msgpack.Decoder(kind) for kind in KINDS]

    def fileno(self) -> int:
        """Return the socket's descriptor, to be waited for."""
        return self._link.fileno()

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def send(self, message: Message) -> None:
        """Say something. Raises Closed where nobody takes it."""
        body = self._encode(message)
        try:
            self._link.sendall(HEAD.pack(len(body), NUMBERS[type(message)]) + body)
        except OSError as error:
            raise Closed(str(error)) from error

    def receive(self, wait_s: float = 0.0) -> Message | None:
        """Return the next message, or None where none came in time. Raises Closed."""
        until_s = time.monotonic() + wait_s
        while not self._waiting and select.select([self._link], (), (), max(0.0, until_s - time.monotonic()))[0]:
            self._fill()
        return self._waiting.popleft() if self._waiting else None

    def push_back(self, message: Message) -> None:
        """Let a message that was not waited for come again."""
        self._waiting.append(message)

    def _fill(self) -> None:
        view = memoryview(self._octets)
        try:
            received = self._link.recv_into(view[self._filled :])
        except OSError as error:
            raise Closed(str(error)) from error
        if not received:
            raise Closed("end of file")
        self._filled += received
        read = self._read(view[: self._filled])
        if read:
            self._keep(view[read : self._filled], RECEIVE_BYTES)
        elif self._filled == len(self._octets):
            self._keep(view, 2 * len(self._octets))  # a message longer than that: MOST_BYTES bounds it

    def _keep(self, rest: memoryview, room: int) -> None:
        """Let what is not read yet stand at the begin of `room` octets, or of as many as it has and some."""
        room = max(room, len(rest) + HEAD.size)
        octets = self._octets if len(self._octets) == room else bytearray(room)
        memoryview(octets)[: len(rest)] = rest  # they may overlap
        self._octets, self._filled = octets, len(rest)

    def _read(self, view: memoryview) -> int:
        """Let the whole messages that octets begin with wait to be taken; return where they end. Raises Closed."""
        at = 0
        while len(view) - at >= HEAD.size:
            length, kind = HEAD.unpack_from(view, at)
            if length > MOST_BYTES or kind >= len(KINDS):
                raise Closed(f"no message: kind {kind}, {length} octets")
            end = at + HEAD.size + length
            if len(view) < end:
                break
            try:
                self._waiting.append(self._decoders[kind].decode(view[at + HEAD.size : end]))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Closed(f"no message: {error}") from error
            at = end
        return at
