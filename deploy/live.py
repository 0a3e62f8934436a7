"""How the agent runs on a node: kernel source to sink until a signal ends it in order."""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

from collector import privilege
from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules
from collector.connections import Bounds, Connections
from collector.kernel_source import KernelSource
from collector.message import Counters
from collector.pipeline import Pipeline
from deploy.capture import limits, meaning_of
from deploy.sinks import kafka_sink, lines_to
from schemas.config import Config

KERNEL = 0  # index of its symbol in the schema's enum Source
HOLE_NS = 200_000_000  # records of one socket swap places by microseconds: what is missing longer is lost
FLUSH_S = 10.0
NICENESS = 10  # the network functions come first: mean latency at 2,000 requests/s +24 % instead of +43 % on 2 cores


def collect_live(config: Config, to: str) -> int:
    """Observe this node until SIGINT or SIGTERM; then everything open ends and the final batch leaves.

    Rights are used to load the probes and to open the sink, then given up for good.
    """
    importlib.import_module("collector.http1")  # met late else, when its file may not be readable any more
    source = KernelSource(config.collector)
    privilege.forbid_gain()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: source.stop())
    connections = Connections(
        limits(config.collector),
        Bounds(max_connections=config.collector.max_connections, hole_ns=HOLE_NS, repeats_are_races=True),
    )
    first = BatchHeader(config.site.name, config.site.node, 0, source.incarnation, 1, 0, KERNEL, final=False, loss={})
    rules = BatchRules(max_events=config.collector.batch_events, interval_ms=config.collector.batch_ms)
    with ExitStack() as ending:
        put = sink(config, to, connections.counters, ending)
        pipeline = Pipeline(connections, meaning_of(config.collector), Batcher(first, rules), put)
        privilege.drop()
        os.nice(NICENESS)
        print(f"sbiscope collect: observing {config.site.node} (hook {source.hook})", file=sys.stderr, flush=True)
        source.run(connections, pipeline.tick)
        pipeline.finish(source.now_ns)
    print(f"sbiscope collect: ended; {summary(connections)}", file=sys.stderr)
    return 0


def sink(config: Config, to: str, loss: Counters, ending: ExitStack) -> Callable[[Batch], None]:
    """Open where batches go, until `ending` ends. Raises Refusal."""
    if to == "kafka":
        publisher = kafka_sink(config, loss, patient=False)
        ending.callback(publisher.close, FLUSH_S)
        return publisher.put
    return ending.enter_context(lines_to(to)).put


def summary(connections: Connections) -> str:
    """Return what was lost, in one line."""
    lost = ", ".join(f"{amount} {reason}" for reason, amount in sorted(connections.counters.by_reason.items()))
    return f"lost: {lost}" if lost else "nothing lost"
