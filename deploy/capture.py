"""How a capture file runs through the collector: the parts put together, where the batches go, what the user sees."""

import sys
from collections.abc import Callable
from pathlib import Path

from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules, Event
from collector.connections import Bounds, Connections
from collector.jsonl import JsonLines
from collector.connection import Message
from collector.message import Counters, Endpoints, Limits
from collector.pcap_source import PcapSource
from collector.pipeline import Pipeline
from schemas.config import Collector, Config
from schemas.refusal import Refusal

CAPTURE = 1  # index of its symbol in the schema's enum Source
EVENTS = "sbi.events"

Describe = Callable[[Endpoints, Message], Event]


def limits(config: Collector) -> Limits:
    """Return the observer's bounds as configured."""
    return Limits(
        max_streams=config.max_streams, max_header_bytes=config.max_header_bytes, body_bytes=config.body_bytes
    )


def run_capture(source: PcapSource, config: Config, describe: Describe, put: Callable[[Batch], None]) -> None:
    """Run the whole file; every batch goes to `put`. The same file gives the same batches, whatever the machine."""
    first = BatchHeader(config.site.name, config.site.node, 0, incarnation(source), 1, 0, CAPTURE, final=False, loss={})
    rules = BatchRules(max_events=config.collector.batch_events, interval_ms=config.collector.batch_ms)
    connections = Connections(limits(config.collector), Bounds(max_connections=config.collector.max_connections))
    pipeline = Pipeline(connections, describe, Batcher(first, rules), put)
    source.run(connections, pipeline.tick, progress_line() if sys.stderr.isatty() else lambda _: None)
    pipeline.finish(source.now_ns)


def meaning_of(config: Collector) -> Describe:
    """Return what makes an event of a message, privacy as configured."""
    from collector.meaning import Meaning

    return Meaning(config).event


def incarnation(source: PcapSource) -> str:
    """Return the incarnation under which a capture is loaded: the same capture is the same load."""
    return f"capture:{source.digest}"


def collect_capture(config: Config, path: str, to: str, speed: float) -> int:
    """Publish a capture to Kafka (`to` = kafka), or as JSON lines to a file or `-`.

    Raises Refusal: no capture, cut in the middle (after what stood before), loaded already, Kafka does not take it.
    """
    source = PcapSource(Path(path), speed)
    if to == "kafka":
        _to_kafka(config, source)
    elif to == "-":
        write_lines(source, config, sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    else:
        try:
            with Path(to).open("wb") as file:
                write_lines(source, config, file.write)
        except OSError as error:
            raise Refusal("cannot write", f"{to}: {error.strerror}", "name another file") from error
    if source.problem is not None:
        raise source.problem
    return 0


def write_lines(source: PcapSource, config: Config, write: Callable[[bytes], object]) -> None:
    """Write the events of a capture as JSON lines."""
    run_capture(source, config, meaning_of(config.collector), JsonLines(write).put)


def _to_kafka(config: Config, source: PcapSource) -> None:
    from collector.load import last_loaded
    from collector.publisher import Publisher
    from collector.shard import shard_key
    from deploy.stack.endpoints import endpoints
    from schemas.framing import frame
    from schemas.kafka import client_settings

    settings = client_settings(config.kafka, endpoints(config).bootstrap)
    topic = config.kafka.topic_prefix + EVENTS
    publisher = Publisher(
        settings,
        topic,
        lambda body: frame("sbi_event_batch", body),
        Counters(),
        config.collector.queue_bytes,
        patient=True,
    )
    partition = publisher.partition(shard_key(config.site.name, config.site.node, 0))
    loaded = last_loaded(settings, topic, partition, incarnation(source))
    if loaded.final:
        raise Refusal(
            "this capture is loaded already", f"{loaded.sequence} batches in {topic}", "query it, or load another"
        )
    run_capture(
        source,
        config,
        meaning_of(config.collector),
        lambda batch: publisher.put(batch) if batch.header.sequence > loaded.sequence else None,
    )
    publisher.close()
    print(
        f"{source.packets} packets read, {publisher.delivered_events} events in {publisher.delivered_batches} batches "
        f"delivered to {topic}" + (f", after the {loaded.sequence} that were there" if loaded.sequence else ""),
        file=sys.stderr,
    )


def progress_line() -> Callable[[float], None]:
    """Return a function that shows how far the file is read, on standard error, in one line that it rewrites."""

    def show(done: float) -> None:
        print(f"\r{done:4.0%} read", end="\n" if done >= 1 else "", file=sys.stderr, flush=True)

    return show
