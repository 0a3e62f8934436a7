"""What the coverage-guided fuzzer does with an input: the octets are a script of what an observer is given."""

from collector.connection import Connection
from collector.hpack import Decoder
from collector.message import Limits
from collector.selection import EVERYTHING, SBI
from tests.traffic import PREFACE

NARROW = Limits(max_streams=3, max_header_bytes=300, max_table_bytes=500, body_bytes=40, max_open_bytes=2000)
WIDE = Limits()


def run(script: bytes) -> None:
    """Play a script; whatever it says, nothing may be raised."""
    if not script:
        return
    mode = script[0]
    if mode & 7 == 7:
        _blocks(script)
        return
    connection = Connection(NARROW if mode & 1 else WIDE, mode & 2 == 0, selection=SBI if mode & 8 else EVERYTHING)
    if mode & 4 == 0:
        connection.feed(True, PREFACE, 1)
    at, time_ns = 1, 1
    while at + 2 <= len(script):
        what, size = script[at], script[at + 1] << (script[at] >> 5)
        at += 2
        time_ns += 1000
        if what & 14 == 14:
            connection.gap(what & 1 == 1, size, time_ns)
        elif what & 14 == 12:
            connection.expire(time_ns - size)
        else:
            connection.feed(what & 1 == 1, script[at : at + size], time_ns)
            at += size
        for message in connection.take():
            assert message.ended is not None
    if mode & 16:
        connection.evict(time_ns)
    connection.close(time_ns)
    keys = [(message.stream_id, message.half) for message in connection.take()]
    assert len(keys) == len(set(keys))
    assert connection.oldest_open_ns is None


def _blocks(script: bytes) -> None:
    decoder = Decoder(SBI if script[0] & 8 else EVERYTHING, script[0] & 16 == 0, 4096, 2000)
    at = 1
    while at < len(script):
        size = script[at]
        block = script[at + 1 : at + 1 + size]
        decoder.decode(block, 0, len(block), [])
        at += 1 + size
