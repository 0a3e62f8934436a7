"""The record that the probes put into the ring, as bpf/record.h has it: layout, enumerations, counters."""

import enum
from struct import Struct, calcsize
from typing import NamedTuple


class Kind(enum.IntEnum):
    """What a record brings."""

    DATA = 1  # `length` bytes of the stream follow
    MISSING = 2  # `length` bytes of the stream were not copied
    CLOSED = 3  # the socket reached TCP_CLOSE; an Ending follows
    FLOW = 4  # what a socket has moved so far, whatever it speaks; a Moved follows


class Role(enum.IntEnum):
    """How the local socket came to be; JOINED: established before the probes were."""

    JOINED = 0
    CLIENT = 1
    SERVER = 2


SENT, RECEIVED = 0, 1
SOCKET_BYTES, TLS_BYTES = 0, 1  # whose bytes a record brings: the socket's own, or what TLS made of them
UNJUDGED, SBI, IGNORED = 0, 1, 2  # a verdict, the low two bits of a socket's slot: its key stands above them

# The record's head: names and codes of the struct module, in order, no padding.
FIELDS = (
    ("time_ns", "Q"),
    ("key", "Q"),
    ("position", "Q"),
    ("cgroup", "Q"),
    ("length", "I"),
    ("slot", "I"),
    ("process_id", "I"),
    ("netns", "I"),
    ("local_port", "H"),
    ("remote_port", "H"),
    ("kind", "B"),
    ("direction", "B"),
    ("role", "B"),
    ("family", "B"),
    ("local", "16s"),
    ("remote", "16s"),
    ("process_name", "16s"),
    ("layer", "B"),
    ("reason", "B"),
    ("verdict", "B"),
    ("unused", "s"),
    ("answers_from", "I"),
)
HEAD = Struct("<" + "".join(code for _, code in FIELDS))
OFFSETS = {name: calcsize("<" + "".join(code for _, code in FIELDS[:place])) for place, (name, _) in enumerate(FIELDS)}
ENDING = Struct("<QQII")
MOVED = Struct("<QQIBBBB")

SMALL_BYTES, MEDIUM_BYTES, LARGE_BYTES, CHUNK_BYTES = 144, 1_024, 4_608, 16_384  # payload of each size class
LARGEST_RECORD = HEAD.size + CHUNK_BYTES

# The kernel's counters by index: the name under which each is published, and whether it tells of loss. What a record
# of kind MISSING stands for is loss of its connection, if that is SBI, and not counted as such again.
COUNTERS = (
    ("ring_full_small", True),
    ("ring_full_medium", True),
    ("ring_full_large", True),
    ("ring_full_chunk", True),
    ("ring_full_bytes", True),
    ("unreadable_pieces", False),
    ("unsupported_calls", False),
    ("calls_cut", False),
    ("peeked_calls", False),
    ("bytes_beyond_judgement", False),
    ("sockets_full", True),
)
CHUNKS, CHUNKS_READ = 11, 12  # records of the largest class: put in by the kernel, taken out by the reader
TLS_UNSUPPORTED, TLS_DEATHS = 15, 16  # their places, the attacher's to write
# Of TLS, back-off and flows, by place: the name, and whether it tells of loss.
FURTHER = {
    13: ("tls_streams_without_socket", False),
    14: ("tls_calls_unreadable", True),
    15: ("tls_files_unsupported", False),
    16: ("tls_attacher_deaths", True),
    20: ("shortened_bytes", True),
    22: ("flow_records_full", False),
    23: ("fatal_records", True),
    32: ("sampled_out_bytes", True),
}
FATAL_RECORDS = 23  # its place, the observer's to write
COPY_AT_MOST, ONE_IN, FLOW_MINUTE = 24, 25, 26  # written by the supervisor: what the kernel side shall do
TLS_OFF = 27  # likewise, for the attacher
HTTP2_FOLLOWED = 28  # written by the attacher: a libnghttp2 is probed
TLS_PROBED = 29  # likewise: 0 = no library is probed, else a number that grows each ten minutes
LEFT_OUT = range(32, 160, 8)  # the places of sampled_out_bytes, whose sum it is
COUNTER_SLOTS = 160
BY_PLACE = {**dict(enumerate(COUNTERS)), **FURTHER}


class Head(NamedTuple):
    """The head of a record, field by field."""

    time_ns: int
    key: int
    position: int
    cgroup: int
    length: int
    slot: int
    process_id: int
    netns: int
    local_port: int
    remote_port: int
    kind: int
    direction: int
    role: int
    family: int
    local: bytes
    remote: bytes
    process_name: bytes
    layer: int
    reason: int
    verdict: int
    unused: bytes
    answers_from: int = 0


class Ending(NamedTuple):
    """Where the data of a closed socket ended, and what was received and not read; a FIN counts as one byte."""

    sent: int
    received: int
    unread: int
    unused: int


class Moved(NamedTuple):
    """What a socket has moved in its life, as the kernel counts it; see collector.flows for what that means."""

    acknowledged: int
    received: int
    unacknowledged: int
    state: int
    before: int
    shutdown: int
    unused: int


def head_of(record: bytes) -> Head:
    """Return the head of a record; raises struct.error if it is shorter than one."""
    return Head._make(HEAD.unpack_from(record))


def ending_of(record: bytes) -> Ending:
    """Return what stands behind the head of a CLOSED record."""
    return Ending._make(ENDING.unpack_from(record, HEAD.size))


def moved_of(record: bytes) -> Moved:
    """Return what stands behind the head of a FLOW record; raises struct.error if it is shorter."""
    return Moved._make(MOVED.unpack_from(record, HEAD.size))
