# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One direction of an HTTP/2 connection: what reads its octets, and what of it is open."""

import cython

from collector.message import Limits
from collector.resync import Seeker

if cython.compiled:
    from cython.cimports.collector.frames import Splitter
    from cython.cimports.collector.halves import OpenHalves
    from cython.cimports.collector.hpack import Decoder
    from cython.cimports.collector.selection import Selection
else:
    from collector.frames import Splitter
    from collector.halves import OpenHalves
    from collector.hpack import Decoder
    from collector.selection import Selection

LIST_BYTES_PER_OCTET = 4  # a header list kept may be that much larger than the largest block: indexed fields repeat


@cython.final
@cython.cclass
class Side:
    """One direction.

    index: 1 = what the source calls the client's. is_client: what content showed it to be. unbroken: every octet from
    the connection's start on was read. seeker: where octets go while no frame boundary is known, else None.
    last_allowed: of the GOAWAY it sent, -1 = none.
    """

    def __init__(self, index: cython.int, from_start: cython.bint, limits: Limits, selection: Selection) -> None:
        """Begin at the connection's start, or searching for a frame."""
        self.index = index
        self.is_client = index == 1
        self.unbroken = from_start
        self.splitter = Splitter(limits.max_header_bytes)
        list_bytes = LIST_BYTES_PER_OCTET * limits.max_header_bytes
        self.decoder = Decoder(selection, from_start, limits.max_table_bytes, list_bytes)
        self.seeker: Seeker | None = None
        self.open = OpenHalves()
        self.last_allowed = -1
        if not from_start:
            self.seek()

    def seek(self) -> None:
        """Search for a frame boundary, and be strict with what is found."""
        self.unbroken = False
        self.decoder.lose()
        self.splitter.reset()
        self.splitter.strict = True
        self.seeker = Seeker()

    def oldest_ns(self) -> cython.longlong:
        """Return the first octet of what is begun here, the end of time if nothing is."""
        oldest: cython.longlong = self.open.oldest_ns()
        if self.seeker is not None:
            if self.seeker.oldest_ns is not None:
                oldest = min(oldest, self.seeker.oldest_ns)
        elif self.splitter.is_partial():
            oldest = min(oldest, self.splitter.partial_ns())
        return oldest
