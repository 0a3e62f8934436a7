# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a request target (RFC 9113 8.3.1 :path) means, worked out once and kept while it comes again."""

import re

import cython

from collector.callbacks import Callbacks
from collector.catalogue import LONGEST_METHOD, NOTHING, Match, segments_of
from collector.header_text import LONGEST_URI, plain_text, shortened
from collector.network_function import End, instance_in
from collector.percent import decoded
from collector.redaction import Redaction

if cython.compiled:
    from cython.cimports.collector.catalogue import Catalogue
else:
    from collector.catalogue import Catalogue

CACHED = cython.declare(cython.Py_ssize_t, 8_192)
LONGEST_CACHED = cython.declare(cython.Py_ssize_t, 1_024)
MOST_METHODS = cython.declare(cython.Py_ssize_t, 9)
MOST_HELD_BYTES = 16_777_216  # targets and their matches, about
# Of a path's octets, at most: as it came, plain, redacted, its tail, its path, its segments.
COPIES = cython.declare(cython.Py_ssize_t, 8)
TARGET_OVERHEAD = cython.declare(cython.Py_ssize_t, 768)
MATCH_OVERHEAD = cython.declare(cython.Py_ssize_t, 768)  # a masked resource, too
REQUESTER = re.compile(r"[?&]requester-nf-type=([A-Z0-9_]{2,20})(?:&|$)")
NSSF_CONSUMER = re.compile(r"[?&]nf-type=([A-Z0-9_]{2,20})(?:&|$)")  # TS 29.531 6.1.3.2.3.1

NRF_SERVICES = frozenset({"nnrf-nfm", "nnrf-disc"})


@cython.final
@cython.cclass
class Matched:
    """A match at hand for every message: its parts without a look-up by name. said: in the event's order."""

    def __init__(self, match: Match) -> None:
        self.match = match
        self.said = match.said
        self.service = match.service
        self.has_operation = match.operation is not None
        self.is_callback = match.is_callback
        self.producer_nf = match.producer_nf
        self.is_of_nrf = match.service in NRF_SERVICES
        self.is_of_management = match.service == "nnrf-nfm"
        self.octets = b""  # `said` in Avro, once asked for (collector.event)


NO_MATCH = Matched(NOTHING)


@cython.no_gc  # makes no circles
@cython.final
@cython.cclass
class Concluded:
    """Who answers requests to a target, and by what that was concluded: holds while all of it is the same."""

    def __init__(
        self,
        asked: Matched,
        place: str,
        target_nf: str | None,
        receiver: str | None,
        process: str | None,
        version: int,
        producer: End,
    ) -> None:
        self._asked = asked
        self._place = place
        self._target_nf = target_nf
        self._receiver = receiver
        self._process = process
        self._version = version
        self.producer = producer

    def holds(
        self,
        asked: Matched,
        place: str,
        target_nf: str | None,
        receiver: str | None,
        process: str | None,
        version: cython.longlong,
    ) -> cython.bint:
        """Tell whether all is the same, each text by its object: an equal one is concluded from anew."""
        return (
            self._version == version
            and self._asked is asked
            and self._place is place
            and self._target_nf is target_nf
            and self._receiver is receiver
            and self._process is process
        )


@cython.final
@cython.cclass
class RequestTarget:
    """One request target; plain stays in the process, text is what an event says.

    tail: what all hops have in common: the path from the API name on, the query decoded and sorted, as a proxy may
    write its parameters anew in another order (Open5GS' SCP does). matches: by method. is_kept: for the next request.
    """

    def __init__(self, plain: str, text: str, tail: str) -> None:
        self.plain = plain
        self.text = text
        self.tail = tail
        self._path: str | None = None
        self._segments: tuple[str, ...] | None = None
        self._instance: str | None = None
        found = None
        if "nf-type=" in plain:
            found = (NSSF_CONSUMER if "/nnssf-nsselection/" in plain else REQUESTER).search(plain)
        self.requester = found[1] if found is not None else None
        self.is_kept = False
        self.matches: dict[str, Matched] = {}
        self.called: Matched | None = None  # as which learned callback it was taken last
        self.concluded: Concluded | None = None
        self.concluded_before: Concluded | None = None  # hops through a proxy come in turn

    def path(self) -> str:
        """Return the path without query and closing slashes; worked out when asked, as callbacks alone need it."""
        if self._path is None:
            self._path = self.plain.partition("?")[0].rstrip("/")
        return self._path

    def instance(self) -> str | None:
        """Return the NF instance that a path of the NRF's names, None if it names none."""
        if self._instance is None:
            self._instance = instance_in(self.plain) or ""
        return self._instance or None

    def segments(self) -> tuple[str, ...]:
        """Return the segments of the path; worked out when asked."""
        if self._segments is None:
            self._segments = segments_of(self.plain)
        return self._segments


@cython.final
@cython.cclass
class RequestTargets:
    """Makes and keeps them, bounded; full, it begins anew."""

    def __init__(self, catalogue: Catalogue, callbacks: Callbacks, redaction: Redaction) -> None:
        """Find operations in `catalogue`, else vendors' shapes of callbacks in `callbacks`."""
        self._catalogue = catalogue
        self._callbacks = callbacks
        self._redaction = redaction
        self._kept: dict[bytes, RequestTarget] = {}
        self.held_bytes = 0

    def of(self, path: bytes) -> RequestTarget:
        """Return what is known of the target `path`."""
        target: RequestTarget | None = self._kept.get(path)
        if target is None:
            plain = plain_text(path)
            text = shortened(self._redaction.text(plain), LONGEST_URI)
            target = RequestTarget(plain, text, self._tail(plain))
            if len(path) <= LONGEST_CACHED and path.isascii():
                target.is_kept = True
                self._make_room(COPIES * len(path) + TARGET_OVERHEAD)
                self._kept[path] = target
        return target

    def _make_room(self, weight: cython.Py_ssize_t) -> None:
        """Count what is to be kept; where that is too much, all of before is forgotten."""
        kept: RequestTarget
        if self.held_bytes + weight > MOST_HELD_BYTES or len(self._kept) >= CACHED:
            for kept in self._kept.values():
                kept.is_kept = False
            self._kept.clear()
            self.held_bytes = 0
        self.held_bytes += weight

    def _tail(self, plain: str) -> str:
        path, mark, query = plain.partition("?")
        if not mark:
            return self._catalogue.tail_of(path) + "&"  # as if an empty query followed
        return "&".join(
            [
                self._catalogue.tail_of(path),
                *sorted([decoded(pair) for pair in query.split("&")]),
            ]
        )

    def match(self, target: RequestTarget, method: str | None) -> Matched:
        """Return the operation of a target and a method, by catalogue or vendor's shape."""
        asked = "" if method is None else method
        matched: Matched | None = target.matches.get(asked)
        if matched is None:
            match = self._catalogue.known(method, target.plain)
            if match is None or match.operation is None:
                shape = self._callbacks.by_shape(target.segments(), method)
                match = shape or match or self._catalogue.unknown(target.plain)
            matched = Matched(match)
            if target.is_kept and len(asked) <= LONGEST_METHOD and len(target.matches) < MOST_METHODS:
                target.matches[asked] = matched
                self._make_room(MATCH_OVERHEAD)
        return matched
