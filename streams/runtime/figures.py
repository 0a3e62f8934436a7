"""What a worker counts and measures of its stages, and as JSON for `sbiscope status`."""

import json
import os
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
    store_failures: int = 0  # inserts that ClickHouse did not take; each is tried again
    stopped: int = 0  # 1: a sink that can store nothing waits for its table to be mended
    checkpoint_ms: int = 0  # when the last one was committed
    checkpoint_age_ms: int = 0  # of the oldest checkpoint that messages were taken after
    state_bytes: int = 0  # of all partitions held, as of their last checkpoints
    lag: int = 0  # messages not taken yet, of all partitions held
    append_delay_ms: int = 0  # from append time to now, of the last message taken
    watermark_delay_ms: int | None = None  # from the oldest promise of a living collector to now; None: there is none
    held: dict[str, int] = field(default_factory=dict)  # what the folds keep open now, by name
    counts: dict[str, int] = field(default_factory=dict)  # what the folds have counted since their first message
    counted: dict[str, int] = field(default_factory=dict)  # of that, since this process took them over

    def as_json(self) -> dict[str, object]:
        """Return all figures by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


def as_json(stages: list[Figures]) -> str:
    """Return the figures of all stages in a process as one JSON text."""
    return json.dumps({"written_ms": now_ms(), "process_id": os.getpid(), "stages": [one.as_json() for one in stages]})


def add(counts: dict[str, int], more: dict[str, int]) -> None:
    """Add `more` to `counts`, name by name."""
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
