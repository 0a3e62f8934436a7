"""What 5G meaning costs: µs a message of the suite capture, µs a lookup, bytes to Avro; medians in turn, JSON lines.

"Nothing known before" is the first second of an agent: NFs, paths, bodies and subscribers are new. "Other subscribers"
is its life thereafter: the core is known, its subscribers were never met. Python looks for cycles as in the agent.

python -m tests.bench.bench_meaning
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from collector.avro import encode_batch
from collector.batch import Batch
from collector.callbacks import Callbacks
from collector.catalogue import Catalogue
from collector.connections import Bounds, Connections
from collector.halves import Message
from collector.meaning import Meaning
from collector.message import Endpoints, Limits
from collector.observer import YOUNG_OBJECTS
from collector.pcap_source import PcapSource
from collector.pseudonym import Pseudonyms
from collector.redaction import Redaction
from collector.request_target import RequestTargets
from deploy.capture import run_capture
from schemas.config import Config
from tests.bench.line import show
from tests.messages import fields, messages

ROUNDS = 7
CAPTURE = Path(__file__).parent.parent / "captures" / "open5gs-suite-scp.pcapng"
KEY = bytes(range(32))


def observed() -> int:
    """Turn the file into messages; return how many."""
    source, connections, count = PcapSource(CAPTURE), Connections(Limits(), Bounds()), 0

    def tick(now_ns: int) -> None:
        nonlocal count
        connections.advance(now_ns)
        count += len(connections.take())

    source.run(connections, tick)
    connections.finish(source.now_ns)
    return count + len(connections.take())


def to_avro() -> int:
    """Turn the file into encoded batches, meaning and pseudonyms included; return how many events."""
    count = 0

    def put(batch: Batch) -> None:
        nonlocal count
        encode_batch(batch.header, batch.events)
        count += len(batch.events)

    run_capture(PcapSource(CAPTURE), Config(), Meaning(Pseudonyms(KEY)).event, put)
    return count


def of_others(number: int) -> list[tuple[Endpoints, Message]]:
    """Return the messages of the capture, about other subscribers: other digits in fields and bodies."""
    changes = ((b"999700000000", b"99970%07d" % number), (b"-0-0-0-00000", b"-0-0-0-%05d" % number))

    def changed(octets: bytes) -> bytes:
        for old, new in changes:
            octets = octets.replace(old, new)
        return octets

    made = []
    for ends, one in messages(CAPTURE):
        other = Message(one.half, one.stream_id, one.first_byte_ns)
        other.headers_ns, other.header_state, other.header_bytes = one.headers_ns, one.header_state, one.header_bytes
        pairs = [(field, None if field[1] is None else changed(field[1])) for field in one.headers]
        # What is the same stays the same object, as from the table of a connection.
        other.headers = [field if value == field[1] else (field[0], value) for field, value in pairs]
        other.body, other.body_bytes = changed(one.body), one.body_bytes
        if one.ended is not None:
            other.finish(one.ended, one.last_byte_ns)
        made.append((ends, other))
    return made


def cases() -> dict[str, Callable[[], int]]:
    """Return what is measured, by name; each returns how many operations it did."""
    every = messages(CAPTURE)
    others: Iterator[list[tuple[Endpoints, Message]]] = iter([of_others(1 + number) for number in range(ROUNDS)])
    warm = Meaning(Pseudonyms(KEY))
    targets = RequestTargets(Catalogue(), Callbacks(), Redaction(Pseudonyms(KEY)))
    asked = [(said[":method"], said[":path"].encode()) for _, one in every if ":path" in (said := fields(one))]
    catalogue = Catalogue()
    plain = sorted({(method, targets.of(path).plain) for method, path in asked})

    def meant(meaning: Meaning, those: list[tuple[Endpoints, Message]] = every) -> int:
        for ends, message in those:
            meaning.event(ends, message)
        return len(those)

    meant(warm)

    return {
        "meaning of a message, nothing known before": lambda: meant(Meaning(Pseudonyms(KEY))),
        "meaning of a message, other subscribers": lambda: meant(warm, next(others)),
        "meaning of a message, met before": lambda: meant(warm),
        "operation of a target met before": lambda: len([targets.match(targets.of(p), m) for m, p in asked]),
        "operation of a new target, by the trie": lambda: len([catalogue.find(m, p) for m, p in plain]),
        "baseline: bytes to messages": observed,
        "bytes to Avro, meaning included": to_avro,
    }


def main() -> None:
    """Measure in turn and print."""
    every = cases()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    spent: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(ROUNDS):
        for name, run in every.items():
            began = time.process_time()
            count = run()
            spent[name].append((time.process_time() - began) / count)
    baseline = statistics.median(spent["baseline: bytes to messages"])
    for name, runs in spent.items():
        seconds = statistics.median(runs)
        show(name, seconds * 1e6, "us", "bytes to messages", baseline * 1e6, per_second=round(1 / seconds))


if __name__ == "__main__":
    main()
