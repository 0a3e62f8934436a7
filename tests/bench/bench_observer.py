"""The observer on real traffic held in memory, beside libnghttp2's inflater and hpack + hyperframe, in turn; JSON lines.

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

import hpack
import hyperframe.frame

from collector.connection import Connection
from collector.hpack import Decoder
from collector.message import Limits
from collector.selection import EVERYTHING
from tests.recorded import SUITE, Chunk, recorded
from tests.traffic import HEADERS, PREFACE, frame, settings

ROUNDS = 15
SOURCE = Path(__file__).parent / "inflate.c"
CONNECTIONS = (1, 10, 100, 1_000, 10_000, 100_000)
Block = tuple[int, bytes]


def report(name: str, value: float, unit: str, baseline: str, baseline_value: float | None, higher: bool = True) -> None:
    """Print one line; ratio above 1 = better than the baseline."""
    ratio = None
    if baseline_value:
        ratio = round(value / baseline_value if higher else baseline_value / value, 2)
    number = round(value, 3) if value < 100 else round(value)
    line = {"name": name, "value": number, "unit": unit, "baseline": baseline, "baseline_value": baseline_value, "ratio": ratio}
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


def read_blocks(blocks: list[Block]) -> float:
    """Decode the blocks; return the seconds it took."""
    decoders = [Decoder(EVERYTHING, True) for _ in range(1 + max(direction for direction, _ in blocks))]
    began = time.process_time()
    for direction, block in blocks:
        decoders[direction].decode(block, 0, len(block), [])
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


def bench_blocks(connections: list[list[Chunk]]) -> None:
    """Header blocks a second, every field made."""
    blocks = blocks_of(connections)
    with tempfile.TemporaryDirectory() as folder:
        inflate = inflater(folder, blocks)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(read_blocks(blocks))
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


def observe(stream: Stream, connections: int) -> tuple[int, float]:
    """Decode to messages; return how many, and the seconds it took."""
    limits = Limits()
    observers = [Connection(limits, True) for _ in range(connections)]
    count = 0
    began = time.process_time()
    for number, from_client, data, time_ns in stream:
        observer = observers[number]
        observer.feed(from_client, data, time_ns)
        messages = observer.take()
        if messages:
            count += len(messages)
    return count, time.process_time() - began


def plain(stream: Stream) -> tuple[int, float]:
    """Decode the same octets with hyperframe and hpack, as short as can be; return messages and seconds."""
    decoders: dict[tuple[int, bool], hpack.Decoder] = {}
    rests: dict[tuple[int, bool], bytes] = {}
    bodies: dict[tuple[int, bool, int], bytes] = {}
    count = 0
    began = time.process_time()
    for number, from_client, data, _ in stream:
        key = (number, from_client)
        if key not in decoders:
            decoders[key] = hpack.Decoder()
            rests[key] = b""
            data = data.removeprefix(PREFACE)  # noqa: PLW2901
        octets = rests[key] + data
        at = 0
        while at + 9 <= len(octets):
            parsed, length = hyperframe.frame.Frame.parse_frame_header(memoryview(octets[at : at + 9]))
            if at + 9 + length > len(octets):
                break
            parsed.parse_body(memoryview(octets[at + 9 : at + 9 + length]))
            at += 9 + length
            if isinstance(parsed, hyperframe.frame.HeadersFrame):
                decoders[key].decode(parsed.data, raw=True)
            elif isinstance(parsed, hyperframe.frame.DataFrame):
                bodies[*key, parsed.stream_id] = bodies.get((*key, parsed.stream_id), b"") + parsed.data
            if "END_STREAM" in parsed.flags:
                bodies.pop((*key, parsed.stream_id), None)
                count += 1
        rests[key] = octets[at:]
    return count, time.process_time() - began


def bench_messages(connections: list[list[Chunk]]) -> None:
    """Chunks to messages."""
    stream = in_order(connections)
    ours, theirs, count = [], [], 0
    for number in range(ROUNDS):
        count, seconds = observe(stream, len(connections))
        ours.append(seconds)
        if number % 5 == 0:
            same, seconds = plain(stream)
            theirs.append(seconds)
            assert abs(same - count) < 20
    baseline = round(count / statistics.median(theirs))
    report("chunks to messages", count / statistics.median(ours), "messages/s", "hpack + hyperframe", baseline)


def bench_connections(connections: list[list[Chunk]]) -> None:
    """Cost of a message with few and many connections: each takes one exchange of the capture in turn."""
    start, exchange = opening(connections)
    base = 0.0
    for number in CONNECTIONS:
        limits = Limits()
        observers = [Connection(limits, True) for _ in range(number)]
        for observer in observers:
            for from_client, data in start:
                observer.feed(from_client, data, 1)
            observer.take()
        gc.collect()
        gc.freeze()
        rounds = max(3, 200_000 // number // 10)
        costs = []
        for _ in range(5 if number < 100_000 else 3):
            began, count = time.process_time(), 0
            for turn in range(rounds):
                for observer in observers:
                    for from_client, data in exchange(turn):
                        observer.feed(from_client, data, 2)
                    count += len(observer.take())
            costs.append((time.process_time() - began) / count)
        cost = 1e6 * statistics.median(costs)
        base = base or cost
        report(f"cost of a message, {number} connections", cost, "us/message", "1 connection", round(base, 3), False)
        gc.unfreeze()
        del observers


