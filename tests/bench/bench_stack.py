"""A capture on its way to a real Kafka, beside the same without Kafka.

python -m tests.bench.bench_stack
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from collector.batch import Batch
from collector.pcap_source import PcapSource
from deploy.capture import load_capture, meaning_of, run_capture
from schemas.config import Kafka, load
from tests.bench.bench_workers import topics
from tests.bench.line import show
from tests.broker import Broker, broker

SUITE = Path(__file__).parent.parent / "captures" / "open5gs-suite-scp.pcapng"
ROUNDS = 3


def collector_to_kafka(kafka: Broker) -> None:
    """Load the suite under ROUNDS names; beside it the same without Kafka."""
    config = load(None)
    published, alone = [], []
    events = 0

    def count(made: Batch) -> None:
        nonlocal events
        events += len(made.events)

    for number in range(ROUNDS):
        prefix = f"c{number}."
        topics(kafka, prefix)
        named = replace(config, kafka=Kafka(bootstrap=kafka.bootstrap, partitions=1, topic_prefix=prefix))
        published.append(seconds(lambda named=named: load_capture(named, PcapSource(SUITE))))  # type: ignore[misc]
        events = 0
        alone.append(seconds(lambda: run_capture(PcapSource(SUITE), config, meaning_of(config.collector), count)))
    rates = (events / statistics.median(times) for times in (published, alone))
    delivered, made = rates
    show("capture to Kafka, delivered", delivered, "events/s", "to events, without Kafka", made)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    """Measure all."""
    with broker() as kafka:
        collector_to_kafka(kafka)


if __name__ == "__main__":
    main()
