"""How the agent runs on a node: load the probes, give up rights, supervise an observer until a signal ends it."""

import dataclasses
import gc
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from collector import c_memory, privilege
from collector.agent_status import exposition
from collector.attribution import NO_NAME, Attribution
from collector.backoff import BackOff, Budget
from collector.channel import Setup
from collector.child import Child
from collector.container_names import ContainerNames
from collector.lean_kafka import import_little
from collector.loading import begun
from collector.message import Counters
from collector.pods import Pods
from collector.probes import Probes
from collector.pseudonym_key import key_of
from collector.supervisor import Supervisor
from collector.watch import About, Watch, release
from collector.window import Dials
from collector.workload import Container
from deploy.sinks import kafka_sink, lines_descriptor
from schemas.cluster_api import api_here, is_wanted
from schemas.config import Config
from schemas.loss import HIDES_NO_MESSAGE

if TYPE_CHECKING:
    from collector.publisher import Publisher

FLUSH_S = 10.0
PODS_S = 3.0  # for the API server to tell which pods there are, before the first record is read
MEGABYTE = 1_048_576
FREE_BYTES = MEGABYTE  # of memory between two seconds: what batches on their way take
GIVEN_BACK_S = 3  # between two times that memory is given back: it costs a millisecond, and as much until it is back
NICENESS = 5  # the network functions come first


def collect_live(config: Config, to: str) -> int:
    """Observe this node until SIGINT or SIGTERM; then everything open ends and the final batch leaves.

    Rights are used to load the probes and to open the sink, then given up for good.
    """
    c_memory.keep_one_arena()
    behind, met = Counters(), Counters()
    with ExitStack() as ending:
        loading = begun(config.collector)
        ending.callback(loading.end)
        lines = None if to == "kafka" else ending.enter_context(lines_descriptor(to))
        child = Child(lines)
        ending.callback(child.end)
        wanted, runs = setup(config, loading.ring_bytes, lines), release()
        import_sink(to)
        probes = Probes(loading)
        ending.callback(probes.close)
        container_of = names_here(ending)
        privilege.forbid_gain()
        os.nice(NICENESS)  # before librdkafka's threads begin: each is as nice as the one that began it
        sink = None
        if to == "kafka":
            sink = kafka_sink(config, behind, patient=False)
            ending.callback(sink.close, FLUSH_S)
        pods = pods_here(config, met, ending)
        supervisor = Supervisor(
            probes, child, wanted, Attribution(pods.of, container_of=container_of), sink, lines, behind
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        watch = watching(config, probes, supervisor, sink, behind, met, pods, runs)
        supervisor.each_second(watch.second)
        if config.collector.metrics_port:
            served(config, watch, ending)
        privilege.drop()
        gc.collect()
        gc.freeze()  # what is there by now stays for good
        c_memory.give_back()
        c_memory.keep_free(FREE_BYTES)
        code = c_memory.let_go_of_code()
        supervisor.each_second(seldom(lambda: c_memory.let_go(code)))
        supervisor.each_second(seldom(c_memory.give_back))  # what batches on their way have left
        Thread(target=announce, args=(config.site.node, probes), daemon=True).start()
        supervisor.run()
    print(f"sbiscope collect: ended; {summary(supervisor.seen.figures.loss | behind.by_reason)}", file=sys.stderr)
    return 0


def seldom(act: Callable[[], object]) -> Callable[[float], None]:
    """Return what acts every GIVEN_BACK_S calls."""
    calls = itertools.count(1)

    def called(_: float) -> None:
        if next(calls) % GIVEN_BACK_S == 0:
            act()

    return called


def import_sink(to: str) -> None:
    """Import what the sink is made of, while others load: a tenth of a second."""
    if to == "kafka":
        import_little()
        import_module("collector.publisher")


def announce(node: str, probes: Probes) -> None:
    """Say that the node is observed, once the TLS libraries of all that ran before have been found too.

    Not of an agent that ends meanwhile; what was not looked at in time is said.
    """
    but = "" if probes.await_tls() else "; not every program that runs was looked at for TLS yet"
    if probes.is_attached:
        print(f"sbiscope collect: observing {node} (hook {probes.hook}){but}", file=sys.stderr, flush=True)


def served(config: Config, watch: Watch, ending: ExitStack) -> None:
    """Serve metrics and health until `ending`. Raises Refusal: the address is taken, or none."""
    from collector.health import HealthServer

    address, port = config.collector.metrics_address, config.collector.metrics_port
    health = HealthServer(address, port, lambda: exposition(watch.status()), watch.ailment)
    ending.callback(health.close)
    health.start()


def watching(
    config: Config,
    probes: Probes,
    supervisor: Supervisor,
    sink: "Publisher | None",
    behind: Counters,
    met: Counters,
    pods: Pods,
    runs: str,
) -> Watch:
    """Return what is done each second; `runs`: this program's release."""
    collector = config.collector
    full_node_cpu = (os.cpu_count() or 1) * collector.full_node_percent / 100
    budget = Budget(collector.cpu_percent / 100, collector.memory_mb * MEGABYTE, full_node_cpu)
    about = About(config.site.name, config.site.node, probes.hook, probes.mapped_bytes, time.time_ns() // 1_000, runs)
    tell = sink.deliver if sink is not None else None

    def delivered() -> tuple[int, int]:
        return (sink.delivered_events, sink.delivered_batches) if sink is not None else (0, 0)

    dials = Dials(probes.maps)
    backoff = BackOff(budget)
    return Watch(
        about,
        supervisor,
        dials,
        backoff,
        behind,
        met,
        tell,
        delivered,
        pods.__len__,
        lambda: probes.attaching,
        lambda: probes.has_lost_tls,
        with_flows=collector.flows,
    )


def pods_here(config: Config, met: Counters, ending: ExitStack) -> Pods:
    """Return the pods of this node, watched until `ending` ends where this is a pod of a cluster; else there are none.

    Raises Refusal for a wrong word in the configuration.
    """
    collector = config.collector
    pods = Pods(frozenset(collector.pod_labels.replace(",", " ").split()))
    api = api_here() if is_wanted(collector.kubernetes) else None
    if api is not None:
        from collector.kubernetes import watch_pods

        watch = watch_pods(api, config.site.node, pods, met)
        watch.start()
        ending.callback(watch.close)
        watch.has_tried.wait(PODS_S)
    return pods


def names_here(ending: ExitStack) -> Callable[[int, str], Container | None]:
    """Return what tells how the container of a process is called, until `ending`; needs the rights of the start.

    In a pod of a cluster nobody is asked: the API says it.
    """
    if api_here() is not None:
        return NO_NAME
    names = ContainerNames()
    ending.callback(names.close)
    return names.of


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
    """Return what was lost, and of what less is known, in one line."""
    counted = sorted((reason, f"{amount} {reason}") for reason, amount in loss.items() if amount)
    lost = ", ".join(text for reason, text in counted if reason not in HIDES_NO_MESSAGE)
    less = ", ".join(text for reason, text in counted if reason in HIDES_NO_MESSAGE)
    return (f"lost: {lost}" if lost else "nothing lost") + (f"; less is known: {less}" if less else "")
