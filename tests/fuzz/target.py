"""What the coverage-guided fuzzer does with an input: the octets are a script of what an observer is given.

Each message is also told: repair, meaning and Avro read its headers and body. The meaning is one for all scripts, as an
agent's is: what it met before is in its tables.
"""

from collector.avro import BatchHeader, encode_batch
from collector.connection import Connection
from collector.halves import Message
from collector.hpack import Decoder
from collector.meaning import Meaning
from collector.message import Endpoints, Limits, Vantage
from collector.pseudonym import Pseudonyms
from collector.repair import Repair
from collector.selection import EVERYTHING, SBI
from tests.traffic import PREFACE

ENDS = Endpoints("0" * 32, Vantage.WIRE, False, "127.0.0.5", 40_000, "127.0.0.200", 7777)
FIRST = BatchHeader("site", "node", 0, "fuzz", 1, 0, 1, final=False, loss={})
MEANING = Meaning(Pseudonyms(bytes(32)))

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
        _tell(connection.take())
    if mode & 16:
        connection.evict(time_ns)
    connection.close(time_ns)
    left = connection.take()
    keys = [(message.stream_id, message.half) for message in left]
    assert len(keys) == len(set(keys))
    assert connection.oldest_open_ns is None
    _tell(left)


def _tell(messages: list[Message]) -> None:
    """Say what messages mean, as an agent does before it publishes them."""
    assert all(message.ended is not None for message in messages)
    told = [(ENDS, message) for message in messages]
    Repair().mend(told)
    encode_batch(FIRST, [MEANING.octets(*one) for one in told])


def _blocks(script: bytes) -> None:
    decoder = Decoder(SBI if script[0] & 8 else EVERYTHING, script[0] & 16 == 0, 4096, 2000)
    at = 1
    while at < len(script):
        size = script[at]
        block = script[at + 1 : at + 1 + size]
        decoder.decode(block, 0, len(block), [])
        at += 1 + size
