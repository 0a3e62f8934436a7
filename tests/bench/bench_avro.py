"""Bytes to Avro batches ready to publish, meaning and pseudonyms included, on the suite capture in memory; JSON lines.

python -m tests.bench.bench_avro

Each round has a connection table, a repair and a meaning that know nothing; they are made before the clock starts.
"""

import gc
import statistics
import time
from itertools import repeat

from collector.avro import BatchHeader, encode_batch
from collector.batch import Batcher, BatchRules
from collector.connection import Connection
from collector.meaning import Meaning
from collector.message import Endpoints, Limits, Vantage
from collector.observer import YOUNG_OBJECTS
from collector.pseudonym import Pseudonyms
from collector.repair import Repair
from tests.bench.bench_observer import Stream, in_order, observe
from tests.bench.line import show
from tests.messages import messages
from tests.recorded import SUITE, recorded

ROUNDS = 15
TAKEN = 400  # chunks between two looks for finished messages: 20 ms of a busy node
BAR = 150_000
MEANING_BAR_US = 5.0
KEY = bytes(range(32))
FIRST = BatchHeader("site", "node", 0, "bench", 1, 0, 1, final=False, loss={})


def ends_of(number: int) -> Endpoints:
    """Return the ends of a connection of the bench."""
    return Endpoints(f"{number:032x}", Vantage.WIRE, False, "127.0.0.5", 40_000 + number, "127.0.0.200", 7777)


def to_avro(stream: Stream, connections: int) -> tuple[int, float]:
    """Turn octets into encoded batches; return how many events, and the seconds it took."""
    limits = Limits()
    observers = [Connection(limits, True) for _ in range(connections)]
    ends = [ends_of(number) for number in range(connections)]
    meaning, repair, batcher = Meaning(Pseudonyms(KEY)).octets, Repair(), Batcher(FIRST, BatchRules())
    count, taken = 0, []
    began = time.process_time()
    for at, (number, from_client, data, time_ns) in enumerate(stream):
        observer = observers[number]
        observer.feed(from_client, data, time_ns)
        taken.extend(zip(repeat(ends[number]), observer.take(), strict=False))
        if at % TAKEN == 0:
            repair.mend(taken)
            events = [meaning(*one) for one in taken]
            for batch in batcher.add(events, time_ns // 1_000, {}, time_ns // 1_000_000):
                encode_batch(batch.header, batch.events)
            count += len(events)
            taken = []
    return count + len(taken), time.process_time() - began


def _set_aside() -> None:
    """Keep the collector of garbage off what an agent does not hold: the whole capture and its messages."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)  # as the agent does
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def bench_batches() -> None:
    """Octets to batches, beside the decoding alone and the bar."""
    connections = recorded(SUITE)
    stream = in_order(connections)
    whole, decoded = [], []
    for _ in range(ROUNDS):
        _set_aside()
        count, seconds = to_avro(stream, len(connections))
        whole.append(seconds / count)
        count, seconds = observe(stream, len(connections))
        decoded.append(seconds / count)
    rate, decoding = 1 / statistics.median(whole), 1 / statistics.median(decoded)
    best = round(1 / min(whole))
    show("octets to Avro batches", rate, "messages/s", "the bar", BAR, best_round=best)
    show("octets to Avro batches", rate, "messages/s", "decoding alone", decoding)


def bench_meaning() -> None:
    """The meaning of a message, by a Meaning that knows nothing and by one that has seen the same traffic."""
    every = messages(SUITE)
    fresh, warm = [], []
    for _ in range(ROUNDS):
        meaning = Meaning(Pseudonyms(KEY))
        for spent in (fresh, warm):
            _set_aside()
            began = time.process_time()
            for ends, message in every:
                meaning.event(ends, message)
            spent.append((time.process_time() - began) / len(every) * 1e6)
    for name, spent in (("nothing known before", fresh), ("traffic met before", warm)):
        show(
            f"meaning of a message, {name}",
            statistics.median(spent),
            "us",
            "the bar",
            MEANING_BAR_US,
            best_round=min(spent),
        )


if __name__ == "__main__":
    bench_batches()
    bench_meaning()
