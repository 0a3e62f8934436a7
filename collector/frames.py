# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How one direction's bytes become frames and header blocks (RFC 9113 sections 4 and 6), in chunks of any size.

A frame that lies whole in a chunk is read in place. DATA streams through; only a cut frame header or a cut frame
with a header block or settings is carried over, so that each octet is copied at most twice.
"""

import cython

NEED = cython.declare(cython.int, 0)  # everything given was read
BLOCK = cython.declare(cython.int, 1)  # a whole header block: p[at:at+size]
DATA_PIECE = cython.declare(cython.int, 2)  # a piece of a body; `done`: its frame is complete
CONTROL = cython.declare(cython.int, 3)  # RST_STREAM, SETTINGS or GOAWAY: payload p[at:at+size]
LOST_BLOCK = cython.declare(cython.int, 4)  # a header block ended here that cannot be read
BROKEN = cython.declare(cython.int, 5)  # what follows (`rest`) is no frame that RFC 9113 allows here

# Why a block is lost: `fault`.
FAULT_ORPHAN = cython.declare(cython.int, 0)  # CONTINUATION without its HEADERS
FAULT_TOO_LARGE = cython.declare(cython.int, 1)
FAULT_GAP = cython.declare(cython.int, 2)
FAULT_MALFORMED = cython.declare(cython.int, 3)  # more padding than frame

# Frame types and flags (RFC 9113 6, 11.2).
DATA = cython.declare(cython.int, 0)
HEADERS = cython.declare(cython.int, 1)
PRIORITY = cython.declare(cython.int, 2)
RST_STREAM = cython.declare(cython.int, 3)
SETTINGS = cython.declare(cython.int, 4)
PUSH_PROMISE = cython.declare(cython.int, 5)
PING = cython.declare(cython.int, 6)
GOAWAY = cython.declare(cython.int, 7)
WINDOW_UPDATE = cython.declare(cython.int, 8)
CONTINUATION = cython.declare(cython.int, 9)
END_STREAM = cython.declare(cython.int, 1)
ACK = cython.declare(cython.int, 1)
END_HEADERS = cython.declare(cython.int, 4)
PADDED = cython.declare(cython.int, 8)
PRIORITY_FLAG = cython.declare(cython.int, 32)

# Go announces 1 MiB, others the initial 16 KiB; what exceeds both and the SETTINGS seen is no frame.
MAX_FRAME = cython.declare(cython.Py_ssize_t, 1 << 20)
EMPTY = cython.declare(bytes, b"")
LAST_KNOWN_TYPE = cython.declare(cython.int, 16)  # PRIORITY_UPDATE (RFC 9218)


def is_legal(kind: cython.int, flags: cython.int, length: cython.Py_ssize_t, stream: cython.uint) -> bool:
    """Tell whether a frame header breaks none of the rules of RFC 9113 6 that end a connection."""
    if kind == DATA or kind == HEADERS:
        if flags & PADDED and length == 0:
            return False
        return stream != 0
    if kind == CONTINUATION or kind == PRIORITY:
        return stream != 0
    if kind == RST_STREAM:
        return stream != 0 and length == 4
    if kind == PUSH_PROMISE:
        return stream != 0 and length >= 4
    if kind == SETTINGS:
        return stream == 0 and (length == 0 if flags & ACK else length % 6 == 0)
    if kind == PING:
        return stream == 0 and length == 8
    if kind == GOAWAY:
        return stream == 0 and length >= 8
    return kind != WINDOW_UPDATE or length == 4


@cython.final
@cython.cclass
class Splitter:
    """One direction: `push` a chunk, then ask `next` until NEED. What an event refers to is valid until then."""

    def __init__(self, max_block: cython.Py_ssize_t) -> None:
        """`max_block`: octets of the largest header block that is read, CONTINUATION included.

        strict: frames of types that nobody knows are none. max_frame: octets of the largest frame.
        """
        self.max_block = max_block
        self.max_frame = MAX_FRAME
        self.strict = False
        self.kind = self.flags = 0
        self.stream = self.promised = 0
        self.at = self.size = 0
        self.done = False
        self.frame_ns = self.block_ns = self._time_ns = 0
        self.block_bytes = 0
        self.fault = FAULT_ORPHAN
        self._data = self._frame = EMPTY
        self._p = self._data
        self.p = self._data
        self._at = self._end = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was begun: the next octet is the first of a frame."""
        self._carry: bytearray | None = None
        self._need = 0
        self._left = self._padding = 0
        self._block: bytearray | None = None
        self._in_block = self._skip_block = False
        self._at = self._end

    def push(self, data: bytes, time_ns: cython.longlong) -> None:
        """Give the next octets."""
        self._data = data
        self._p = data
        self._at = 0
        self._end = len(data)
        self._time_ns = time_ns

    def release(self) -> bool:
        """Let go of the octets given, all of which were read; tell whether nothing is begun.

        Then a frame comes next, and nothing of those before it matters: another direction may be read with the same.
        """
        self._data = self._frame = EMPTY
        return self._left == 0 and self._padding == 0 and self._carry is None and not self._in_block

    def is_partial(self) -> bool:
        """Tell whether a frame or a header block is begun and not complete, DATA aside."""
        return self._carry is not None or self._in_block

    def partial_ns(self) -> cython.longlong:
        """Return when what is partial began."""
        return self.block_ns if self._in_block else self.frame_ns

    def rest(self) -> bytes:
        """Return what was not read, from the first octet of the broken frame on."""
        rest: bytes = self._data[self._at :]
        if self._carry is not None:
            rest = bytes(self._carry) + rest
        return rest

    def next(self) -> cython.int:
        """Read on to the next event."""
        event: cython.int
        need: cython.Py_ssize_t
        while True:
            if self._left > 0 or self._padding > 0:
                if self._at == self._end:
                    return NEED
                event = self._payload()
            elif self._carry is not None:
                event = self._carried()
                if event == NEED and self._carry is not None:
                    return NEED
            else:
                if self._at == self._end:
                    return NEED
                self.frame_ns = self._time_ns
                need = 9
                if self._end - self._at >= 9:
                    need = self._whole(self._p, self._at)
                    if need < 0:
                        return BROKEN
                if self._end - self._at < need:
                    self._carry = bytearray(self._p[self._at : self._end])
                    self._at = self._end
                    self._need = need
                    return NEED
                self._at += need
                event = self._dispatch(self._p, self._at - need)
            if event != NEED:
                return event

    def _carried(self) -> cython.int:
        """Complete a frame that an earlier chunk began."""
        wanted: cython.Py_ssize_t
        carry: bytearray | None = self._carry
        if carry is None:
            return NEED
        while True:
            wanted = min(self._need - len(carry), self._end - self._at)
            carry += self._p[self._at : self._at + wanted]
            self._at += wanted
            if len(carry) < self._need:
                return NEED
            self._frame = bytes(carry)
            self._need = self._whole(self._frame, 0)
            if self._need < 0:
                return BROKEN
            if self._need == len(carry):
                self._carry = None
                return self._dispatch(self._frame, 0)

    def _whole(self, q: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Read a frame header; return how many octets must be there before the frame is handled, -1: no frame."""
        first: cython.uint = q[at + 5]
        self.size = cython.cast(cython.Py_ssize_t, q[at]) << 16 | q[at + 1] << 8 | q[at + 2]
        self.kind = q[at + 3]
        self.flags = q[at + 4]
        self.stream = (first & 127) << 24 | q[at + 6] << 16 | q[at + 7] << 8 | q[at + 8]
        if self.kind == DATA:
            if self.stream == 0 or self.size > self.max_frame or self._in_block:
                return -1
            if self.flags & PADDED:
                return 10 if self.size > 0 else -1
            return 9
        if self.size > self.max_frame or not is_legal(self.kind, self.flags, self.size, self.stream):
            return -1
        if self._in_block and (self.kind != CONTINUATION or self.stream != self._block_stream):
            return -1  # RFC 9113 4.3: nothing else stands between the frames of a header block
        if self.kind == PRIORITY or self.kind == PING or self.kind == WINDOW_UPDATE or self.kind > CONTINUATION:
            return -1 if self.strict and self.kind > LAST_KNOWN_TYPE else 9
        return 9 + self.size if self.size <= self.max_block else 9

    def _dispatch(self, q: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.int:
        """Handle the frame whose header was read last and stands in q at `at`, as far as `_whole` asked for it."""
        kind: cython.int = self.kind
        if kind == DATA:
            self._left = self.size
            if self.flags & PADDED:
                self._padding = q[at + 9]
                self._left -= 1 + self._padding
                if self._left < 0:
                    self._left = self._padding = 0
                    return BROKEN
            if self._left > 0 or self._padding > 0:
                return NEED
            self.size = 0
            self.done = True
            return DATA_PIECE
        if kind == HEADERS or kind == PUSH_PROMISE:
            return self._begin_block(q, at)
        if kind == CONTINUATION:
            return self._continue_block(q, at)
        if (kind == RST_STREAM or kind == SETTINGS or kind == GOAWAY) and self.size <= self.max_block:
            self.p = q
            self.at = at + 9
            return CONTROL
        self._left = self.size
        return NEED

    def _payload(self) -> cython.int:
        """Pass on, or over, what is there of a payload that need not be whole."""
        self.size = min(self._left, self._end - self._at)
        self.p = self._p
        self.at = self._at
        self._at += self.size
        self._left -= self.size
        if self._left == 0 and self._padding > 0:
            padding: cython.Py_ssize_t = min(self._padding, self._end - self._at)
            self._at += padding
            self._padding -= padding
        self.done = self._left == 0 and self._padding == 0
        return DATA_PIECE if self.kind == DATA else NEED

    def _begin_block(self, q: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.int:
        """HEADERS and PUSH_PROMISE (RFC 9113 6.2, 6.6)."""
        start: cython.Py_ssize_t = at + 9
        size: cython.Py_ssize_t = self.size
        padding: cython.Py_ssize_t = 0
        self.block_ns = self.frame_ns
        self.block_bytes = size
        self._skip_block = size > self.max_block
        if self._skip_block:
            self.fault = FAULT_TOO_LARGE
            self._left = size
        else:
            if self.flags & PADDED:
                padding = q[start] if size > 0 else 0
                start += 1
                size -= 1
            if self.kind == PUSH_PROMISE and size < 4:
                size = -1
            elif self.kind == PUSH_PROMISE:
                self.promised = cython.cast(cython.uint, q[start] & 127) << 24 | q[start + 1] << 16
                self.promised |= q[start + 2] << 8 | q[start + 3]
                start += 4
                size -= 4
            elif self.flags & PRIORITY_FLAG and self.kind == HEADERS:
                start += 5
                size -= 5
            size -= padding
            if size < 0:
                self._skip_block = True
                self.fault = FAULT_MALFORMED
        if self.flags & END_HEADERS:
            if self._skip_block:
                return LOST_BLOCK
            self.p = q
            self.at = start
            self.size = size
            return BLOCK
        self._in_block = True
        self._block = None if self._skip_block else bytearray(q[start : start + size])
        self._block_kind = self.kind
        self._block_flags = self.flags
        self._block_stream = self.stream
        self._block_promised = self.promised
        return NEED

    def _continue_block(self, q: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.int:
        """CONTINUATION (RFC 9113 6.10); one whose HEADERS was not seen ends in LOST_BLOCK of kind CONTINUATION."""
        if self.size > self.max_block:
            self._left = self.size
        if not self._in_block:
            self.fault = FAULT_ORPHAN
            return LOST_BLOCK if self.flags & END_HEADERS else NEED
        self.block_bytes += self.size
        block: bytearray | None = self._block
        if block is not None:
            if len(block) + self.size > self.max_block:
                self._skip_block = True
                self._block = None
                self.fault = FAULT_TOO_LARGE
            else:
                block += q[at + 9 : at + 9 + self.size]
        return self._end_block() if self.flags & END_HEADERS else NEED

    def _end_block(self) -> cython.int:
        self.kind = self._block_kind
        self.flags = self._block_flags
        self.promised = self._block_promised
        self._in_block = False
        block: bytearray | None = self._block
        self._block = None
        if self._skip_block or block is None:
            return LOST_BLOCK
        self._frame = bytes(block)
        self.p = self._frame
        self.at = 0
        self.size = len(self._frame)
        return BLOCK

    def gap(self, length: cython.Py_ssize_t) -> cython.int:
        """Pass over `length` octets that are missing (0 = not known how many).

        Return BROKEN if they are not all of one frame whose header was seen; else DATA_PIECE with `size` octets of
        body missing, LOST_BLOCK, or NEED if nothing of a message is concerned.
        """
        left: cython.Py_ssize_t = self._left + self._padding
        if length <= 0:
            return BROKEN
        if left > 0:
            if length > left:
                return BROKEN
            self.size = min(length, self._left)
            self._left -= self.size
            self._padding -= length - self.size
            self.done = self._left == 0 and self._padding == 0
            return DATA_PIECE if self.kind == DATA else NEED
        if self._carry is None or self._need <= 10 or length > self._need - len(self._carry):
            return BROKEN
        self._left = self._need - len(self._carry) - length
        self._carry = None
        return self._lost_block()

    def _lost_block(self) -> cython.int:
        """Pass over what remains of the frame that was carried, and the block it belongs to."""
        self.done = False
        self.fault = FAULT_GAP
        if self.kind == HEADERS or self.kind == PUSH_PROMISE:
            self.block_ns = self.frame_ns
            self.block_bytes = self.size
            if self.flags & END_HEADERS:
                return LOST_BLOCK
            self._in_block = self._skip_block = True
            self._block_kind = self.kind
            self._block_flags = self.flags
            self._block_stream = self.stream
            self._block_promised = self.promised = 0
        elif self.kind == CONTINUATION:
            self._skip_block = True
            if self.flags & END_HEADERS:
                if not self._in_block:
                    return LOST_BLOCK
                return self._end_block()
        return NEED
