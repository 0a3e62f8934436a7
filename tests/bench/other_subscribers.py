"""The octets of a recorded core about other subscribers: the same exchanges, sizes and table entries, other digits."""

from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman

from tests.recorded import Chunk
from tests.traffic import HEADERS, PREFACE

DATA = 0
PREFIXES = ((0x80, 7, 0), (0x40, 6, 2), (0x20, 5, 0), (0x00, 4, 2))  # bit, octets of the index, strings (RFC 7541 6)
_HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def changed(octets: bytes, number: int) -> bytes:
    """Return header values or a body about the `number`th others; as long as before."""
    return octets.replace(b"999700000000", b"99970%07d" % number).replace(b"-0-0-0-00000", b"-0-0-0-%05d" % number)


def of_others(connections: list[list[Chunk]], number: int) -> list[list[Chunk]]:
    """Return the chunks of a capture without padding about others; a frame stands where its last octet stood."""
    return [_connection(chunks, number) for chunks in connections]


def _connection(chunks: list[Chunk], number: int) -> list[Chunk]:
    held, made = {True: b"", False: b""}, []
    for side, data, time_ns in chunks:
        octets, done = held[side] + data, b""
        if side and octets.startswith(PREFACE):
            done, octets = PREFACE, octets[len(PREFACE) :]
        while len(octets) >= 9 and len(octets) >= (end := 9 + int.from_bytes(octets[:3], "big")):
            done += _frame(octets[:end], number)
            octets = octets[end:]
        held[side] = octets
        if done:
            made.append((side, done, time_ns))
    return made


def _frame(frame: bytes, number: int) -> bytes:
    if frame[3] == DATA:
        return frame[:9] + changed(frame[9:], number)
    if frame[3] != HEADERS:
        return frame
    block = _block(frame[9:], number)
    return len(block).to_bytes(3, "big") + frame[3:9] + block


def _block(block: bytes, number: int) -> bytes:
    """Return a header block whose strings are changed, each coded as before."""
    made, at = b"", 0
    while at < len(block):
        bits, strings = next((bits, strings) for bit, bits, strings in PREFIXES if block[at] & bit or not bit)
        index, end = _integer(block, at, bits)
        made, at = made + block[at:end], end
        for _ in range(strings - bool(strings and index)):  # a name of the table is no string
            length, begin = _integer(block, at, 7)
            text, is_huffman, at = block[begin : begin + length], block[at] & 0x80, begin + length
            text = changed(decode_huffman(text) if is_huffman else text, number)
            text = _HUFFMAN.encode(text) if is_huffman else text
            made += _written(len(text), is_huffman) + text
    return made


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """RFC 7541 5.1: return a number and where it ends."""
    value, at, shift = block[at] & (1 << bits) - 1, at + 1, 0
    if value == (1 << bits) - 1:
        while True:
            value, shift, at = value + ((block[at] & 127) << shift), shift + 7, at + 1
            if not block[at - 1] & 128:
                break
    return value, at


def _written(length: int, mark: int) -> bytes:
    """RFC 7541 5.1, of a string's length."""
    if length < 127:
        return bytes([mark | length])
    made, rest = bytes([mark | 127]), length - 127
    while rest > 127:
        made, rest = made + bytes([rest & 127 | 128]), rest >> 7
    return made + bytes([rest])
