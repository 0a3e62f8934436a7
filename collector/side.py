# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One direction of an HTTP/2 connection: what reads its octets, and what of it is open.

What stands idle between two chunks is kept small, since of many connections most are cold when their next chunk comes:
a direction at a frame boundary has no splitter of its own, and the decoder is one for all (collector.hpack).
"""

import cython

from collector.message import Limits
from collector.resync import Seeker

if cython.compiled:
    from cython.cimports.collector.frames import MAX_FRAME, Splitter
    from cython.cimports.collector.halves import OpenHalves
    from cython.cimports.collector.hpack_window import Window
else:
    from collector.frames import MAX_FRAME, Splitter
    from collector.halves import OpenHalves
    from collector.hpack_window import Window

AT_BOUNDARY = cython.declare(Splitter, Splitter(0))  # stands for all of which nothing is begun; reads nothing
_spare = cython.declare(Splitter, Splitter(0))  # what the next chunk is read with


@cython.final
@cython.cclass
class Side(OpenHalves):
    """One direction, with its open halves.

    index: 1 = what the source calls the client's. is_client: what content showed it to be. unbroken: every octet from
    the connection's start on was read. strict: its frames were found by search. window: its dynamic table. seeker:
    where octets go while no frame boundary is known, else None. last_allowed: of the GOAWAY it sent, -1 = none.
    """

    def __init__(self, index: cython.int, from_start: cython.bint, limits: Limits) -> None:
        """Begin at the connection's start, or searching for a frame."""
        OpenHalves.__init__(self)
        self.index = index
        self.is_client = index == 1
        self.unbroken = from_start
        self.strict = False
        self.splitter = AT_BOUNDARY
        self._max_block = limits.max_header_bytes
        self._max_frame = MAX_FRAME
        self.window = Window(limits.max_table_bytes)
        self.seeker: Seeker | None = None
        self.last_allowed = -1
        if from_start:
            self.window.begin()
        else:
            self.seek()

    def reader(self) -> Splitter:
        """Return what reads its octets: what an earlier chunk left in the middle of a frame, or the spare one."""
        splitter: Splitter = self.splitter
        if splitter is AT_BOUNDARY:
            splitter = _spare
            splitter.max_block = self._max_block
            splitter.max_frame = self._max_frame
            splitter.strict = self.strict
            self.splitter = splitter
        return splitter

    def give_back(self) -> None:
        """Let go of what was read, and of the reader if nothing is begun; else it is this direction's own."""
        global _spare
        if self.splitter.release():
            self.splitter = AT_BOUNDARY
        elif self.splitter is _spare:
            _spare = Splitter(0)

    def drop(self) -> None:
        """Forget what is begun."""
        if self.splitter is not AT_BOUNDARY:
            self.splitter.reset()
            self.give_back()

    def allow_frame(self, length: cython.Py_ssize_t) -> None:
        """Take notice of SETTINGS_MAX_FRAME_SIZE of the other end."""
        if length > self._max_frame:
            self._max_frame = length
            if self.splitter is not AT_BOUNDARY:
                self.splitter.max_frame = length

    def seek(self) -> None:
        """Search for a frame boundary, and be strict with what is found."""
        self.unbroken = False
        self.strict = True
        self.window.lose()
        self.drop()
        self.seeker = Seeker()

    def begun_ns(self) -> cython.longlong:
        """Return the first octet of what is begun here, the end of time if nothing is."""
        oldest: cython.longlong = self.oldest_ns()
        if self.seeker is not None:
            if self.seeker.oldest_ns is not None:
                oldest = min(oldest, self.seeker.oldest_ns)
        elif self.splitter.is_partial():
            oldest = min(oldest, self.splitter.partial_ns())
        return oldest
