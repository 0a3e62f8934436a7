"""How the sink runs as a stage: messages gathered over all partitions, stored as one block, committed behind it.

One block is being stored while the next one gathers, and nothing more is taken: however long ClickHouse is away, the
rows wait in Kafka. Where nothing of a block can be stored, though ClickHouse is there, the sink stops and says so by an
alert; it tries again each minute, and all other stages go on.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from schemas.refusal import Refusal
from streams.runtime.admission import admitted
from streams.runtime.alarms import Alarms
from streams.runtime.figures import Figures, add, now_ms
from streams.runtime.keeper import Keeper
from streams.runtime.link import Broken, Link, Message
from streams.runtime.quarantine import quarantined
from streams.runtime.reader import Reader
from streams.runtime.snapshot import Snapshot
from streams.runtime.writers import Opened, Writers
from streams.sink import Block, Gathering, Poisoned, Store, Target
from streams.store import insist

LOOK_S, IDLE_S = 0.05, 0.25  # between two looks at the clock, while rows wait and while none do
BLOCK_BYTES = 67_108_864
AHEAD = 4  # blocks gathered as one while another is being stored: a large one costs less a row
AGAIN_S = 60.0  # a sink that stopped tries again
FRESH_S = 3_600.0  # a state is written anew long before retention takes it
LOG = logging.getLogger("sbiscope")


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """What a sink is: a block leaves at `rows`, or `seconds` after its first message.

    `server`: whom it stores at, as an outage names it. `alerts`, `alert_mark`: partitions of the topics of alerts, and
    what stands before an alert in Avro.
    """

    target: Target
    store: Store
    rows: int
    seconds: float
    quarantine_partitions: int
    quarantine_mark: bytes
    alerts: Mapping[str, int]
    alert_mark: bytes
    server: str = "ClickHouse"


@dataclass(slots=True)
class Leaving:
    """A block on its way, the bad messages met while it gathered and, if stored, in it; when its messages came."""

    block: Block
    bad: list[Poisoned]
    epoch: int
    append_ms: dict[tuple[int, int], int]


class Sinking:
    """A stage that stores what it reads."""

    def __init__(self, plan: SinkPlan, reader: Reader, writers: Writers, fail: Callable[[BaseException], None]) -> None:
        """`fail` ends the process: it is called where no caller could hear an exception."""
        self.figures = Figures(plan.target.stage, started_ms=now_ms())
        self._plan = plan
        self._reader = reader
        self._writers = writers
        self._fail = fail
        self._gathering = Gathering(plan.target)
        self._bad: list[Poisoned] = []
        self._append_ms: dict[tuple[int, int], int] = {}  # of what is gathered, for the quarantine
        self._next: dict[int, int] = {}
        self._kept: dict[int, Snapshot] = {}  # as last committed or loaded
        self._kept_at: dict[int, float] = {}
        self._since: float | None = None  # when the first message of the block came
        self._storing = asyncio.Lock()
        self._settling = asyncio.Lock()  # what is kept of a partition changes step by step, whoever stores meanwhile
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()
        self._epoch = 0
        self._ending = False

    async def run(self, link: Link) -> None:
        """Store blocks when they are due."""
        self._link = link
        self._keeper = Keeper(self._plan.target.stage, {}, link, self._reader)
        self._alarms = Alarms(self._plan.target.stage, self._plan.alerts, self._plan.alert_mark, link)
        idle_s = max(LOOK_S, min(IDLE_S, self._plan.seconds / 4))
        while not self._ending:
            await asyncio.sleep(LOOK_S if self._since is not None else idle_s)
            if not self._storing.locked():
                if self._since is not None and self._due(time.monotonic() - self._since):
                    self._begin_storing()
                else:
                    await self._refresh()
            self._measure()

    async def take(self, message: Message) -> None:
        """Gather one message, waiting while there is enough for the next block. Raises Broken: the process must end."""
        epoch, partition = self._epoch, message.partition
        while self._full(AHEAD) and not self._ending:
            self._gone.clear()
            await self._gone.wait()
        if self._epoch != epoch or (partition not in self._next and not await self._load(partition)):
            return
        lost = await admitted(self._next[partition], message, self._plan.target.topic, self._link, self._reader)
        if lost is None:
            self.figures.repeats += 1
            return
        opened = await self._writers.open(message.value)
        if self._epoch != epoch:
            return
        if lost:
            self.figures.lost += lost
            self._kept[partition] = replace(self._kept[partition], lost=self._kept[partition].lost + lost)
        self._next[partition] = message.offset + 1
        self._since = self._since or time.monotonic()
        self._append_ms[partition, message.offset] = message.append_ms
        bad = self._gather(message, opened)
        if bad:
            self._bad.append(bad)
        self.figures.messages += 1
        self.figures.append_delay_ms = now_ms() - message.append_ms

    async def revoke(self) -> None:
        """Drop what is gathered; a block that is being stored is stored, but not committed."""
        self._epoch += 1
        self._gathering.revoke()
        self._bad, self._since = [], None
        self.figures.stopped = 0
        for one in (self._append_ms, self._next, self._kept, self._kept_at):
            one.clear()
        self._gone.set()

    async def finish(self) -> None:
        """Store and commit what is gathered."""
        self._ending = True
        self._gone.set()
        await self._store()

    def _full(self, blocks: int = 1) -> bool:
        return self._gathering.rows >= blocks * self._plan.rows or self._gathering.size >= BLOCK_BYTES

    def _due(self, age_s: float) -> bool:
        return age_s >= self._plan.seconds or self._full()

    async def _load(self, partition: int) -> bool:
        """Begin or go on with a partition; false where it was taken from us meanwhile."""
        epoch = self._epoch
        snapshot = await self._keeper.load(partition) or Snapshot(0, b"")
        if self._epoch != epoch:
            return False
        self._gathering.assign(partition, snapshot.state)
        self._kept[partition] = snapshot
        self._kept_at[partition] = time.monotonic()
        self._next[partition] = snapshot.offset
        return True

    def _gather(self, message: Message, opened: Opened) -> Poisoned | None:
        partition, offset = message.partition, message.offset
        if opened.schema is not None:
            return self._gathering.take(partition, offset, message.value, opened.schema, opened.seen)
        self._gathering.advance(partition, offset)
        return Poisoned(partition, offset, message.value, opened.bad) if opened.bad else None

    def _begin_storing(self) -> None:
        task = asyncio.ensure_future(self._store())
        self._tasks.add(task)
        task.add_done_callback(self._stored)

    def _stored(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _store(self) -> None:
        """Store what is gathered, however long it takes, set its bad messages aside, commit behind both.

        One is stored at a time and one committed, in order; the next one, if full, is stored while Kafka commits.
        """
        async with self._storing:
            stored = await self._store_one()
            while self._full() and not self._ending:
                _, stored = await asyncio.gather(self._settle(stored), self._store_one())
            await self._settle(stored)

    async def _store_one(self) -> Leaving | None:
        """Return the next block, stored; None where it never could be, and is no longer ours: it comes again."""
        leaving = Leaving(self._gathering.seal(), self._bad, self._epoch, self._append_ms)
        self._bad, self._append_ms, self._since = [], {}, None
        self._gone.set()
        poisoned = await self._insist(leaving)
        if poisoned is None:
            return None
        leaving.bad += poisoned
        return leaving

    async def _settle(self, stored: Leaving | None) -> None:
        if stored is None:
            return
        async with self._settling:
            await self._set_aside(stored.bad, stored.append_ms)
            await self._commit(stored)
        rows = sum(one.rows.count for one in stored.block.messages)
        add(self.figures.counts, {"rows_stored": rows, "blocks": 1})

    async def _insist(self, leaving: Leaving) -> list[Poisoned] | None:
        """Store a block and return its bad messages; None where it never could be, and is no longer ours."""
        told = LOG.warning, self._failed, self._plan.server
        while True:
            try:
                return await insist(leaving.block, self._plan.store, *told)
            except Refusal as refusal:
                await self._stop(leaving, refusal)
            if not await self._pause(leaving):
                return None

    async def _stop(self, leaving: Leaving, refusal: Refusal) -> None:
        """Tell that nothing can be stored, once in our hands, and keep that it was told: another may clear it."""
        LOG.error("%s: %s", self._plan.target.stage, refusal)
        async with self._settling:
            self.figures.stopped = 1
            if self._epoch != leaving.epoch:
                return
            held = {one: self._kept[one] for one in leaving.block.offsets}
            raised = self._alarms.raised(held, now_ms() * 1_000)
            if raised:
                await self._keep(raised, leaving.epoch)
                await self._alarms.tell(raised, str(refusal), now_ms() * 1_000)

    async def _pause(self, leaving: Leaving) -> bool:
        """Wait for the next attempt; false where there is none."""
        until = time.monotonic() + AGAIN_S
        while time.monotonic() < until:
            if self._ending or self._epoch != leaving.epoch:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def _set_aside(self, bad: list[Poisoned], append_ms: Mapping[tuple[int, int], int]) -> None:
        target, partitions = self._plan.target, self._plan.quarantine_partitions
        flights = []
        for number, one in enumerate(bad, 1):
            message = Message(one.partition, one.offset, append_ms.get((one.partition, one.offset), 0), one.value)
            row = quarantined(target.stage, target.topic, message, number, one.reason, partitions)
            value = self._plan.quarantine_mark + row.records[0]
            flights.append(await self._link.send(row.topic, row.partition, row.keys[0], value))
        for flight in flights:
            try:
                await flight
            except Exception as error:
                raise Broken(f"Kafka did not take what {target.stage} sets aside: {error!r}") from error
        self.figures.quarantined += len(bad)

    async def _commit(self, leaving: Leaving) -> None:
        if self._epoch != leaving.epoch:
            return
        snapshots = {}
        for partition, offset in leaving.block.offsets.items():
            kept = self._kept[partition]
            aside = kept.quarantined + sum(one.partition == partition for one in leaving.bad)
            snapshots[partition] = replace(
                kept, offset=offset, state=leaving.block.states[partition], quarantined=aside
            )
        cleared = self._alarms.cleared(snapshots, now_ms() * 1_000) if leaving.block.messages else {}
        if cleared:
            await self._alarms.tell(cleared, "what comes can be stored again", now_ms() * 1_000)
        self.figures.stopped = 0
        await self._keep(snapshots | cleared, leaving.epoch)

    async def _keep(self, snapshots: Mapping[int, Snapshot], epoch: int) -> None:
        done = await self._keeper.keep(snapshots, lambda _: self._epoch == epoch)
        if self._epoch != epoch:
            return
        for partition in done:
            self._kept[partition] = snapshots[partition]
            self._kept_at[partition] = time.monotonic()
            self.figures.checkpoints += 1
            self.figures.checkpoint_ms = now_ms()
        self.figures.commits_refused += len(snapshots) - len(done)

    async def _refresh(self) -> None:
        """Write the states of idle partitions anew before retention takes them."""
        now = time.monotonic()
        old = {one: self._kept[one] for one, at in self._kept_at.items() if now - at >= FRESH_S and one in self._kept}
        if old and self._since is None:
            await self._keep(old, self._epoch)

    def _failed(self) -> None:
        self.figures.store_failures += 1

    def _measure(self) -> None:
        figures, now = self.figures, time.monotonic()
        figures.partitions = sorted(self._link.assigned())
        behind = (now - at for one, at in self._kept_at.items() if self._next[one] != self._kept[one].offset)
        figures.checkpoint_age_ms = int(max(behind, default=0) * 1_000)
        figures.state_bytes = sum(len(one.state) for one in self._kept.values())
        ends = ((taken, self._link.log_end(partition)) for partition, taken in self._next.items())
        figures.lag = sum(max(0, end - taken) for taken, end in ends if end is not None)
        figures.counts["rows_repeated"] = self._gathering.repeated
        figures.counts["rows_skipped"] = self._gathering.skipped
        figures.counted = dict(figures.counts)
        figures.held = {"rows_waiting": self._gathering.rows}
