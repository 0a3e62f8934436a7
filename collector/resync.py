# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where a frame begins, for an observer that joined in the middle of one or lost octets.

A place is taken for the begin of a frame when the chain of frame headers found from there (each says where the next
one stands) bears 60 bits of evidence: for each header the negative logarithm of the chance that random octets make
it, at most 32 bits, so that no single frame suffices; for header blocks also that they decode and hold well-formed
pseudo-headers; and that chunks begin and end where frames do, which is common but proves little by itself.

False locks. On random octets a place passes with a probability below 2^-60, a window of 128 KiB below 2^-43. In text,
as in JSON bodies, no place passes: each header of a frame below 64 KiB begins with an octet 0. What no local test can
tell apart is a body that holds whole HTTP/2 frames of somebody's making; it deceives only an observer that joins
within that very body, since places are tried in order and an enclosing frame comes first.
"""

import cython

from collector.selection import EVERYTHING

if cython.compiled:
    from cython.cimports.collector.frames import (
        CONTINUATION,
        DATA,
        END_HEADERS,
        HEADERS,
        PADDED,
        PRIORITY_FLAG,
        PUSH_PROMISE,
        SETTINGS,
        is_legal,
    )
    from cython.cimports.collector.hpack import Decoder
else:
    from collector.frames import (
        CONTINUATION,
        DATA,
        END_HEADERS,
        HEADERS,
        PADDED,
        PRIORITY_FLAG,
        PUSH_PROMISE,
        SETTINGS,
        is_legal,
    )
    from collector.hpack import Decoder

THRESHOLD = cython.declare(cython.int, 60)
FRAME_BITS = cython.declare(cython.int, 32)  # the most that one frame header counts
STRONG_BITS = cython.declare(cython.int, 30)  # what the first frame must be worth alone
LENGTH_BITS = cython.declare(cython.int, 10)
PSEUDO_HEADER_BITS = cython.declare(cython.int, 6)
CHUNK_BEGIN_BITS = cython.declare(cython.int, 6)
CHUNK_END_BITS = cython.declare(cython.int, 10)
MAX_HOPS = cython.declare(cython.int, 16)
MAX_WINDOW = cython.declare(cython.Py_ssize_t, 131_072)  # octets kept while looking
MAX_FRAME = cython.declare(cython.Py_ssize_t, 16_384)  # RFC 9113 4.2; larger ones count less
MAX_LARGE_FRAME = cython.declare(cython.Py_ssize_t, 1 << 20)
MAX_SETTINGS = cython.declare(cython.Py_ssize_t, 6 * 32)

# By frame type: flags that have a meaning (RFC 9113 6), and the bits of type, flags and stream id beside the length.
_FLAGS = cython.declare("unsigned char[10]")
_BITS = cython.declare("unsigned char[10]")
if not cython.compiled:
    _FLAGS, _BITS = [0] * 10, [0] * 10
for _kind, (_flags, _bits) in enumerate(
    ((9, 16), (45, 14), (0, 41), (0, 41), (1, 40), (12, 16), (1, 71), (0, 49), (0, 41), (4, 17))
):
    _FLAGS[_kind] = _flags
    _BITS[_kind] = _bits

FAILED = cython.declare(cython.int, 0)
PASSED = cython.declare(cython.int, 1)
PENDING = cython.declare(cython.int, 2)

METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD", b"CONNECT"))


def frame_bits(kind: cython.int, flags: cython.int, length: cython.Py_ssize_t, stream: cython.uint) -> cython.int:
    """Return how many bits of evidence a frame header is, -1 if it cannot be one. `stream` with its reserved bit."""
    bits: cython.int
    if kind > CONTINUATION or stream >> 31 or flags & ~_FLAGS[kind]:
        return -1
    if not is_legal(kind, flags, length, stream) or (kind == SETTINGS and length > MAX_SETTINGS):
        return -1
    bits = _BITS[kind]
    if kind == DATA:
        if length > MAX_LARGE_FRAME:
            return -1
        if length == 0:
            return 0  # such as zeros make
        return bits + LENGTH_BITS if length <= MAX_FRAME else bits
    if length > MAX_FRAME or (kind == PUSH_PROMISE and stream & 1 == 0):
        return -1
    bits += LENGTH_BITS
    return min(bits, FRAME_BITS)


def block_bits(fields: list[tuple[bytes | None, bytes | None]]) -> int:
    """Return the evidence in a decoded header block, -1 if it is none of HTTP (RFC 9113 8.2.1, 8.3)."""
    bits = 0
    for name, value in fields:
        if name is None:
            continue
        if not name or name != name.lower() or b" " in name or max(name) > 126 or min(name) < 33:
            return -1
        if name[0] == 58 and value is not None:
            if not _is_pseudo_header(name, value):
                return -1
            bits += PSEUDO_HEADER_BITS
    return min(bits, 4 * PSEUDO_HEADER_BITS)


def _is_pseudo_header(name: bytes, value: bytes) -> bool:
    if name == b":method":
        return value in METHODS
    if name == b":scheme":
        return value in {b"http", b"https"}
    if name == b":path":
        return value[:1] in {b"/", b"*"}
    if name == b":status":
        return len(value) == 3 and value.isdigit()
    return name in {b":authority", b":protocol"}


@cython.final
@cython.cclass
class Seeker:
    """Gathers the chunks of one direction until a frame boundary is found in them; at most MAX_WINDOW octets."""

    _buffer: bytearray
    _chunks: list[tuple[int, int]]  # (where it begins, counted like _first; time)
    _first: cython.longlong  # how many octets were dropped before the buffer
    _wanted: cython.Py_ssize_t  # no more can be said before the buffer is that long
    _joined: cython.longlong  # where the octets begin that follow the join or the last loss
    _lock: cython.Py_ssize_t
    _dropped: cython.longlong

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._chunks = []
        self._first = 0
        self._wanted = 0
        self._joined = self._lock = 0
        self._dropped = 0

    @property
    def oldest_ns(self) -> int | None:
        """Time of the first octet held, None if there is none."""
        return self._chunks[0][1] if self._buffer else None

    def push(self, data: bytes, time_ns: int) -> list[tuple[bytes, int]] | None:
        """Take a chunk. Return all from the frame boundary on, in chunks with their times; None: not found yet."""
        at: cython.Py_ssize_t = 0
        found: cython.int = FAILED
        if not data:
            return None
        self._chunks.append((self._first + len(self._buffer), time_ns))
        self._buffer += data
        if len(self._buffer) < self._wanted:
            return None
        while found == FAILED and at < len(self._buffer):
            found = self._try(at)
            if found == PENDING and len(self._buffer) - at > MAX_WINDOW:
                found = FAILED
            if found == FAILED:
                at += 1
        self._drop(self._lock if found == PASSED else at)
        if found == PASSED:
            return self._found()
        if found == FAILED:
            self._wanted = 0
        return None

    def take_dropped(self) -> int:
        """Return how many octets were passed over since the last call."""
        dropped: int = self._dropped
        self._dropped = 0
        return dropped

    def clear(self) -> None:
        """Octets are missing now: what is held is of no use."""
        self._drop(len(self._buffer))
        self._joined = self._first
        self._wanted = 0

    @cython.cfunc
    def _drop(self, octets: cython.Py_ssize_t) -> cython.void:
        if octets > 0:
            self._dropped += octets
            self._first += octets
            self._wanted -= octets
            del self._buffer[:octets]
            keep: cython.Py_ssize_t = 0
            while keep + 1 < len(self._chunks) and self._chunks[keep + 1][0] <= self._first:
                keep += 1
            if keep:
                del self._chunks[:keep]
        if not self._buffer:
            self._chunks = []

    @cython.cfunc
    def _found(self) -> list[tuple[bytes, int]]:
        pieces: list[tuple[bytes, int]] = []
        begins = [max(0, begin - self._first) for begin, _ in self._chunks]
        for number, (_, time_ns) in enumerate(self._chunks):
            end = begins[number + 1] if number + 1 < len(begins) else len(self._buffer)
            pieces.append((bytes(self._buffer[begins[number] : end]), time_ns))
        return pieces

    @cython.cfunc
    def _begins_chunk(self, at: cython.Py_ssize_t) -> cython.bint:
        """Tell whether a chunk begins there, other than the first, which may begin anywhere."""
        begin: cython.longlong
        for begin, _ in self._chunks:
            if begin == self._first + at:
                return begin != self._joined
        return False

    @cython.cfunc
    def _try(self, start: cython.Py_ssize_t) -> cython.int:
        """Follow the chain of frame headers from `start`; PASSED: `_lock` is the frame to begin with."""
        p: cython.p_uchar = self._buffer
        end: cython.Py_ssize_t = len(self._buffer)
        at: cython.Py_ssize_t = start
        length: cython.Py_ssize_t
        kind: cython.int
        flags: cython.int
        bits: cython.int
        total: cython.int = 0
        bonus: cython.int = 0
        hops: cython.int
        stream: cython.uint
        block_stream: cython.uint = 0  # of the header block that is not complete
        decoder: Decoder | None = None
        if start + 4 <= end and (p[start + 3] > CONTINUATION or p[start] > 15):
            return FAILED
        for hops in range(MAX_HOPS):
            if end - at < 9:
                if at == end and total > 0 and total + bonus + CHUNK_END_BITS >= THRESHOLD:
                    return PASSED
                return self._pending(at + 9)
            length = cython.cast(cython.Py_ssize_t, p[at]) << 16 | p[at + 1] << 8 | p[at + 2]
            kind = p[at + 3]
            flags = p[at + 4]
            stream = cython.cast(cython.uint, p[at + 5]) << 24 | p[at + 6] << 16 | p[at + 7] << 8 | p[at + 8]
            bits = frame_bits(kind, flags, length, stream)
            if bits < 0 or (kind == CONTINUATION and hops > 0) != (block_stream != 0):
                return FAILED
            if block_stream != 0 and stream != block_stream:
                return FAILED
            if kind == HEADERS and flags & END_HEADERS:
                if at + 9 + length > end:
                    return self._pending(at + 9 + length)
                if decoder is None:
                    decoder = Decoder(EVERYTHING, False)
                bits = _judge_block(bytes(self._buffer[at + 9 : at + 9 + length]), flags, decoder)
                if bits < 0:
                    return FAILED
                bits += _BITS[HEADERS] + LENGTH_BITS
            block_stream = stream if _opens_block(kind, flags) else 0
            if total == 0 and bits < STRONG_BITS:
                if hops == 0 and not self._begins_chunk(at):
                    return FAILED
            else:
                if total == 0:
                    self._lock = at
                    bonus = CHUNK_BEGIN_BITS if self._begins_chunk(at) else 0
                total += bits
            if total >= THRESHOLD:
                return PASSED
            at += 9 + length
            if at > end:
                return self._pending(at + 9)
        return FAILED

    @cython.cfunc
    def _pending(self, wanted: cython.Py_ssize_t) -> cython.int:
        self._wanted = wanted
        return PENDING


@cython.cfunc
@cython.exceptval(check=False)
def _opens_block(kind: cython.int, flags: cython.int) -> cython.bint:
    """Tell whether CONTINUATION must follow."""
    return (kind == HEADERS or kind == PUSH_PROMISE or kind == CONTINUATION) and flags & END_HEADERS == 0


@cython.cfunc
@cython.exceptval(-2)
def _judge_block(payload: bytes, flags: cython.int, decoder: Decoder) -> cython.int:
    """Return the evidence in the payload of a HEADERS frame with a whole block, -1: it is none."""
    start: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(payload)
    if flags & PADDED:
        end -= payload[0] if payload else 0
        start = 1
    if flags & PRIORITY_FLAG:
        start += 5
    fields: list[tuple[bytes | None, bytes | None]] = []
    if start >= end or not decoder.decode(payload, start, end, fields):
        return -1
    return block_bits(fields)
