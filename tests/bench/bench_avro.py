"""Bytes to Avro batches ready to publish, meaning and pseudonyms included, on the suite capture in memory; JSON lines.

python -m tests.bench.bench_avro

Connection tables, repair and batcher of a round are new, made before the clock starts.

"Nothing known before": so is the meaning; each path, body, NF and subscriber is met for the first time, as in the first
second of an agent. "Other subscribers": one meaning is kept, each round has new connections and SUPIs never met, which
two messages in nine say; NFs, operations and ids of resources were met. "Met before": the same octets once more.
"""

import gc
import statistics
import tempfile
import time
from types import ModuleType

from collector.avro import BatchHeader, encode_batch
from collector.batch import Batcher, BatchRules
from collector.connection import Connection
from collector.meaning import Meaning
from collector.message import Endpoints, Limits, Vantage
from collector.observer import YOUNG_OBJECTS
from collector.pseudonym import Pseudonyms
from collector.repair import Repair
from tests.bench import around
from tests.bench.bench_observer import Stream, in_order, observe
from tests.bench.compiled import compiled
from tests.bench.line import show
from tests.bench.other_subscribers import of_others
from tests.messages import messages
from tests.recorded import SUITE, recorded

ROUNDS = 15
TAKEN = 400  # chunks between two looks for finished messages: 20 ms of a busy node
BAR = 150_000
MEANING_BAR_US = 5.0
KEY = bytes(range(32))
FIRST = BatchHeader("site", "node", 0, "bench", 1, 0, 1, final=False, loss={})


def ends_of(number: int, turn: int = 0) -> Endpoints:
    """Return the ends of a connection of the bench; its id is another one each turn."""
    return Endpoints(
        f"{turn:016x}{number:016x}", Vantage.WIRE, False, "127.0.0.5", 40_000 + number, "127.0.0.200", 7777
    )


def to_avro(stream: Stream, connections: int, kept: Meaning | None = None, turn: int = 0) -> tuple[int, float]:
    """Turn octets into encoded batches by a meaning, a new one or `kept`; return how many events, and the seconds."""
    limits = Limits()
    observers = [Connection(limits, True) for _ in range(connections)]
    ends = [ends_of(number, turn) for number in range(connections)]
    meaning = (Meaning(Pseudonyms(KEY)) if kept is None else kept).octets
    repair, batcher = Repair(), Batcher(FIRST, BatchRules())
    count, taken = 0, []
    note = taken.append
    began = time.process_time()
    for at, (number, from_client, data, time_ns) in enumerate(stream):
        observer = observers[number]
        observer.feed(from_client, data, time_ns)
        for message in observer.take():
            note((ends[number], message))
        if at % TAKEN == 0:
            repair.mend(taken)
            events = [meaning(*one) for one in taken]
            for batch in batcher.add(events, time_ns // 1_000, {}, time_ns // 1_000_000):
                encode_batch(batch.header, batch.events)
            count += len(events)
            taken.clear()
    return count + len(taken), time.process_time() - began


def _set_aside() -> None:
    """Keep the collector of garbage off what an agent does not hold: the whole capture and its messages."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)  # as the agent does
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def bench_batches(loops: ModuleType) -> None:
    """Octets to batches, beside the bar and the decoding alone."""
    connections = recorded(SUITE)
    number, stream = len(connections), in_order(connections)
    passed = around.Passed(stream)
    spent: dict[str, list[float]] = {"nothing known before": [], "other subscribers": [], "met before": []}
    decoded, known = [], Meaning(Pseudonyms(KEY))
    to_avro(stream, number, known)
    for turn in range(1, ROUNDS + 1):
        others = in_order(of_others(connections, turn))
        for name, octets, kept in (
            ("nothing known before", stream, None),
            ("other subscribers", others, known),
            ("met before", others, known),
        ):
            _set_aside()
            count, seconds = to_avro(octets, number, kept, 2 * turn + (name == "met before"))
            spent[name].append(seconds / count)
        count, seconds = observe(loops, passed, number)
        decoded.append(seconds / count)
    for name, each in spent.items():
        best = round(1 / min(each))
        show(
            f"octets to Avro batches, {name}",
            1 / statistics.median(each),
            "messages/s",
            "the bar",
            BAR,
            best_round=best,
        )
    rate, decoding = 1 / statistics.median(spent["nothing known before"]), 1 / statistics.median(decoded)
    show("octets to Avro batches, nothing known before", rate, "messages/s", "decoding alone", decoding)


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
    with tempfile.TemporaryDirectory() as folder:
        bench_batches(compiled(around, folder))
    bench_meaning()
