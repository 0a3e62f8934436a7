"""The place that knows Faust (streams.runtime.fetched is its consumer): an app whose only agent hands over messages.

Faust 0.15.3 is used for membership and fetching; what a stage sends leaves through the process's sender. Faust
acknowledges nothing: its own acknowledgements commit past messages that are still held, and `on_partitions_assigned`
is no barrier, so the stage loads a partition's state when the partition's first message comes, and commits by itself.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import ensure_aiokafka_TP
from faust.types import TP

from schemas.config import Kafka
from schemas.kafka import has_sasl, tls_context
from schemas.topics import MESSAGE_BYTES
from streams.runtime.fetched import POLLED, POLLED_LARGE, READ_AHEAD, AsItIs, WholePolls
from streams.runtime.link import Broken, Commit, Message, Stage
from streams.runtime.sender import Sender

REQUEST_S = 120.0
SESSION_S = 10.0
HEARTBEAT_S = 1.0
FINISH_S = 15.0
NEVER_S = 1e9
TURN_S = 0.005  # then others have theirs; one takes 20 us
PATIENCE_S = 2e6  # the sink may hold a message for as long as ClickHouse is away; in milliseconds it must fit 31 bits


@dataclass(frozen=True, slots=True)
class Membership:
    """A worker's place among the others: `group` without prefix; `instance` names it across restarts, empty: unnamed.

    A named worker that comes back within the session keeps its partitions, and nobody else is disturbed. `topic` is
    its input.
    """

    group: str
    instance: str
    topic: str


class Worker:
    """Runs one stage on one Faust app."""

    def __init__(
        self,
        kafka: Kafka,
        bootstrap: str,
        membership: Membership,
        stage: Stage,
        sender: Sender,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Call inside the event loop; `fail` ends the process."""
        self._prefix = kafka.topic_prefix
        self._stage = stage
        self._sender = sender
        self._fail = fail
        self._input = self._prefix + membership.topic
        self._app = _app(kafka, bootstrap, self._prefix, membership)
        self._app.on_partitions_revoked.connect(self._revoked)
        self._app.agent(self._app.topic(self._input, schema=AsItIs(), acks=False), name="take")(self._take)
        self._running: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Join the group. Raises KafkaError where the brokers are away."""
        self._app.consumer.on_buffer_full = _go_on
        await self._app.start()
        self._running = asyncio.ensure_future(self._run())
        self._running.add_done_callback(self._ended)
        asyncio.ensure_future(self._watch()).add_done_callback(self._ended)

    async def stop(self) -> None:
        """Finish the stage and leave the group, within bounded time."""
        self._app.consumer.stop_flow()
        try:
            await asyncio.wait_for(self._stage.finish(), FINISH_S)
        finally:
            await asyncio.wait_for(self._app.stop(), FINISH_S)

    async def committed(self, partition: int) -> Commit | None:
        """Return what the group committed of an input partition."""
        place = self._place(partition)
        coordinator = self._consumer()._coordinator  # noqa: SLF001 (its public form drops the metadata)
        found = (await self._in_thread(coordinator.fetch_committed_offsets, [place])).get(place)
        return None if found is None or found.offset < 0 else Commit(found.offset, found.metadata or "")

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        """Commit by partition; false where the group has moved on or its coordinator is away."""
        offsets = {
            self._place(one): OffsetAndMetadata(commit.offset, commit.pointer) for one, commit in commits.items()
        }
        try:
            await self._in_thread(self._consumer().commit, offsets)
        except KafkaError:
            return False
        return True

    async def log_start(self, partition: int) -> int:
        """Return the first offset of the input partition that the log still has."""
        place = self._place(partition)
        return int((await self._in_thread(self._consumer().beginning_offsets, [place]))[place])

    async def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> Awaitable[int]:
        """Queue a message; what is returned gives its offset once it is delivered, or its failure."""
        return await self._sender.send(topic, partition, key, value)

    def assigned(self) -> frozenset[int]:
        """Return the input partitions held now."""
        try:
            return frozenset(place.partition for place in self._app.consumer.assignment())
        except ConsumerNotStarted:
            return frozenset()

    def log_end(self, partition: int) -> int | None:
        """Return the end of the input partition as the last fetch had it."""
        try:
            end = self._app.consumer.highwater(self._place(partition))
        except (ConsumerNotStarted, AssertionError, KafkaError):
            return None
        return None if end is None else int(end)

    async def _take(self, stream: Any) -> None:
        """Hand over message by message, while the group leaves them to us.

        An exception ends the process, since Faust would go on behind the message.
        """
        try:
            async for event in stream.events():
                polled, turn_s = event.value, time.monotonic()
                while polled.records and self._app.consumer.is_held(polled):
                    one = polled.records.popleft()  # what was taken is let go of; Faust holds the last event
                    await self._stage.take(Message(one.partition, one.offset, one.timestamp, one.value or b""))
                    if time.monotonic() - turn_s >= TURN_S:  # a stage may wait for nothing
                        await asyncio.sleep(0)
                        turn_s = time.monotonic()
                polled.records.clear()
        except Exception as error:  # noqa: BLE001 (whatever it is)
            self._fail(error)

    async def _revoked(self, app: Any, revoked: Any, **_: Any) -> None:  # noqa: ARG002
        await self._stage.revoke()

    async def _run(self) -> None:
        await self._stage.run(self)

    async def _watch(self) -> None:
        await self._app.wait_until_stopped()
        if self._app.crashed:
            raise Broken(f"Faust ended: {self._app.crash_reason!r}")

    def _ended(self, task: "asyncio.Future[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _place(self, partition: int) -> Any:
        return ensure_aiokafka_TP(TP(self._input, partition))

    def _consumer(self) -> Any:
        return self._app.consumer._thread._ensure_consumer()  # noqa: SLF001 (aiokafka's, which Faust wraps)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run a coroutine of aiokafka's consumer in the thread where it lives."""
        return await self._app.consumer._thread.call_thread(call, *arguments)  # noqa: SLF001


def _go_on(_: object) -> None:
    """Do nothing when the queue before the agent fills up: it holds the fetcher back as it is.

    Faust would leave the partition out, and where all are left out sleep for a second, with the agent idle.
    """


def _app(kafka: Kafka, bootstrap: str, prefix: str, membership: Membership) -> Any:
    app = faust.App(
        prefix + membership.group,
        broker=[f"kafka://{server.strip()}" for server in bootstrap.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=SESSION_S,
        broker_rebalance_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=REQUEST_S,
        broker_max_poll_interval=PATIENCE_S,
        broker_max_poll_records=POLLED_LARGE.get(membership.topic, POLLED),
        broker_commit_interval=NEVER_S,
        broker_commit_livelock_soft_timeout=NEVER_S,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MESSAGE_BYTES,
        consumer_group_instance_id=membership.instance or None,
        stream_wait_empty=False,  # True stops the group for ever at the first rebalance
        stream_buffer_maxsize=READ_AHEAD,
        stream_processing_timeout=NEVER_S,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        store="memory://",
        datadir=tempfile.gettempdir(),
    )
    app.transport.Consumer = WholePolls
    return app


def _credentials(kafka: Kafka) -> Any:
    context = tls_context(kafka)
    if has_sasl(kafka):
        names = {"username": kafka.sasl_username, "password": kafka.sasl_password}
        return faust.SASLCredentials(**names, ssl_context=context, mechanism=kafka.sasl_mechanism)
    return None if context is None else faust.SSLCredentials(context)
