"""The figures of a worker in Prometheus' text format 0.0.4: names, units and types by Prometheus' custom."""

import os
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streams.runtime.figures import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def _started_s() -> float:
    """Return when this process started: proc(5) counts from the boot (of /proc nothing but our own is needed)."""
    since_boot_s = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / TICKS_PER_S
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot_s


STARTED_S = _started_s()  # once: computed anew it would differ by microseconds, and look like a restart


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a stage; `per_ms`: the figure is in milliseconds, the sample in seconds."""

    field: str
    name: str
    kind: str
    text: str
    per_ms: bool = False


METRICS = (
    Metric("messages", "messages_total", "counter", "Messages taken, ticks among them."),
    Metric("ticks", "ticks_total", "counter", "Ticks appended to idle partitions."),
    Metric("repeats", "repeats_total", "counter", "Messages that came again and were passed over."),
    Metric("quarantined", "quarantined_total", "counter", "Messages and rows that could not be read or stored."),
    Metric("lost", "lost_messages_total", "counter", "Messages that retention took before they were read."),
    Metric("checkpoints", "checkpoints_total", "counter", "Checkpoints committed."),
    Metric("commits_refused", "commits_refused_total", "counter", "Commits that the group did not take."),
    Metric("store_failures", "store_failures_total", "counter", "Inserts that ClickHouse did not take, tried again."),
    Metric("stopped", "stopped", "gauge", "1 while the sink can store nothing of what comes and waits to be mended."),
    Metric("started_ms", "start_time_seconds", "gauge", "When the stage was made.", per_ms=True),
    Metric("checkpoint_ms", "last_checkpoint_time_seconds", "gauge", "When a checkpoint was last committed.", True),
    Metric(
        "checkpoint_age_ms",
        "checkpoint_age_seconds",
        "gauge",
        "Age of the oldest checkpoint behind what was taken.",
        True,
    ),
    Metric("state_bytes", "checkpoint_bytes", "gauge", "Octets of the last checkpoints of all partitions held."),
    Metric("lag", "lag_messages", "gauge", "Messages of the partitions held that were not taken yet."),
    Metric("append_delay_ms", "append_delay_seconds", "gauge", "Append to take, of the last message.", per_ms=True),
    Metric("watermark_delay_ms", "watermark_delay_seconds", "gauge", "Age of the oldest collector's promise.", True),
)
LABELLED = (
    ("sent", "topic", "sent_messages_total", "counter", "Messages sent, by output topic."),
    ("held", "what", "held", "gauge", "What the folds keep open now."),
    ("counted", "what", "counted_total", "counter", "What the folds counted in this process."),
)


def exposition(stages: list[Figures]) -> str:
    """Return the figures of all stages in a process, and what the process itself uses."""
    lines = [*_process()]
    for metric in METRICS:
        lines += _head(f"sbiscope_stage_{metric.name}", metric.kind, metric.text)
        lines += _plain(metric, stages)
    lines += _head("sbiscope_stage_partitions", "gauge", "Input partitions held.")
    lines += [f'sbiscope_stage_partitions{{stage="{one.stage}"}} {len(one.partitions)}' for one in stages]
    for field, label, name, kind, text in LABELLED:
        lines += _head(f"sbiscope_stage_{name}", kind, text)
        for one in stages:
            for key, value in sorted(getattr(one, field).items()):
                shown = re.sub(r"[^A-Za-z0-9_.-]", "_", key)
                lines.append(f'sbiscope_stage_{name}{{stage="{one.stage}",{label}="{shown}"}} {value}')
    return "\n".join([*lines, ""])


def _plain(metric: Metric, stages: list[Figures]) -> Iterator[str]:
    for one in stages:
        value = getattr(one, metric.field)
        if value is not None:
            shown = f"{value / 1_000:.3f}" if metric.per_ms else value
            yield f'sbiscope_stage_{metric.name}{{stage="{one.stage}"}} {shown}'


def _process() -> Iterator[str]:
    """Give what Prometheus' own clients tell of every process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    yield from _head("process_cpu_seconds_total", "counter", "CPU time, user and system.")
    yield f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:.3f}"
    yield from _head("process_resident_memory_bytes", "gauge", "Resident memory.")
    yield f"process_resident_memory_bytes {resident}"
    yield from _head("process_start_time_seconds", "gauge", "When the process started.")
    yield f"process_start_time_seconds {STARTED_S:.2f}"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
