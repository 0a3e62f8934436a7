# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Where a frame begins, for an observer that joined in the middle of one or lost octets.

A place is taken for the begin of a frame when the chain of frame headers found from there (each says where the next
one stands) bears 60 bits of evidence. Each header counts less than the negative logarithm of the chance that random
octets make it, since what lies between frame headers is not random but full of zeros and small numbers; a header
block that decodes counts by its well-formed pseudo-headers; and a stream id counts most when it is near that of the
frame before, which no misread header's is. The chain may begin with a false header and fall into the true ones by
chance; so it is read from where the evidence up to there is 40 bits, or 28 if the chain begins where a chunk does, of
which there are few.

False locks. By the scores a place of random octets passes with a probability below 2^-60, a window of 128 KiB below
2^-43. In text, as in JSON bodies, no place passes: each header of a frame below 64 KiB begins with an octet 0. For
frames misread from a wrong octet on, where the danger lies, there is no closed figure, and the scores were set by
hand: an earlier set had 3 false locks in 120,000 random observations. With these there was none at any of 2,974,568
octets of 84 real connections of Open5GS (the captures they were set by), none at 25,442 octets of 27 connections kept
apart (free5GC, Open5GS), none in 10^6 random observations of 100,000 conversations, most of them with losses or
joined late, a quarter of the bodies zeros: at 95 % below 3 in 10^6 of those (tests/test_resync.py, tests/fuzz).
What no local test can tell apart is a body that holds whole HTTP/2 frames of somebody's making; it
deceives only an observer that joins within that very body or the frame before it, since places are tried in order:
while one is not decided, a later one passes with 80 bits only, and not against half a proof.
"""

from bisect import bisect_left

import cython

from collector.selection import EVERYTHING

if cython.compiled:
    from cython.cimports.collector.evidence import frame_bits, judge_block, opens_block
    from cython.cimports.collector.frames import CONTINUATION, END_HEADERS, HEADERS, PUSH_PROMISE
    from cython.cimports.collector.hpack import Decoder
else:
    from collector.evidence import frame_bits, judge_block, opens_block
    from collector.frames import CONTINUATION, END_HEADERS, HEADERS, PUSH_PROMISE
    from collector.hpack import Decoder

THRESHOLD = cython.declare(cython.int, 60)
FIRST_BITS = cython.declare(cython.int, 8)  # the least of a first frame: a large DATA would be waited for too long
OVERRULING = cython.declare(cython.int, 80)
MAX_PLACES = cython.declare(cython.Py_ssize_t, 16)  # not decided at a time
LOCK_BITS = cython.declare(cython.int, 40)
LOCK_BITS_AT_CHUNK = cython.declare(cython.int, 28)
NEAR_BITS = cython.declare(cython.int, 16)  # of a stream id near the one before
NEAR = cython.declare(cython.longlong, 64)
CHUNK_END_BITS = cython.declare(cython.int, 10)  # chunks end where frames do, which proves little by itself
MAX_HOPS = cython.declare(cython.int, 16)
MAX_WINDOW = cython.declare(cython.Py_ssize_t, 131_072)  # octets kept while looking
MAX_CHUNKS = cython.declare(cython.Py_ssize_t, 2048)  # whose begins and times are kept
# Octets of header blocks that are decoded in search, for each octet that comes: a bound on work, not met by traffic.
BLOCK_WORK = cython.declare(cython.Py_ssize_t, 8)
FIRST_BLOCK_WORK = cython.declare(cython.Py_ssize_t, 65_536)

FAILED = cython.declare(cython.int, -1)
PENDING = cython.declare(cython.int, -2)
PASSED = cython.declare(cython.int, 1)


@cython.final
@cython.cclass
class Seeker:
    """Gathers the chunks of one direction until a frame boundary is found in them; at most MAX_WINDOW octets."""

    _buffer: bytearray
    _begins: list[int]  # of the chunks, counted like _first
    _times: list[int]
    _first: cython.longlong  # how many octets were dropped before the buffer
    _dropped: cython.longlong
    _work: cython.Py_ssize_t
    # Places that may be frames but are not decided, up to where octets are wanted for it, and their evidence so far.
    _places: list[int]
    _wanted: list[int]
    _totals: list[int]
    _scanned: cython.longlong  # the first place at which nobody looked
    # Of the chain that is followed: where its next frame is, whose header block is open, what it is read with.
    _next: cython.Py_ssize_t
    _next_wanted: cython.longlong
    _total: cython.int
    _stream: cython.uint  # of the frame before
    _near: cython.int  # evidence in the frame's stream id beside that
    _block_stream: cython.uint
    _decoder: Decoder | None

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begins = []
        self._times = []
        self._first = self._scanned = self._dropped = 0
        self._next = self._next_wanted = self._total = 0
        self._places = []
        self._wanted = []
        self._totals = []
        self._work = FIRST_BLOCK_WORK
        self._stream = self._block_stream = 0
        self._near = 0
        self._decoder = None

    @property
    def oldest_ns(self) -> int | None:
        """Time of the first octet held, None if there is none."""
        return self._times[0] if self._buffer else None

    def push(self, data: bytes, time_ns: int) -> list[tuple[bytes, int]] | None:
        """Take a chunk. Return all from the frame boundary on, in chunks with their times; None: not found yet."""
        if not data:
            return None
        if len(self._begins) < MAX_CHUNKS:
            self._begins.append(self._first + len(self._buffer))
            self._times.append(time_ns)
        self._buffer += data
        self._work += BLOCK_WORK * len(data)
        if self._retry() or self._scan():
            self._drop(self._next)
            return self._found()
        self._drop(self._places[0] - self._first if self._places else self._scanned - self._first)
        return None

    @cython.cfunc
    def _retry(self) -> cython.bint:
        """Look again at the places that were not decided; if one falls, the later ones face a lower bar."""
        number: cython.Py_ssize_t = 0
        fell: cython.bint = False
        while number < len(self._places):
            if fell or self._wanted[number] <= self._first + len(self._buffer):
                found: cython.int = self._try(self._places[number] - self._first, number)
                if found == PASSED:
                    return True
                if found == FAILED:
                    fell = True
                    self._forget(number)
                    continue
                self._wanted[number] = self._next_wanted
                self._totals[number] = self._total
            number += 1
        return False

    @cython.cfunc
    def _scan(self) -> cython.bint:
        """Look at the places where nobody looked yet."""
        at: cython.Py_ssize_t = self._scanned - self._first
        while at + 9 <= len(self._buffer):
            found: cython.int = self._try(at, len(self._places))
            if found == PASSED:
                return True
            if found == PENDING:
                self._keep(at)
            at += 1
        self._scanned = self._first + at
        return False

    @cython.cfunc
    def _keep(self, at: cython.Py_ssize_t) -> cython.void:
        """Remember a place, if its chain is not the rest of another's; the weakest goes if there are too many."""
        if self._next_wanted in self._wanted:
            return
        self._places.append(self._first + at)
        self._wanted.append(self._next_wanted)
        self._totals.append(self._total)
        if len(self._places) > MAX_PLACES:
            weakest: cython.Py_ssize_t = 0
            for number in range(1, len(self._totals)):
                if self._totals[number] <= self._totals[weakest]:
                    weakest = number
            self._forget(weakest)

    @cython.cfunc
    def _forget(self, number: cython.Py_ssize_t) -> cython.void:
        del self._places[number]
        del self._wanted[number]
        del self._totals[number]

    def take_dropped(self) -> int:
        """Return how many octets were passed over since the last call."""
        dropped: int = self._dropped
        self._dropped = 0
        return dropped

    def clear(self) -> None:
        """Drop what is held: octets are missing now."""
        self._drop(len(self._buffer))
        self._scanned = self._first
        self._places = []
        self._wanted = []
        self._totals = []

    @cython.cfunc
    def _drop(self, octets: cython.Py_ssize_t) -> cython.void:
        if octets > 0:
            self._dropped += octets
            self._first += octets
            del self._buffer[:octets]
            keep = bisect_left(self._begins, self._first + 1) - 1 if self._buffer else len(self._begins)
            if keep > 0:
                del self._begins[:keep]
                del self._times[:keep]

    @cython.cfunc
    def _found(self) -> list[tuple[bytes, int]]:
        begins = [max(0, begin - self._first) for begin in self._begins]
        ends = [*begins[1:], len(self._buffer)]
        return [
            (bytes(self._buffer[begin:end]), time_ns)
            for begin, end, time_ns in zip(begins, ends, self._times, strict=True)
        ]

    @cython.cfunc
    def _begins_chunk(self, at: cython.Py_ssize_t) -> cython.bint:
        """Tell whether a chunk begins there; the first after a join does where a frame does, as a rule."""
        place: cython.longlong = self._first + at
        number: cython.Py_ssize_t = bisect_left(self._begins, place)
        return number < len(self._begins) and self._begins[number] == place

    @cython.cfunc
    def _try(self, start: cython.Py_ssize_t, earlier: cython.Py_ssize_t) -> cython.int:
        """Follow the chain of frame headers from `start`, before which `earlier` places are not decided.

        PASSED: `_next` is the frame to begin with. PENDING: `_next_wanted` and `_total` say what is wanted and there.
        """
        at: cython.Py_ssize_t = start
        lock: cython.Py_ssize_t = -1
        before: cython.Py_ssize_t = start
        lock_bits: cython.int = LOCK_BITS
        enough: cython.int = THRESHOLD if earlier == 0 else OVERRULING
        bits: cython.int
        self._total = 0
        self._stream = self._block_stream = 0
        self._decoder = None
        for _ in range(MAX_HOPS):
            if len(self._buffer) - at < 9:
                if at == len(self._buffer) and lock >= 0 and self._total + CHUNK_END_BITS >= enough:
                    break
                return self._pending(start, at + 9)
            bits = self._frame(start, at)
            if bits < 0:
                return bits
            if at == start:
                if self._begins_chunk(at):
                    lock_bits = LOCK_BITS_AT_CHUNK
                elif bits < FIRST_BITS:
                    return FAILED
            self._total += self._near
            if lock < 0 and self._total >= lock_bits:
                lock = before
            self._total += bits
            if lock < 0 and self._total >= lock_bits:
                lock = at
            before = at
            at = self._next
            if self._total >= enough and lock >= 0:
                break
            if at > len(self._buffer):
                return self._pending(start, at + 9)
        else:
            return FAILED
        if earlier and max(self._totals[:earlier]) >= LOCK_BITS:
            return self._pending(start, at + 9)
        self._next = lock
        return PASSED

    @cython.cfunc
    def _frame(self, start: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.int:
        """Return the evidence in the frame at `at`, or FAILED or PENDING; `_next` is where it ends."""
        p: cython.p_uchar = self._buffer
        length: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, p[at]) << 16 | p[at + 1] << 8 | p[at + 2]
        kind: cython.int = p[at + 3]
        flags: cython.int = p[at + 4]
        if kind > CONTINUATION:
            return FAILED
        stream: cython.uint = cython.cast(cython.uint, p[at + 5]) << 24 | p[at + 6] << 16 | p[at + 7] << 8 | p[at + 8]
        bits: cython.int = frame_bits(kind, flags, length, stream)
        if bits < 0 or (self._block_stream != 0 and (kind != CONTINUATION or stream != self._block_stream)):
            return FAILED
        if at == start:
            if kind == PUSH_PROMISE:
                return FAILED
        elif kind == CONTINUATION and self._block_stream == 0:
            return FAILED
        self._next = at + 9 + length
        if kind == HEADERS and flags & END_HEADERS:
            if self._next > len(self._buffer):
                return self._pending(start, self._next)
            block_bits: cython.int = self._block(at + 9, length, flags)
            if block_bits < 0:
                return FAILED
            bits += block_bits
        self._block_stream = stream if opens_block(kind, flags) else 0
        self._near = 0
        if stream != 0:
            apart: cython.longlong = cython.cast(cython.longlong, stream) - cython.cast(cython.longlong, self._stream)
            if self._stream != 0 and -NEAR <= apart <= NEAR:
                self._near = NEAR_BITS
            self._stream = stream
        return bits

    @cython.cfunc
    def _block(self, at: cython.Py_ssize_t, length: cython.Py_ssize_t, flags: cython.int) -> cython.int:
        """Return the evidence in the payload of a HEADERS frame, -1: it is none, or too much work was done already."""
        if length > self._work:
            return -1
        self._work -= length
        if self._decoder is None:
            self._decoder = Decoder(EVERYTHING, False)
        return judge_block(bytes(self._buffer[at : at + length]), flags, self._decoder)

    @cython.cfunc
    def _pending(self, start: cython.Py_ssize_t, wanted: cython.Py_ssize_t) -> cython.int:
        """No more can be said before the buffer is `wanted` octets long, if it may ever be."""
        self._next_wanted = self._first + wanted
        return PENDING if wanted - start <= MAX_WINDOW else FAILED
