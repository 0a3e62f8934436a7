"""The observer on real traffic in memory, beside libnghttp2's inflater and hpack + hyperframe, in turn; JSON lines.

python -m tests.bench.bench_observer
"""

import gc
import json
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import hpack
import hyperframe.frame

from collector.connection import Connection
from collector.hpack import Decoder
from collector.message import Limits
from collector.selection import EVERYTHING
from tests.bench import around
from tests.bench.compiled import compiled
from tests.recorded import SUITE, Chunk, recorded
from tests.traffic import HEADERS, PREFACE, frame, settings

ROUNDS = 15
TURNS, TIMES = 9, 36  # of the decoder, a turn: as long as the baseline's one
SOURCE = Path(__file__).parent / "inflate.c"
CONNECTIONS = (10, 100, 1_000, 10_000, 100_000)
WARM, MEASURED = 1, 9
FULL = 64  # exchanges until both tables of a connection are full: from then on each insertion evicts
OWN = b"ref-0000000-"  # in each path: what `own` replaces by something of the connection's own
Block = tuple[int, bytes]


def report(
    name: str, value: float, unit: str, baseline: str, baseline_value: float | None, higher: bool = True
) -> None:
    """Print one line; ratio above 1 = better than the baseline."""
    ratio = None
    if baseline_value:
        ratio = round(value / baseline_value if higher else baseline_value / value, 2)
    number = round(value, 3) if value < 100 else round(value)
    line = {
        "name": name,
        "value": number,
        "unit": unit,
        "baseline": baseline,
        "baseline_value": baseline_value,
        "ratio": ratio,
    }
    print(json.dumps(line), flush=True)


def blocks_of(connections: list[list[Chunk]]) -> list[Block]:
    """Return the header blocks of all directions, in order: (direction, block)."""
    found: list[Block] = []
    for number, chunks in enumerate(connections):
        for from_client in (True, False):
            octets = b"".join(data for side, data, _ in chunks if side == from_client)
            at = len(PREFACE) if from_client else 0
            while at + 9 <= len(octets):
                length = int.from_bytes(octets[at : at + 3], "big")
                if octets[at + 3] == HEADERS:
                    assert octets[at + 4] & 0x2C == 4  # whole, without padding and priority
                    found.append((2 * number + from_client, octets[at + 9 : at + 9 + length]))
                at += 9 + length
    return found


def read_blocks(loops: ModuleType, blocks: list[Block]) -> float:
    """Decode the blocks; return the seconds it took."""
    decoders = [Decoder(EVERYTHING, True) for _ in range(1 + max(direction for direction, _ in blocks))]
    began = time.process_time()
    loops.read_blocks(decoders, blocks)
    return time.process_time() - began


def inflater(folder: str, blocks: list[Block]) -> Callable[[], float] | None:
    """Return what runs libnghttp2 over the blocks, seconds a round; None where it is not installed."""
    program, file = Path(folder) / "inflate", Path(folder) / "blocks"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    built = subprocess.run([compiler, "-O2", "-o", program, SOURCE, "-lnghttp2"], capture_output=True, check=False)
    if built.returncode:
        print("libnghttp2's headers are not installed (libnghttp2-dev): no baseline for HPACK", file=sys.stderr)
        return None
    file.write_bytes(b"".join(struct.pack("=II", direction, len(block)) + block for direction, block in blocks))
    return lambda: float(subprocess.run([program, file, "5"], capture_output=True, check=True).stdout)


def bench_blocks(loops: ModuleType, connections: list[list[Chunk]]) -> None:
    """Header blocks a second, every field made."""
    blocks = blocks_of(connections)
    with tempfile.TemporaryDirectory() as folder:
        inflate = inflater(folder, blocks)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(read_blocks(loops, blocks))
            if inflate is not None:
                theirs.append(inflate())
    baseline = len(blocks) / statistics.median(theirs) if theirs else None
    named = "libnghttp2's inflater called from C" if theirs else "libnghttp2 is not installed"
    report("header blocks", len(blocks) / statistics.median(ours), "blocks/s", named, baseline and round(baseline))


Stream = list[tuple[int, bool, bytes, int]]  # connection, from the client?, octets, ns


def in_order(connections: list[list[Chunk]]) -> Stream:
    """Return the chunks of all connections as they passed."""
    chunks = [(time_ns, number, side, data) for number, one in enumerate(connections) for side, data, time_ns in one]
    return [(number, side, data, time_ns) for time_ns, number, side, data in sorted(chunks, key=lambda one: one[0])]


def observe(loops: ModuleType, passed: around.Passed, connections: int) -> tuple[int, float]:
    """Decode to messages; return how many, and the seconds it took."""
    limits = Limits()
    observers = [Connection(limits, True) for _ in range(connections)]
    began = time.process_time()
    count = loops.observe(observers, passed)
    return count, time.process_time() - began


class Plain:
    """One direction read with hyperframe and hpack, whole messages out; what few lines with these libraries give."""

    def __init__(self, from_client: bool) -> None:
        self._decoder = hpack.Decoder()
        self._rest = b""
        self._skip = len(PREFACE) if from_client else 0
        self._streams: dict[int, list] = {}

    def feed(self, data: bytes, time_ns: int) -> list[tuple]:
        """Return what ended: stream, headers, body, time of its first and of its last octet."""
        octets = self._rest + data[self._skip :]
        self._skip = 0
        done: list[tuple] = []
        at = 0
        while at + 9 <= len(octets):
            parsed, length = hyperframe.frame.Frame.parse_frame_header(memoryview(octets[at : at + 9]))
            if at + 9 + length > len(octets):
                break
            parsed.parse_body(memoryview(octets[at + 9 : at + 9 + length]))
            at += 9 + length
            stream = parsed.stream_id
            if isinstance(parsed, hyperframe.frame.HeadersFrame):
                self._streams.setdefault(stream, [[], b"", time_ns])[0] += self._decoder.decode(parsed.data, raw=True)
            elif isinstance(parsed, hyperframe.frame.DataFrame):
                self._streams.setdefault(stream, [[], b"", time_ns])[1] += parsed.data
            if "END_STREAM" in parsed.flags:
                headers, body, first_ns = self._streams.pop(stream)
                done.append((stream, headers, body, first_ns, time_ns))
        self._rest = octets[at:]
        return done


def plain(passed: around.Passed, connections: int) -> tuple[int, float]:
    """Decode the same octets with hyperframe and hpack; return how many messages, and the seconds it took."""
    readers = [(Plain(False), Plain(True)) for _ in range(connections)]
    count = 0
    began = time.process_time()
    for whose, data, time_ns in zip(passed.whose, passed.chunks, passed.times_ns, strict=True):
        count += len(readers[whose >> 1][whose & 1].feed(data, time_ns))
    return count, time.process_time() - began


def bench_messages(loops: ModuleType, connections: list[list[Chunk]]) -> None:
    """Chunks to messages, in turn, each for as long as the other."""
    passed = around.Passed(in_order(connections))
    ours, theirs, count = [], [], 0
    for _ in range(TURNS):
        for _ in range(TIMES):
            count, seconds = observe(loops, passed, len(connections))
            ours.append(seconds)
        same, seconds = plain(passed, len(connections))
        theirs.append(seconds)
        assert abs(same - count) < 20
    value, baseline = count / statistics.median(ours), round(count / statistics.median(theirs))
    report("chunks to messages", value, "messages/s", "hpack + hyperframe", baseline)
    report("chunks to messages", value, "messages/s", "the bar", 500_000)
    blocks = blocks_of(connections)
    header_s = statistics.median(read_blocks(loops, blocks) for _ in range(ROUNDS))
    share = header_s / len(blocks) * value  # every message here has one block; with free framing the ratio is this high
    report(
        "chunks to messages, framing thought away", len(blocks) / header_s, "messages/s", "hpack + hyperframe", baseline
    )
    report("share of header blocks in chunks to messages", share, "of the time", "all", 1)


class Exchanges:
    """One exchange after the other as real libraries write them, for any number of connections in step."""

    def __init__(self) -> None:
        self._client, self._server = hpack.Encoder(), hpack.Encoder()
        self._stream = -1

    def start(self) -> list[tuple[bool, bytes]]:
        """Return how each connection begins."""
        return [(True, PREFACE + settings((3, 100))), (False, settings((1, 4096)))]

    def next(self) -> list[tuple[bool, bytes]]:
        """Return the chunks of the next exchange; its values change as those of real traffic."""
        self._stream += 2
        number = self._stream // 2
        request = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "smf.5gc.example:7777"),
            (":path", f"/nsmf-pdusession/v1/sm-contexts/{OWN.decode()}{number}/modify"),
            ("content-type", "application/json"),
            ("user-agent", "AMF"),
            ("3gpp-sbi-sender-timestamp", f"Sun, 22 Nov 2026 21:{number // 60 % 60:02}:{number % 60:02}.437 GMT"),
        ]
        response = [
            (":status", "200"),
            ("content-type", "application/json"),
            ("server", "Open5GS v2.7.7"),
            ("date", f"Sun, 22 Nov 2026 21:{number // 60 % 60:02}:{number % 60:02} GMT"),
        ]
        body = b'{"n2SmInfoType":"PDU_RES_SETUP_RSP"}' * 6
        return [
            (True, self._frames(self._client.encode(request, huffman=False), body)),
            (False, self._frames(self._server.encode(response, huffman=False), body)),
        ]

    def _frames(self, block: bytes, body: bytes) -> bytes:
        return frame(HEADERS, 4, self._stream, block) + frame(0, 1, self._stream, body)


def own(pieces: list[tuple[bool, bytes]], connections: int) -> list[list[tuple[bool, bytes]]]:
    """Return the pieces for each connection, with values that no other connection has."""
    names = [b"ref-%07d-" % connection for connection in range(connections)]
    return [[(side, data.replace(OWN, name)) for side, data in pieces] for name in names]


def many(number: int, exchanges: int) -> list[Connection]:
    """Return connections after so many exchanges each."""
    limits, talk = Limits(), Exchanges()
    observers = [Connection(limits, True) for _ in range(number)]
    for pieces in (talk.start(), *(talk.next() for _ in range(exchanges))):
        for observer in observers:
            for from_client, data in pieces:
                observer.feed(from_client, data, 1)
            observer.take()
    return observers


class Crowd:
    """So many connections, each of which takes `burst` exchanges in turn."""

    def __init__(self, number: int, burst: int) -> None:
        limits = Limits()
        self._number, self._burst = number, burst
        self._at_once = max(1, 20_000 // number // burst)  # turns written before the clock starts, for few many
        self._talk = Exchanges()
        self._observers = [Connection(limits, True) for _ in range(number)]
        _spent(self._observers, [own(self._talk.start(), number)])
        for _ in range(FULL):
            _spent(self._observers, [own(self._talk.next(), number)])

    def cost(self) -> float:
        """Let each connection have its turns; return the seconds a message took."""
        written = ([piece for _ in range(self._burst) for piece in self._talk.next()] for _ in range(self._at_once))
        turns = [own(pieces, self._number) for pieces in written]
        gc.collect()
        gc.freeze()
        spent = _spent(self._observers, turns)
        gc.unfreeze()
        return spent / (2 * self._burst * self._number * self._at_once)


def bench_connections(burst: int) -> None:
    """Cost of a message with few and many connections, each of which takes so many exchanges in turn.

    One exchange a turn shows the memory: each octet of a connection's state comes from DRAM, not from a cache, as does
    what an insertion evicts. Paths are each connection's own, stamps and agents are the same on many, as those of real
    traffic. Few and many take turns, and the ratio is the median of those of each turn, since a machine's speed changes
    from one to the next.
    """
    for number in CONNECTIONS[1:]:
        few, crowd = Crowd(CONNECTIONS[0], burst), Crowd(number, burst)
        pairs = [(few.cost(), crowd.cost()) for _ in range(WARM + MEASURED)][WARM:]
        name = f"{number} connections, {burst} exchanges a turn"
        base, cost = (round(1e6 * statistics.median(costs), 3) for costs in zip(*pairs, strict=True))
        report(f"cost of a message, {name}", cost, "us/message", f"{CONNECTIONS[0]} connections", base, False)
        ratio = statistics.median(crowded / alone for alone, crowded in pairs)
        report(f"median of the turns' ratios, {name}", ratio, "x", "the bar", 1.3, False)


def _spent(observers: list[Connection], turns: list[list[list[tuple[bool, bytes]]]]) -> float:
    """Give each connection its chunks, turn by turn; return the seconds it took."""
    count, expected, began = 0, sum(len(chunks) for given in turns for chunks in given), time.process_time()
    for given in turns:
        for observer, chunks in zip(observers, given, strict=True):
            for from_client, data in chunks:
                observer.feed(from_client, data, 1)
            count += len(observer.take())
    spent = time.process_time() - began
    assert count in (0, expected)  # none of the preface and the settings
    return spent


def bench_memory() -> None:
    """Memory of an idle connection with full tables beside its bound, and of an open stream."""
    many(1, 1)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    observers = many(300, 100)  # 4,096 octets of table a direction are full after some fifty
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    report(
        "memory of an idle connection, tables full",
        (after - before) / 300,
        "bytes",
        "4 KiB + 2 x its tables",
        4096 + 2 * 8192,
        False,
    )
    started, _ = tracemalloc.get_traced_memory()
    talk = Exchanges()
    for _ in range(100):
        talk.next()
    request, _ = talk.next()
    head = request[1][: 9 + int.from_bytes(request[1][:3], "big")]
    for observer in observers:
        for stream in range(1001, 1021, 2):
            observer.feed(True, head[:5] + stream.to_bytes(4, "big") + head[9:], 2)
    ended, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    report("memory of an open stream", (ended - started) / 3000, "bytes", "the bar", 2048, False)


def main() -> None:
    """Measure and print."""
    connections = recorded(SUITE)
    with tempfile.TemporaryDirectory() as folder:
        loops = compiled(around, folder)
        bench_blocks(loops, connections)
        bench_messages(loops, connections)
    bench_memory()
    for burst in (1, 4, 16):
        bench_connections(burst)


if __name__ == "__main__":
    main()
