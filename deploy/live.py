"""How the agent runs on a node: kernel source to sink until a signal ends it in order."""

import signal
from contextlib import ExitStack

from collector.avro import BatchHeader
from collector.batch import Batcher, BatchRules
from collector.connections import Bounds, Connections
from collector.kernel_source import KernelSource
from collector.pipeline import Pipeline
from deploy.capture import limits, meaning_of
from deploy.sinks import kafka_sink, lines_to
from schemas.config import Config

KERNEL = 0  # index of its symbol in the schema's enum Source
HOLE_NS = 200_000_000  # records of one socket swap places by microseconds: what is missing longer is lost


def collect_live(config: Config, to: str) -> int:
    """Observe this node until SIGINT or SIGTERM; then everything open ends and the final batch leaves."""
    source = KernelSource(config.collector)
    bounds = Bounds(max_connections=config.collector.max_connections, hole_ns=HOLE_NS)
    connections = Connections(limits(config.collector), bounds)
    first = BatchHeader(config.site.name, config.site.node, 0, source.incarnation, 1, 0, KERNEL, final=False, loss={})
    rules = BatchRules(max_events=config.collector.batch_events, interval_ms=config.collector.batch_ms)
    with ExitStack() as ending:
        if to == "kafka":
            publisher = kafka_sink(config, connections.counters, patient=False)
            ending.callback(publisher.close, 10.0)
            put = publisher.put
        else:
            put = ending.enter_context(lines_to(to)).put
        pipeline = Pipeline(connections, meaning_of(config.collector), Batcher(first, rules), put)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: source.stop())
        source.run(connections, pipeline.tick)
        pipeline.finish(source.now_ns)
    return 0
