"""The observer: a process without any right that reads the ring, decodes, and hands batches to the supervisor.

`collector.observer_start CHANNEL EMPTY [LINES]`: a descriptor, a directory, and a descriptor for JSON lines; the
maps' descriptors come by the channel. It begins with its parent's rights, loads what it needs, gives all up before the
first record.
"""

import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

import msgspec

from collector import c_memory, namespaces, privilege, seccomp
from collector.asked_workload import AskedWorkload
from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules
from collector.channel import Answer, Channel, Closed, Figures, Loss, Ready, Setup, Stop
from collector.connections import Bounds, Connections
from collector.delivery import delivery_of
from collector.flows import Seer, flow_of
from collector.jsonl import JsonLines
from collector.kernel_source import KernelSource
from collector.meaning import Meaning
from collector.message import Limits
from collector.pipeline import Pipeline
from collector.pseudonym import Pseudonyms, plmns_of
from collector.record import head_of, moved_of
from collector.sockets import caller_of
from collector.turn import Turn
from collector.window import MAPS, Window
from schemas import crash
from schemas.config import Collector

KERNEL = 0  # index of its symbol in the schema's enum Source
HOLE_NS = 200_000_000  # records of one socket swap places by microseconds: what is missing longer is lost
NICENESS = 10  # the network functions come first: mean latency at 2,000 requests/s +24 % instead of +43 % on 2 cores
TOLD_NS = 1_000_000_000
GIVEN_BACK_S = 5  # what a crowd of connections has left, and code that only its coming ran; up to two milliseconds
FREE_BYTES = 4_194_304  # of memory between turns: what the messages of one take
GONE = 3  # exit status: the supervisor is
YOUNG_OBJECTS = 20_000  # before Python looks for cycles: messages form none, the looks cost a twentieth of the CPU


class Observer:
    """The pipeline between the ring and the channel, and what is told of it."""

    def __init__(
        self, channel: Channel, setup: Setup, window: Window, put: Callable[[Batch], None], in_avro: bool
    ) -> None:
        """Put the parts together; `put` takes the batches, of events in Avro or as tuples."""
        config = msgspec.json.decode(setup.collector, type=Collector)
        self._channel = channel
        self._put = put
        self._workloads = AskedWorkload(channel)
        turn = Turn()
        self.source = KernelSource(window, config.consume_ms, self._workloads.of, tell_flow=self._tell_flow, turn=turn)
        source = self.source
        self._seer = Seer(setup.site, setup.node, source.incarnation, source.boot_id, source.clock_ns)
        bounds = Bounds(max_connections=config.max_connections, hole_ns=HOLE_NS, repeats_are_races=True)
        self._connections = Connections(limits(config), bounds)
        first = BatchHeader(setup.site, setup.node, 0, self.source.incarnation, 1, 0, KERNEL, final=False, loss={})
        rules = BatchRules(max_events=config.batch_events, interval_ms=config.batch_ms)
        pseudonyms = Pseudonyms(setup.pseudonym_key, config.pseudonym_key_id, plmns_of(config.plmns))
        self._meaning = meaning = Meaning(pseudonyms, config.capture_bodies)
        batcher = Batcher(first, rules)
        event = meaning.octets if in_avro else meaning.event
        self._pipeline = Pipeline(self._connections, event, batcher, self._take, meaning.losses, turn.pieces)
        self.code: list[c_memory.Place] = []  # pages of it that may be let go of again
        self._events = self._batches = self._watermark_us = self._told_ns = self._seconds = 0

    def run(self) -> None:
        """Observe until told to stop; then what is open ends and the final batch leaves. Raises Closed."""
        self.source.run(self._connections, self._tick)
        self._pipeline.finish(self.source.now_ns)
        self._tell()

    def _tick(self, now_ns: int) -> None:
        self._listen()
        self._pipeline.tick(now_ns)
        if now_ns - self._told_ns >= TOLD_NS:
            self._told_ns = now_ns
            self._tell()
            self._seconds += 1
            if self._seconds % GIVEN_BACK_S == 0:
                c_memory.give_back()
                c_memory.let_go(self.code)

    def _listen(self) -> None:
        while (message := self._channel.receive()) is not None:
            if isinstance(message, Stop):
                self.source.stop()
            elif isinstance(message, Loss):
                self._connections.counters.by_reason.update(message.by_reason)
            elif isinstance(message, Answer) and (caller := self._workloads.late(message)) is not None:
                self.source.attribute(caller, message.workload)

    def _tell_flow(self, record: bytes, verdict: int) -> None:
        head, moved = head_of(record)._replace(verdict=verdict), moved_of(record)
        self._channel.send(flow_of(self._seer, head, moved, self._workloads.of(caller_of(head))))

    def _take(self, batch: Batch) -> None:
        self._batches += 1
        self._events += len(batch.events)
        self._watermark_us = batch.header.watermark_us
        self._put(batch)

    def _tell(self) -> None:
        if self._workloads.unanswered:
            self._connections.traffic.by_reason["workloads_unanswered"] = self._workloads.unanswered
        loss = {**self._connections.counters.by_reason, **self._meaning.losses()}
        traffic = self._connections.traffic.by_reason
        open_now = len(self._connections)
        self._channel.send(Figures(loss, traffic, open_now, self._events, self._batches, self._watermark_us))


def limits(config: Collector) -> Limits:
    """Return the observer's bounds as configured."""
    return Limits(
        max_streams=config.max_streams, max_header_bytes=config.max_header_bytes, body_bytes=config.body_bytes
    )


def confine(empty: str) -> tuple[str, ...]:
    """Give up every right for good, most system calls last; return what confines this process."""
    privilege.forbid_gain()
    privilege.become_nobody()
    left = namespaces.leave(empty)
    privilege.drop()
    os.nice(max(0, NICENESS - os.nice(0)))  # a successor's parent is nice by then
    filtered = ("system_calls",) if seccomp.restrict() else ()
    return ("no_new_privs", "no_capabilities", "no_core", *(f"namespace_{name}" for name in left), *filtered)


def main() -> None:
    """Serve one supervisor until it says Stop (status 0) or is gone."""
    crash.tell_no_texts()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # of a terminal, for all its processes: the supervisor decides
    importlib.import_module("collector.http1")  # met late else, when there are no files any more
    link = socket.socket(fileno=int(sys.argv[1]))
    word, given, _, _ = socket.recv_fds(link, 1, len(MAPS))  # the probes may take their time to load
    if not word:
        sys.exit(GONE)
    descriptors = dict(zip(MAPS, given, strict=True))
    channel = Channel(link)
    try:
        setup = channel.receive(10.0)
        if not isinstance(setup, Setup):
            sys.exit(GONE)
        window = Window(descriptors, setup.ring_bytes)
        for descriptor in descriptors.values():
            os.close(descriptor)
        observer = Observer(channel, setup, window, sink(channel, sys.argv[3:]), in_avro=not sys.argv[3:])
        time.localtime()  # reads its file once
        gc.collect()
        gc.freeze()  # what is there by now stays for good
        c_memory.give_back()
        c_memory.keep_free(FREE_BYTES)
        observer.code = c_memory.let_go_of_code()
        confined = confine(sys.argv[2])
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        channel.send(Ready(observer.source.incarnation, confined))
        observer.run()
    except Closed:
        sys.exit(GONE)


def sink(channel: Channel, lines: list[str]) -> Callable[[Batch], None]:
    """Return where batches go: to the supervisor, or as JSON lines to a descriptor."""
    if not lines:
        return lambda batch: channel.send(delivery_of(batch))
    descriptor = int(lines[0])

    def write(data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]

    return JsonLines(write).put
