# cython: language_level=3, boundscheck=False, wraparound=False
"""Which header fields anybody reads; the others cost no Python object."""

from collections.abc import Iterable

import cython

from collector.hpack_tables import STATIC_FIELDS


@cython.final
@cython.cclass
class Selection:
    """A set of header names and one prefix. `names` None selects everything."""

    def __init__(self, names: Iterable[bytes] | None = None, prefix: bytes = b"") -> None:
        """Select `names` and all that begin with `prefix` (empty = none); pseudo-headers are always selected."""
        self.names = None if names is None else frozenset(names)
        self.prefix = prefix
        self.static = bytes([0, *(self.wants(name) for name, _ in STATIC_FIELDS)])

    def wants(self, name: bytes) -> bool:
        """Tell whether the field called `name` is read by anybody."""
        if self.names is None or name in self.names or name[:1] == b":":
            return True
        return self.prefix != b"" and name.startswith(self.prefix)


EVERYTHING = Selection()

# What an event is made of (schemas/sbi_event_batch.avsc) and what repair and body reading look at.
SBI = Selection(
    (
        b"3gpp-connect-req-info",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"location",
        b"retry-after",
        b"server",
        b"user-agent",
        b"via",
    ),
    b"3gpp-sbi-",
)
