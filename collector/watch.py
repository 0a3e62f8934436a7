"""What the supervisor does each second: weigh what the agent costs, back off, tell how it fares every ten seconds."""

import os
import platform
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from collector import c_memory, reasons
from collector.agent_status import AgentStatus, delivery_of
from collector.backoff import STEPS, BackOff
from collector.delivery import Delivery
from collector.message import Counters
from collector.record import COPY_AT_MOST, FLOW_MINUTE, ONE_IN, TLS_OFF
from collector.supervisor import Supervisor
from collector.usage import Usage, node_time, usage_of
from collector.window import Dials

TOLD_S = 10.0
STALE_S = 10.0  # an observer that has not told its figures for so long is not well
MINUTE_S = 60
RING_FULL = frozenset({"ring_full_small", "ring_full_medium", "ring_full_large", "ring_full_chunk"})
NO_TLS = "TLS is followed no more: what kept its attacher was ended, and its right with it; start the agent again"
RELEASE = re.compile(r"sbiscope-([^-]+)\.dist-info")


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while the agent runs."""

    site: str
    node: str
    hook: str
    mapped_bytes: int
    started_us: int
    release: str


class Watch:
    """Called once a second."""

    def __init__(
        self,
        about: About,
        supervisor: Supervisor,
        dials: Dials,
        backoff: BackOff,
        behind: Counters,
        met: Counters,
        tell: Callable[[Delivery], None] | None,
        delivered: Callable[[], tuple[int, int]],
        pods: Callable[[], int],
        attaching: Callable[[], list[int]],
        has_lost_tls: Callable[[], bool],
        with_flows: bool,
    ) -> None:
        """`behind` and `met`: what the supervisor counted itself, loss and no loss.

        `tell` takes the record for Kafka, `delivered` returns acknowledged events and messages. `attaching` returns who
        follows TLS; `has_lost_tls`: it was followed, and cannot be any more.
        """
        self._about = about
        self._supervisor = supervisor
        self._dials = dials
        self._backoff = backoff
        self._behind = behind
        self._met = met
        self._tell = tell
        self._delivered = delivered
        self._pods = pods
        self._attaching = attaching
        self._has_lost_tls = has_lost_tls
        self._is_without_tls = False
        self._figures = supervisor.seen.figures
        self._is_losing = False
        self._with_flows = with_flows and tell is not None
        self._cpu_us: dict[int, int] = {}  # by process
        self._node_time = node_time()
        self._is_full = False
        self._looked_s = time.monotonic()
        self._told_s = self._looked_s - TOLD_S
        self._usage: dict[str, Usage] = {}

    def second(self, now_s: float) -> None:
        """Do what is due."""
        before = self._cpu_us
        self._cpu_us = self._look()
        node = node_time()
        self._is_full, self._node_time = node.is_full_since(self._node_time), node
        if self._cpu_us.keys() == before.keys() and now_s > self._looked_s:  # else an observer was replaced
            cpu = (sum(self._cpu_us.values()) - sum(before.values())) / 1e6 / (now_s - self._looked_s)
            self._back_off(cpu, sum(usage.rss_bytes for usage in self._usage.values()))
        self._looked_s = now_s
        if not self._is_without_tls and self._has_lost_tls():
            self._is_without_tls = True
            self._behind.add(reasons.KEEPER_DEATHS)
            print(f"sbiscope: {NO_TLS}", file=sys.stderr, flush=True)
        if self._with_flows:
            self._dials.control(FLOW_MINUTE, int(now_s) // MINUTE_S + 1)
        if now_s - self._told_s >= TOLD_S:
            self._told_s = now_s
            c_memory.give_back()  # what waited for Kafka in a crowded moment
            if self._tell is not None:
                self._tell(delivery_of(self.status()))

    def status(self) -> AgentStatus:
        """Return how the agent fares now."""
        about, seen = self._about, self._supervisor.seen
        events, messages = self._delivered()
        return AgentStatus(
            about.site,
            about.node,
            seen.incarnation,
            about.started_us,
            time.time_ns() // 1_000,
            about.release,
            platform.release(),
            about.hook,
            seen.confined,
            seen.deaths + 1,
            self._backoff.step,
            STEPS[self._backoff.step].text,
            seen.figures.connections,
            self._pods(),
            seen.figures.events,
            seen.figures.batches,
            events,
            messages,
            seen.figures.watermark_us,
            {name: usage.cpu_us for name, usage in self._usage.items()},
            {name: usage.rss_bytes for name, usage in self._usage.items()},
            {**seen.figures.loss, **self._behind.by_reason},
            {**seen.figures.traffic, **self._met.by_reason},
        )

    def ailment(self) -> str:
        """Return what is wrong, "" for nothing."""
        silent_s = time.monotonic() - self._supervisor.seen.heard_s
        if silent_s > STALE_S:
            return f"the observer has said nothing for {silent_s:.0f} s"
        return NO_TLS if self._is_without_tls else ""

    def _look(self) -> dict[int, int]:
        """Take note of what each process uses, those that live; return the CPU time of each by its number."""
        own, child = os.getpid(), self._supervisor.child.process_id
        found = {own: usage_of(own), child: usage_of(child, self._about.mapped_bytes)}
        found |= {process: usage_of(process) for process in self._attaching()}
        used = {process: usage for process, usage in found.items() if usage is not None}
        names = {own: "supervisor", child: "observer"}
        self._usage = {}
        for process, usage in used.items():
            name = names.get(process, "attacher")
            before = self._usage.get(name, Usage())
            self._usage[name] = Usage(before.cpu_us + usage.cpu_us, before.rss_bytes + usage.rss_bytes)
        return {process: usage.cpu_us for process, usage in used.items()}

    def _back_off(self, cpu: float, memory_bytes: int) -> None:
        taken = self._backoff.taken
        step = self._backoff.second(cpu, memory_bytes, self._losing(), self._is_full)
        self._dials.control(COPY_AT_MOST, step.copied_bytes)
        self._dials.control(ONE_IN, step.one_in)
        self._dials.control(TLS_OFF, step.is_tls_off)
        if self._backoff.taken > taken:
            self._behind.add("backoff_steps")

    def _losing(self) -> bool:
        """Tell whether the ring had no room for a record, by the observer's last word: on a full machine it is late."""
        figures = self._supervisor.seen.figures
        if figures is not self._figures:
            self._is_losing = full(figures.loss) > full(self._figures.loss)
            self._figures = figures
        return self._is_losing


def full(loss: dict[str, int]) -> int:
    """Return how many records the ring had no room for."""
    return sum(amount for reason, amount in loss.items() if reason in RING_FULL)


def release() -> str:
    """Return this program's release, by the name of what was installed (PEP 376); while its files can be read.

    importlib.metadata takes a tenth of a second for it.
    """
    for place in filter(None, sys.path):
        with suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208 (names are enough)
                if found := RELEASE.fullmatch(name):
                    return found[1]
    return "unreleased"
