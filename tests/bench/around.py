# cython: language_level=3, boundscheck=False, wraparound=False
"""The loops around the decoder, compiled as the agent's are (collector.ring): Python's own take a sixth of the time."""

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


def observe(observers: list[Connection], stream: list[tuple[int, bool, bytes, int]]) -> int:
    """Give chunks to their connections; return how many messages they made."""
    count: cython.Py_ssize_t = 0
    chunk: tuple
    messages: list
    for chunk in stream:
        place: cython.Py_ssize_t = chunk[0]
        observer: Connection = observers[place]
        observer.feed(chunk[1] is True, chunk[2], chunk[3])
        messages = observer.take()
        count += len(messages)
    return count
