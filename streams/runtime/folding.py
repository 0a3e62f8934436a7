"""How a fold runs as a stage: offsets admitted, rows shipped in order, states kept, idle partitions ticked."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from schemas.topics import QUARANTINE
from streams.fold import Facts, Fold, Holding, Jump
from streams.reframe import Malformed
from streams.runtime.admission import admitted
from streams.runtime.figures import Figures, add, now_ms
from streams.runtime.keeper import Keeper
from streams.runtime.link import Broken, Link, Message
from streams.runtime.outbox import Outbox
from streams.runtime.quarantine import quarantined
from streams.runtime.reader import Reader
from streams.runtime.snapshot import Snapshot
from streams.runtime.writers import Writers

GATHER_S = 0.1
TICK_S = 1.0
REVOKE_S = 3.0  # others wait for us meanwhile
IN_FLIGHT_BYTES = 33_554_432  # sent and not delivered: then nothing more is taken
DUMP_SHARE = 20  # a state that takes long to write is written less often: at most this part of the time
FRESH_S = 3_600.0  # a state is written anew long before retention takes it


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folding stage is: `outputs` gives its output topics' partitions, `marks` what stands before their bodies.

    `ticks`: the fold wants to hear of time passing where nothing arrives.
    """

    stage: str
    topic: str
    fold: Callable[[Facts], Fold]
    outputs: Mapping[str, int]
    marks: Mapping[str, bytes]
    ticks: bool
    checkpoint_s: float


@dataclass(slots=True, eq=False)
class Part:
    """One input partition in our hands; dead once it is revoked: nothing of it may be committed any more."""

    partition: int
    fold: Fold
    outbox: Outbox
    next: int = 0
    quarantined: int = 0
    lost: int = 0
    dead: bool = False
    kept_next: int = 0
    kept_at: float = field(default_factory=time.monotonic)  # when keeping it was last begun
    committed_at: float = field(default_factory=time.monotonic)
    kept_bytes: int = 0
    dump_s: float = 0.0
    keeping: bool = False
    counts_before: dict[str, int] = field(default_factory=dict)  # the fold's when we took it over
    flights: set[asyncio.Future[int]] = field(default_factory=set)
    shipping: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def counted(self) -> dict[str, int]:
        """What the fold counted in our hands."""
        return {name: count - self.counts_before.get(name, 0) for name, count in self.fold.counts.items()}


class Folding:
    """A stage that runs one fold per input partition."""

    def __init__(self, plan: Plan, reader: Reader, writers: Writers, fail: Callable[[BaseException], None]) -> None:
        """`fail` ends the process: it is called where no caller could hear an exception."""
        self.figures = Figures(plan.stage, started_ms=now_ms())
        self._plan = plan
        self._reader = reader
        self._writers = writers
        self._fail = fail
        self._parts: dict[int, Part] = {}
        self._heard: dict[int, float] = {}  # when a partition last gave a message, or we appended a tick
        self._counted: dict[str, int] = {}  # by folds that were taken from us since
        self._in_flight = 0
        self._landed = asyncio.Event()
        self._epoch = 0  # counts revocations
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, link: Link) -> None:
        """Ship each tenth of a second, check-point and tick when due."""
        self._link = link
        self._keeper = Keeper(self._plan.stage, self._plan.outputs, link, self._reader)
        while not self._ending:
            await asyncio.sleep(GATHER_S)
            for part in list(self._parts.values()):
                if part.outbox.rows:
                    await self._ship(part)
                if self._due(part):
                    self._begin_keeping(part)
            if self._plan.ticks:
                await self._tick()
            self._measure()

    async def take(self, message: Message) -> None:
        """Fold one message. Raises Broken, Jump, or what the fold raised: the process must end."""
        self._heard[message.partition] = time.monotonic()
        part = self._parts.get(message.partition) or await self._load(message.partition)
        if part is None:
            return
        lost = await admitted(part.next, message, self._plan.topic, self._link, self._reader)
        if lost is None:
            self.figures.repeats += 1
            return
        opened = await self._writers.open(message.value)
        if part.dead:
            return
        bad = opened.bad
        if lost:
            part.lost += lost
            self.figures.lost += lost
            part.fold.pass_over()
        part.next = message.offset + 1
        if not bad:
            try:
                for rows in part.fold.apply(message.append_ms, opened.schema, opened.body):
                    part.outbox.add(rows)
            except Malformed as malformed:
                bad = str(malformed)
            except Jump as jump:
                raise Broken(f"{self._plan.topic} {message.partition} at {message.offset}: {jump}") from jump
        if bad:
            self._set_aside(part, message, bad)
        self.figures.messages += 1
        self.figures.append_delay_ms = now_ms() - message.append_ms
        if part.outbox.size > IN_FLIGHT_BYTES // 64:
            await self._ship(part)
        while self._in_flight > IN_FLIGHT_BYTES and not part.dead:
            self._landed.clear()
            await self._landed.wait()

    async def revoke(self) -> None:
        """Check-point, so that whoever goes on repeats nothing, and drop all states."""
        try:
            await asyncio.wait_for(self._keep_all(), REVOKE_S)
        except TimeoutError:
            pass  # the broker is away, or the session is lost: others take again what we took
        self._epoch += 1
        for part in self._parts.values():
            part.dead = True
            add(self._counted, part.counted)
        self._parts.clear()
        self._heard.clear()
        self._landed.set()

    async def finish(self) -> None:
        """Check-point every partition."""
        self._ending = True
        await self._keep_all()

    async def _keep_all(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await asyncio.gather(*(self._keep(part) for part in list(self._parts.values())))

    async def _load(self, partition: int) -> Part | None:
        """Return the state to go on from; None where the partition was taken from us meanwhile."""
        epoch = self._epoch
        snapshot = await self._keeper.load(partition)
        if self._epoch != epoch:
            return None
        part = Part(partition, self._plan.fold(Facts(partition, self._plan.outputs)), self._outbox(partition))
        if snapshot is not None:
            part.fold.load(snapshot.state)
            part.next = part.kept_next = snapshot.offset
            part.quarantined, part.lost = snapshot.quarantined, snapshot.lost
            part.counts_before = dict(part.fold.counts)
        self._parts[partition] = part
        return part

    def _outbox(self, partition: int) -> Outbox:
        return Outbox(partition, self._plan.marks)

    def _set_aside(self, part: Part, message: Message, reason: str) -> None:
        part.quarantined += 1
        self.figures.quarantined += 1
        plan = self._plan
        partitions = plan.outputs[QUARANTINE]
        part.outbox.add(quarantined(plan.stage, plan.topic, message, part.quarantined, reason, partitions))

    async def _ship(self, part: Part) -> None:
        """Send what has been gathered. One at a time does so for a partition: its rows leave in order."""
        async with part.shipping:
            try:
                for one in part.outbox.take():
                    flight = asyncio.ensure_future(await self._link.send(one.topic, one.partition, one.key, one.value))
                    size = len(one.value)
                    self._in_flight += size
                    part.flights.add(flight)
                    flight.add_done_callback(partial(self._land, part, size))
                    self.figures.sent[one.topic] = self.figures.sent.get(one.topic, 0) + 1
            except BaseException:
                part.dead = True  # rows were taken and not sent: no state that knows them may be committed
                raise

    def _land(self, part: Part, size: int, flight: "asyncio.Future[int]") -> None:
        self._in_flight -= size
        part.flights.discard(flight)
        self._landed.set()
        if flight.cancelled():
            return
        error = flight.exception()
        if error is not None:
            self._fail(Broken(f"Kafka did not take rows of {self._plan.stage}: {error!r}"))

    def _due(self, part: Part) -> bool:
        if part.keeping or part.dead:
            return False
        age = time.monotonic() - part.kept_at
        if part.next == part.kept_next:
            return age >= FRESH_S
        return age >= max(self._plan.checkpoint_s, part.dump_s * DUMP_SHARE)

    def _begin_keeping(self, part: Part) -> None:
        part.keeping = True
        task = asyncio.ensure_future(self._keep(part))
        self._tasks.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _keep(self, part: Part) -> None:
        """Check-point: the state as of now; all rows before it delivered; the state written; its place committed."""
        part.keeping = True
        part.kept_at = begun = time.monotonic()
        snapshot = Snapshot(part.next, part.fold.dump(), part.quarantined, part.lost, dict(self._plan.outputs))
        part.dump_s = time.monotonic() - begun
        await self._ship(part)
        if part.flights:
            await asyncio.wait(set(part.flights))
        if await self._keeper.keep({part.partition: snapshot}, lambda _: not part.dead):
            part.kept_next, part.kept_bytes = snapshot.offset, len(snapshot.state)
            part.committed_at = time.monotonic()
            self.figures.checkpoints += 1
            self.figures.checkpoint_ms = now_ms()
        elif not part.dead:
            self.figures.commits_refused += 1
        part.keeping = False

    async def _tick(self) -> None:
        """Append a tick to each partition that was silent for a second; it comes back as a message."""
        now = time.monotonic()
        for partition in self._link.assigned():
            if now - self._heard.setdefault(partition, now) >= TICK_S:
                self._heard[partition] = float("inf")
                self.figures.ticks += 1
                delivered = await self._link.send(self._plan.topic, partition, None, b"")
                asyncio.ensure_future(delivered).add_done_callback(self._ticked)

    def _ticked(self, flight: "asyncio.Future[int]") -> None:
        if not flight.cancelled() and (error := flight.exception()) is not None:
            self._fail(Broken(f"Kafka did not take a tick: {error!r}"))

    def _measure(self) -> None:
        figures, now = self.figures, time.monotonic()
        parts = self._parts.values()
        figures.partitions = sorted(self._link.assigned())
        behind = (now - part.committed_at for part in parts if part.next != part.kept_next)
        figures.checkpoint_age_ms = int(max(behind, default=0) * 1_000)
        figures.state_bytes = sum(part.kept_bytes for part in parts)
        ends = ((part.next, self._link.log_end(part.partition)) for part in parts)
        figures.lag = sum(max(0, end - taken) for taken, end in ends if end is not None)
        figures.counts, figures.counted = {}, dict(self._counted)
        for part in parts:
            add(figures.counts, part.fold.counts)
            add(figures.counted, part.counted)
        self._measure_held()

    def _measure_held(self) -> None:
        found = [part.fold.held() for part in self._parts.values() if isinstance(part.fold, Holding)]
        self.figures.held = {}
        for one in found:
            add(self.figures.held, dict(one.items))
        promises = [one.watermark_us for one in found if one.watermark_us is not None]
        self.figures.watermark_delay_ms = max(0, now_ms() - min(promises) // 1_000) if promises else None
