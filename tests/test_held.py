"""What folds hold open, and what a stage counts while partitions come and go: the figures behind the metrics."""

import asyncio
from collections.abc import Awaitable, Mapping
from types import SimpleNamespace

import pytest

from streams.fold import Facts, Holding
from streams.kpi_windows import KpiWindows
from streams.runtime.folding import Folding, Part
from streams.runtime.keeper import Keeper
from streams.runtime.link import Commit
from streams.runtime.outbox import Outbox
from tests.events import request, response
from tests.kpis import Stages
from tests.stages import Scatter, job
from tests.test_pairing import Log, at


def test_pairing_tells_what_is_open_and_the_oldest_promise() -> None:
    log = Log()
    assert log.fold.held().watermark_us is None
    log.append(request(1, at(0)), request(3, at(0)), response(3, at(0.5)), upto=1)
    log.append(response(5, at(0.5)), upto=2, who="i2", node="n2")
    held = log.fold.held()
    assert (held.items["open_requests"], held.items["collectors"]) == (1, 2)
    assert held.watermark_us == at(1)
    log.append(upto=3, final=True)
    assert log.fold.held().watermark_us == at(2)  # who has ended in order holds nothing up
    assert log.fold.held().items["collectors"] == 1


def test_every_stage_of_ours_tells_what_it_holds() -> None:
    stages = Stages()
    assert isinstance(stages.windows, KpiWindows)
    assert all(isinstance(one, Holding) for one in (*stages.pairings, stages.windows))
    assert stages.windows.held().watermark_us is None


class Away:
    """A link to brokers that take states, and to a group that has moved on: it takes no commit."""

    async def committed(self, partition: int) -> Commit | None:
        return None

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        return False

    async def log_start(self, partition: int) -> int:
        return 0

    async def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> Awaitable[int]:
        async def offset() -> int:
            return 0

        return offset()

    def assigned(self) -> frozenset[int]:
        return frozenset()

    def log_end(self, partition: int) -> int | None:
        return 7


@pytest.fixture
def stage() -> Folding:
    partitions = dict.fromkeys(job("pairing").topics, 4)
    around = SimpleNamespace(partitions=partitions, reader=None, writers=None, fail=None)
    made = job("pairing").stage(around)  # type: ignore[arg-type]
    assert isinstance(made, Folding)
    made._link = Away()
    made._keeper = Keeper("pairing", made._plan.outputs, made._link, around.reader)
    return made


def hold(stage: Folding, partition: int, before: int) -> Scatter:
    """Take over a partition whose fold counted `before` numbers in other hands."""
    fold = Scatter(Facts(partition, stage._plan.outputs))
    fold.counts["numbers"] = before
    stage._parts[partition] = Part(partition, fold, Outbox(partition, {}), counts_before={"numbers": before})
    return fold


def test_a_counter_never_falls_when_partitions_come_and_go(stage: Folding) -> None:
    first, second = hold(stage, 0, 1_009), hold(stage, 1, 0)
    first.counts["numbers"] += 5
    second.counts["numbers"] += 2
    stage._measure()
    assert (stage.figures.counts["numbers"], stage.figures.counted["numbers"]) == (1_016, 7)
    asyncio.run(stage.revoke())  # nothing it keeps is committed any more
    stage._measure()
    assert (stage.figures.counts.get("numbers", 0), stage.figures.counted["numbers"]) == (0, 7)
    hold(stage, 0, 1_014).counts["numbers"] += 3  # it comes back
    stage._measure()
    assert stage.figures.counted["numbers"] == 10


def test_the_age_of_a_checkpoint_counts_only_where_something_was_taken_since(stage: Folding) -> None:
    hold(stage, 0, 0)
    part = stage._parts[0]
    part.committed_at -= 90
    stage._measure()
    assert stage.figures.checkpoint_age_ms == 0
    part.next = 3
    stage._measure()
    assert stage.figures.checkpoint_age_ms >= 90_000
    assert stage.figures.lag == 4
