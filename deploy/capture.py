"""How a capture file runs through the collector: the parts put together, where the batches go, what the user sees."""

import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules, Event
from collector.connections import Bounds, Connections
from collector.halves import Message
from collector.message import Counters, Endpoints
from collector.observer import YOUNG_OBJECTS, limits
from collector.pcap_source import PcapSource
from collector.pipeline import Pipeline
from collector.privilege import leave_no_core
from deploy.sinks import client, events_topic, kafka_sink, lines_to
from schemas.config import Collector, Config
from schemas.refusal import Refusal

if TYPE_CHECKING:
    from collector.meaning import Meaning

CAPTURE = 1  # index of its symbol in the schema's enum Source

Describe = Callable[[Endpoints, Message], Event]


def run_capture(
    source: PcapSource,
    config: Config,
    describe: Describe,
    put: Callable[[Batch], None],
    losses: Callable[[], Mapping[str, int]] = dict,
) -> None:
    """Run the whole file; every batch goes to `put`. The same file gives the same batches, whatever the machine.

    `losses`: what the description counted, to stand in the batches.
    """
    leave_no_core()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    first = BatchHeader(config.site.name, config.site.node, 0, incarnation(source), 1, 0, CAPTURE, final=False, loss={})
    rules = BatchRules(max_events=config.collector.batch_events, interval_ms=config.collector.batch_ms)
    connections = Connections(limits(config.collector), Bounds(max_connections=config.collector.max_connections))
    pipeline = Pipeline(connections, describe, Batcher(first, rules), put, losses)
    source.run(connections, pipeline.tick, progress_line() if sys.stderr.isatty() else lambda _: None)
    pipeline.finish(source.now_ns)


def meaning_of(config: Collector) -> Describe:
    """Return what makes an event of a message, privacy as configured."""
    return _meaning(config).event


def octets_of(config: Collector) -> Describe:
    """Return what `meaning_of` does, of events that are in Avro: where batches are made of them, a third less work."""
    return _meaning(config).octets


def _meaning(config: Collector) -> "Meaning":
    from collector.meaning import Meaning
    from collector.pseudonym_key import pseudonyms_of

    return Meaning(pseudonyms_of(config, say), config.capture_bodies)


def say(text: str) -> None:
    """Tell the user."""
    print(text, file=sys.stderr)


def incarnation(source: PcapSource) -> str:
    """Return the incarnation under which a capture is loaded: the same capture is the same load."""
    return f"capture:{source.digest}"


def collect_capture(config: Config, path: str, to: str, speed: float) -> int:
    """Publish a capture to Kafka (`to` = kafka), or as JSON lines to a file or `-`.

    Raises Refusal: no capture, cut in the middle (after what stood before), loaded already, Kafka does not take it.
    """
    source = PcapSource(Path(path), speed)
    if to == "kafka":
        load_capture(config, source)
    else:
        with lines_to(to) as sink:
            _publish(source, config, sink.put, in_avro=False)
    if source.problem is not None:
        raise source.problem
    return 0


def pair_capture(config: Config, path: str) -> int:
    """Write a capture's transactions as JSON lines to standard output; raises Refusal as `collect_capture` does."""
    from deploy.transactions import TransactionLines

    return _write_lines(config, path, TransactionLines(sys.stdout.buffer.write, config.streams))


def procedures_of_capture(config: Config, path: str) -> int:
    """Write a capture's procedures as JSON lines to standard output; raises Refusal as `collect_capture` does."""
    from deploy.procedures import ProcedureLines

    return _write_lines(config, path, ProcedureLines(sys.stdout.buffer.write, config.streams))


def alerts_of_capture(config: Config, path: str) -> int:
    """Write the alerts that a capture raises and clears as JSON lines; raises Refusal as `collect_capture` does."""
    from deploy.alerts import AlertLines

    return _write_lines(config, path, AlertLines(sys.stdout.buffer.write, config.streams))


class Lines(Protocol):
    """What makes lines of batches."""

    def put(self, batch: Batch) -> None:
        """Write what a batch decides."""

    def finish(self) -> None:
        """Write what is left."""


def _write_lines(config: Config, path: str, lines: Lines) -> int:
    source = PcapSource(Path(path), 0.0)
    run_capture(source, config, octets_of(config.collector), lines.put)
    lines.finish()
    sys.stdout.buffer.flush()
    if source.problem is not None:
        raise source.problem
    return 0


def transactions_in(config: Config, path: str) -> int:
    """Return how many transactions a capture has, by the same decoding and pairing, without Kafka."""
    from deploy.transactions import TransactionLines

    found = 0

    def count(lines: bytes) -> None:
        nonlocal found
        found += lines.count(b"\n")

    lines = TransactionLines(count, config.streams)
    run_capture(PcapSource(Path(path), 0.0), config, octets_of(config.collector), lines.put)
    lines.finish()
    return found


def load_capture(config: Config, source: PcapSource) -> None:
    """Load a capture into Kafka once: an interrupted load goes on after its last batch, a complete one is refused.

    So is one under another node: a capture is one vantage, and its ids are those of its content, whoever loads it.
    """
    from collector.load import last_loaded
    from collector.shard import shard_key

    topic = events_topic(config)
    publisher = kafka_sink(config, Counters(), patient=True)
    key = shard_key(config.site.name, config.site.node, 0)
    loaded = last_loaded(client(config), topic, publisher.partitions, incarnation(source))
    if loaded.sequence and loaded.key != key:
        raise _under_another_node(loaded.key.decode(errors="replace"), is_whole=loaded.final)
    if loaded.final:
        seen = f"{loaded.sequence} batches in {topic}"
        raise Refusal("this capture is loaded already", seen, "query it, or load another")

    def put(batch: Batch) -> None:
        if batch.header.sequence > loaded.sequence:
            publisher.put(batch)

    _publish(source, config, put, in_avro=True)
    publisher.close()
    before = f", after the {loaded.sequence} that were there" if loaded.sequence else ""
    batches, events = publisher.delivered_batches, publisher.delivered_events
    print(
        f"{source.packets} packets: {events} events in {batches} batches delivered to {topic}{before}", file=sys.stderr
    )


def _publish(source: PcapSource, config: Config, put: Callable[[Batch], None], in_avro: bool) -> None:
    meaning = _meaning(config.collector)
    run_capture(source, config, meaning.octets if in_avro else meaning.event, put, meaning.losses)


def _under_another_node(key: str, is_whole: bool) -> Refusal:
    site, node = key.rsplit("/", 1)[0].split("/", 1)
    if is_whole:
        return Refusal("this capture is loaded already", f"under site {site}, node {node}", "query it there")
    advice = f"finish it: --site {site} --node {node}"
    return Refusal("this capture is loaded in part", f"under site {site}, node {node}", advice)


def progress_line() -> Callable[[float], None]:
    """Return a function that shows how far the file is read, on standard error, in one line that it rewrites."""

    def show(done: float) -> None:
        print(f"\r{done:4.0%} read", end="\n" if done >= 1 else "", file=sys.stderr, flush=True)

    return show
