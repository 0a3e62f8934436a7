"""What 5G meaning costs: µs a message of the suite capture, µs a lookup, bytes to Avro; medians in turn, JSON lines.

python -m tests.bench.bench_meaning
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from collector.avro import encode_batch
from collector.batch import Batch
from collector.callbacks import Callbacks
from collector.catalogue import Catalogue
from collector.connections import Bounds, Connections
from collector.meaning import Meaning
from collector.message import Limits
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


def cases() -> dict[str, Callable[[], int]]:
    """Return what is measured, by name; each returns how many operations it did."""
    every = messages(CAPTURE)
    warm = Meaning(Pseudonyms(KEY))
    targets = RequestTargets(Catalogue(), Callbacks(), Redaction(Pseudonyms(KEY)))
    asked = [(said[":method"], said[":path"].encode()) for _, one in every if ":path" in (said := fields(one))]
    catalogue = Catalogue()
    plain = sorted({(method, targets.of(path).plain) for method, path in asked})

    def meant(meaning: Meaning) -> int:
        for ends, message in every:
            meaning.event(ends, message)
        return len(every)

    return {
        "meaning of a message, nothing known before": lambda: meant(Meaning(Pseudonyms(KEY))),
        "meaning of a message, met before": lambda: meant(warm),
        "operation of a target met before": lambda: len([targets.match(targets.of(p), m) for m, p in asked]),
        "operation of a new target, by the trie": lambda: len([catalogue.find(m, p) for m, p in plain]),
        "baseline: bytes to messages": observed,
        "bytes to Avro, meaning included": to_avro,
    }


def main() -> None:
    """Measure in turn and print."""
    every = cases()
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
