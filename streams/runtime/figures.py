"""What a worker tells of itself: counters and gauges of its stages, as Prometheus text or as JSON."""

import json
import os
import re
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Figures:
    """One stage's figures in this process; times in milliseconds of the wall clock. Counters begin with the process."""

    stage: str
    started_ms: int = 0
    partitions: list[int] = field(default_factory=list)
    messages: int = 0  # taken, ticks among them
    ticks: int = 0  # appended by us
    sent: dict[str, int] = field(default_factory=dict)  # messages, by output topic
    repeats: int = 0  # messages that came again
    quarantined: int = 0
    lost: int = 0  # messages that retention took before they were read
    checkpoints: int = 0
    commits_refused: int = 0
    checkpoint_ms: int = 0  # when the last one was committed
    checkpoint_age_ms: int = 0  # of the oldest partition
    state_bytes: int = 0  # of all partitions held, as of their last checkpoints
    lag: int = 0  # messages not taken yet, of all partitions held
    append_delay_ms: int = 0  # from append time to now, of the last message taken
    counts: dict[str, int] = field(default_factory=dict)  # what the folds count

    def as_json(self) -> dict[str, object]:
        """Return all figures by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


GAUGES = frozenset({"checkpoint_age_ms", "state_bytes", "lag", "append_delay_ms", "started_ms", "checkpoint_ms"})


def as_json(stages: list[Figures]) -> str:
    """Return the figures of all stages in a process as one JSON text."""
    return json.dumps({"written_ms": now_ms(), "process_id": os.getpid(), "stages": [one.as_json() for one in stages]})


def as_prometheus(stages: list[Figures]) -> str:
    """Return the figures of all stages in Prometheus' text format (version 0.0.4)."""
    samples: dict[str, list[str]] = {}
    for one in stages:
        for name, value in one.as_json().items():
            if isinstance(value, int):
                _sample(samples, name, one.stage, "", value)
        _sample(samples, "partitions_held", one.stage, "", len(one.partitions))
        for topic, count in one.sent.items():
            _sample(samples, "sent", one.stage, f',topic="{topic}"', count)
        for name, count in one.counts.items():
            _sample(samples, "fold", one.stage, f',name="{re.sub("[^A-Za-z0-9_]", "_", name)}"', count)
    lines: list[str] = []
    for name, found in samples.items():
        kind = "gauge" if name in GAUGES or name in {"partitions_held", "fold"} else "counter"
        lines += [f"# TYPE {_name(name, kind)} {kind}", *(f"{_name(name, kind)}{sample}" for sample in found)]
    return "\n".join([*lines, ""])


def _name(name: str, kind: str) -> str:
    return f"sbiscope_stage_{name}{'_total' if kind == 'counter' else ''}"


def _sample(samples: dict[str, list[str]], name: str, stage: str, labels: str, value: int) -> None:
    samples.setdefault(name, []).append(f'{{stage="{stage}"{labels}}} {value}')
