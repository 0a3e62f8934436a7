"""How the agent runs on a node: load the probes, give up rights, supervise an observer until a signal ends it."""

import dataclasses
import os
import signal
import sys
from contextlib import ExitStack

import msgspec

from collector import kernel_source, privilege
from collector.attribution import Attribution
from collector.channel import Setup
from collector.child import Child
from collector.message import Counters
from collector.pseudonym_key import key_of
from collector.supervisor import Supervisor
from deploy.sinks import kafka_sink, lines_descriptor
from schemas.config import Config

FLUSH_S = 10.0
NICENESS = 5  # the network functions come first


def collect_live(config: Config, to: str) -> int:
    """Observe this node until SIGINT or SIGTERM; then everything open ends and the final batch leaves.

    Rights are used to load the probes and to open the sink, then given up for good.
    """
    behind = Counters()
    with ExitStack() as ending:
        lines = None if to == "kafka" else ending.enter_context(lines_descriptor(to))
        probes = kernel_source.loaded(config.collector)
        ending.callback(probes.close)
        child = Child(probes, lines)
        ending.callback(child.end)
        privilege.forbid_gain()
        sink = None
        if to == "kafka":
            sink = kafka_sink(config, behind, patient=False)
            ending.callback(sink.close, FLUSH_S)
        wanted = setup(config, probes.ring_bytes, lines)
        supervisor = Supervisor(probes, child, wanted, Attribution(), sink, lines, behind)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        privilege.drop()
        os.nice(NICENESS)
        print(f"sbiscope collect: observing {config.site.node} (hook {probes.hook})", file=sys.stderr, flush=True)
        supervisor.run()
    print(f"sbiscope collect: ended; {summary(supervisor.seen.figures.loss | behind.by_reason)}", file=sys.stderr)
    return 0


def setup(config: Config, ring_bytes: int, lines: int | None) -> Setup:
    """Return what an observer needs of the configuration, and the key. Raises Refusal: no key to be had."""
    collector = config.collector
    key = None if collector.plain_identifiers else key_of(collector.pseudonym_key_file, say)
    section = msgspec.json.encode(dataclasses.asdict(collector))
    return Setup(config.site.name, config.site.node, section, ring_bytes, key, lines is not None)


def say(text: str) -> None:
    """Tell the user."""
    print(text, file=sys.stderr)


def summary(loss: dict[str, int]) -> str:
    """Return what was lost, in one line."""
    lost = ", ".join(f"{amount} {reason}" for reason, amount in sorted(loss.items()) if amount)
    return f"lost: {lost}" if lost else "nothing lost"
