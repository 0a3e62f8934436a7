"""HTTP/2 frames of messages, written anew (RFC 9113): fields as literals that no table holds (RFC 7541 6.2.3)."""

import struct
from collections.abc import Iterator, Sequence

from collector.message import Ended, Half
from collector.redacted_message import Written

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST_PAYLOAD = 16_384  # SETTINGS_MAX_FRAME_SIZE before any other is told (RFC 9113 6.5.2)
DATA, HEADERS, RST_STREAM, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, ACKNOWLEDGED, END_HEADERS = 1, 1, 4
CANCEL = struct.pack(">I", 8)
NEVER_INDEXED = 0x10
Timed = tuple[int, bytes]


def beginning(from_client: bool) -> bytes:
    """Return what one side of a connection says first: empty SETTINGS, and the acknowledgement of the other's."""
    settings = frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, ACKNOWLEDGED, 0, b"")
    return PREFACE + settings if from_client else settings


def frames(message: Written) -> Iterator[Timed]:
    """Yield (time_ns, octets) of a message: its header block, then its body and its end as they were seen."""
    block = b"".join(
        literal(name.encode(errors="replace"), value.encode(errors="replace")) for name, value in message.fields
    )
    whole = message.ended == Ended.COMPLETE
    last = whole and not message.body
    pieces = [block[at : at + MOST_PAYLOAD] for at in range(0, len(block), MOST_PAYLOAD)] or [b""]
    written = []
    for number, piece in enumerate(pieces):
        flags = (END_HEADERS if number == len(pieces) - 1 else 0) | (END_STREAM if last and not number else 0)
        written.append(frame(CONTINUATION if number else HEADERS, flags, message.stream_id, piece))
    if message.fields:
        yield message.headers_ns, b"".join(written)
    body = [message.body[at : at + MOST_PAYLOAD] for at in range(0, len(message.body), MOST_PAYLOAD)]
    for number, piece in enumerate(body):
        is_end = whole and number == len(body) - 1
        yield message.last_byte_ns, frame(DATA, END_STREAM if is_end else 0, message.stream_id, piece)
    if message.ended == Ended.RESET:
        yield message.last_byte_ns, frame(RST_STREAM, 0, message.stream_id, CANCEL)


def conversation(messages: Sequence[Written]) -> list[tuple[int, bool, bytes]]:
    """Return (time_ns, from_client, octets) of one connection's messages, in order of time."""
    said = [(time_ns, one.half == Half.REQUEST, octets) for one in messages for time_ns, octets in frames(one)]
    return sorted(said, key=lambda one: one[0])


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return a frame (RFC 9113 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a literal field never indexed, with a new name, without Huffman coding (RFC 7541 6.2.3, 5.2)."""
    return bytes([NEVER_INDEXED]) + _string(name) + _string(value)


def _string(octets: bytes) -> bytes:
    return _integer(len(octets)) + octets


def _integer(value: int) -> bytes:
    """Return an integer with a prefix of 7 bits (RFC 7541 5.1)."""
    if value < 127:
        return bytes([value])
    value -= 127
    octets = bytearray([127])
    while value >= 128:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)
