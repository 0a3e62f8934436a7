# cython: language_level=3, boundscheck=False, wraparound=False
"""The loops around the decoder, compiled as the agent's are (collector.ring): Python's own take a sixth of the time."""

from array import array

import cython

if cython.compiled:
    from cython.cimports.collector.connection import Connection
    from cython.cimports.collector.hpack import Decoder
else:
    from collector.connection import Connection
    from collector.hpack import Decoder


def read_blocks(decoders: list[Decoder], blocks: list[tuple[int, bytes]]) -> None:
    """Decode header blocks, each by the decoder of its direction."""
    block: tuple
    for block in blocks:
        decoder: Decoder = decoders[block[0]]
        decoder.decode(block[1], 0, len(block[1]), [])


class Passed:
    """Chunks as they passed, and so they lie in memory; whose they are, and when, as numbers, as records have it."""

    def __init__(self, stream: list[tuple[int, bool, bytes, int]]) -> None:
        """`stream`: connection, from the client?, octets, ns."""
        self.whose = array("i", [2 * number + from_client for number, from_client, _, _ in stream])
        self.chunks = [bytes(bytearray(data)) for _, _, data, _ in stream]
        self.times_ns = array("q", [time_ns for _, _, _, time_ns in stream])


def observe(observers: list[Connection], passed: Passed) -> int:
    """Give chunks to their connections; return how many messages they made."""
    count: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t
    whose: cython.int[::1] = passed.whose
    times_ns: cython.longlong[::1] = passed.times_ns
    chunks: list[bytes] = passed.chunks
    messages: list
    for at in range(len(chunks)):
        place: cython.Py_ssize_t = whose[at] >> 1
        observer: Connection = observers[place]
        observer.feed(whose[at] & 1, chunks[at], times_ns[at])
        messages = observer.take()
        count += len(messages)
    return count
