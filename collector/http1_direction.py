"""One direction of an HTTP/1.1 connection: where its reading stands and the message that is open."""

from collector.halves import Message
from collector.http1_head import Head
from collector.http1_pairing import Asked
from collector.http1_state import State


class Direction:
    """What is held of one direction.

    line: octets of a line whose end is not there yet. head_bytes: size of the field section so far. trusted: the start
    line stood where one had to stand; else it is believed only with all its fields. told: the message has ended before
    its last octet. remaining: octets to come of the body or chunk. kept: how much of the body was kept; holed: a piece
    of it is missing. begun_ns: first octet of what is open, None if nothing is.
    """

    def __init__(self, from_client: bool, state: State) -> None:
        self.from_client = from_client
        self.state = state
        self.line = bytearray()
        self.remaining = 0
        self.clear()

    def clear(self) -> None:
        """Forget the message; the next one may begin."""
        self.line.clear()
        self.head: Head | None = None
        self.message: Message | None = None
        self.asked: Asked | None = None
        self.begun_ns: int | None = None
        self.head_bytes = self.kept = 0
        self.trusted = True
        self.told = self.holed = False

    def take_line(self, data: bytes, at: int, time_ns: int) -> bytes | None:
        """Return the line that ends in data[at:]; None if none does, then what is there is kept."""
        if self.begun_ns is None and self.state in (State.START, State.SEEK):
            self.begun_ns = time_ns
        end = data.find(b"\n", at) + 1
        self.line += data[at : end or len(data)]
        if not end:
            return None
        line = bytes(self.line)
        self.line.clear()
        return line

    def take_body(self, data: bytes, at: int, size: int, body_bytes: int, time_ns: int) -> None:
        """Take octets of the body, of which at most `body_bytes` are kept: nothing behind one that was not."""
        message = self.message
        if message is not None:
            room = body_bytes - self.kept if message.body_bytes == self.kept and not self.holed else 0
            message.add_body(data, at, size, room)
            message.last_byte_ns = time_ns
            self.kept += min(size, room)

    def miss(self, length: int) -> None:
        """Take notice of a hole in the body."""
        self.holed = True
        if self.message is not None:
            self.message.body_bytes += length
        if self.state is not State.REST:
            self.remaining -= length
