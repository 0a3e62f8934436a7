# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A transaction as pairing hands it on: its record, and what KPIs count of it."""

from zlib import crc32

import cython


@cython.freelist(64)
@cython.final
@cython.cclass
class Row:
    """A transaction as its record, and what KPIs count of it.

    cell: the fields of CELL, as Avro. spread: what its output partition follows from. over_us: until when the exchange
    was open: first byte of the answer, or when it was broken off, at latest the deadline. token: 1 = the request bore
    one for access, 0 = none, -1 = not known. overload, consumer_overload: percent less that answer, request ask for.
    """

    def __init__(self) -> None:
        self.octets = b""
        self.cell = b""
        self.spread = b""
        self.outcome = 0
        self.has_request = False
        self.answered = False
        self.has_duration = False
        self.retransmission = False
        self.request_us = 0
        self.over_us = 0
        self.response_us = 0
        self.duration_us = 0
        self.header_bytes = 0
        self.request_body_bytes = 0
        self.response_body_bytes = 0
        self.status = -1
        self.cause: bytes | None = None
        self.token = -1
        self.overload = -1
        self.consumer_overload = -1

    def spread_over(self, partitions: int) -> int:
        """Return the output partition: by SUPI or what stands for it, else by logical request, else by exchange."""
        return crc32(self.spread) % partitions
