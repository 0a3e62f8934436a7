"""A worker process: some stages, each with its own group and Faust app, from the first contact to the orderly end."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confluent_kafka.admin import AdminClient

from schemas.config import Kafka
from schemas.kafka_contact import topics_of
from schemas.refusal import Refusal
from schemas.refused_contact import Heard, rights_advice
from schemas.topics import QUARANTINE, state_topic
from streams.runtime.exposition import exposition
from streams.runtime.figures import Figures, as_json
from streams.runtime.lines import log_to_stderr
from streams.runtime.link import Stage
from streams.runtime.reader import Reader
from streams.runtime.sender import Sender
from streams.runtime.serving import serve
from streams.runtime.worker import Membership, Worker
from streams.runtime.writers import Writers

CONTACT_S = 10.0
FIGURES_S = 1.0
YOUNG = 20_000  # objects between two collections: folds keep many and make no cycles
DIED = 3  # exit code of a process that had to end at once
ADVICE = "check that Kafka runs and that its address and credentials are right"
LOG = logging.getLogger("sbiscope")

Fail = Callable[[BaseException], None]


class Measured(Stage, Protocol):
    """A stage that tells what it did."""

    figures: Figures


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage is made with: how many partitions each topic has, and what all stages of the process share."""

    partitions: Mapping[str, int]
    reader: Reader
    writers: Writers
    fail: Fail


@dataclass(frozen=True, slots=True)
class Job:
    """A stage to run: it reads `topic` and writes `outputs`, besides its states and the quarantine.

    `ticks`: it writes to `topic` too, where nothing else comes.
    """

    name: str
    topic: str
    outputs: tuple[str, ...]
    stage: Callable[[Surroundings], Measured]
    ticks: bool = False

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics that it touches, its input first."""
        return self.topic, *self.outputs, state_topic(self.name), QUARANTINE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: its brokers with librdkafka's settings for them, its name, where its figures go.

    `metrics` is host:port to serve them at, empty for nowhere.
    """

    kafka: Kafka
    bootstrap: str
    settings: Mapping[str, str | int]
    instance: str = ""
    figures: Path | None = None
    metrics: str = ""
    registered: Callable[[int], Awaitable[str]] | None = None


def run(jobs: list[Job], place: Place) -> int:
    """Run `jobs` until SIGTERM or SIGINT, then end in order and return 0.

    What makes going on wrong ends the process at once, with one line and exit code 3: whatever was not committed comes
    again. Raises Refusal where Kafka cannot be reached at the start, or lacks a topic.
    """
    gc.set_threshold(YOUNG)
    log_to_stderr(logging.ERROR)
    partitions = _partitions(jobs, place)
    return asyncio.run(_run(jobs, place, partitions))


def _partitions(jobs: list[Job], place: Place) -> dict[str, int]:
    """Return how many partitions each topic of `jobs` has."""
    prefix = place.kafka.topic_prefix
    heard = Heard()
    admin = AdminClient({**place.settings, "error_cb": heard})
    found = topics_of(admin, place.settings, heard)
    names = dict.fromkeys(name for job in jobs for name in job.topics)
    missing = [prefix + name for name in names if prefix + name not in found]
    if missing:
        advice = "create them with: sbiscope schema"
        if place.kafka.sasl_username:  # what a user may not describe it is not shown
            advice += f"; if they are there, {rights_advice(place.settings)}"
        raise Refusal("topics are missing", ", ".join(missing), advice)
    return {name: len(found[prefix + name].partitions) for name in names}


async def _run(jobs: list[Job], place: Place, partitions: Mapping[str, int]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reader = Reader(place.settings, place.kafka.topic_prefix)
    writers = Writers(reader, place.registered)
    stages = [job.stage(Surroundings(partitions, reader, writers, _die)) for job in jobs]
    members = (Membership(f"sbiscope-{job.name}", place.instance, job.topic) for job in jobs)
    pairs = zip(members, stages, strict=True)
    sender = Sender(place.settings, place.kafka.topic_prefix, _die)
    workers = [Worker(place.kafka, place.bootstrap, member, stage, sender, _die) for member, stage in pairs]
    await _start(workers, place)
    await _serve(stages, place.metrics)
    telling = asyncio.ensure_future(_tell(stages, place.figures))
    LOG.info("running: %s", ", ".join(job.name for job in jobs))
    await stop.wait()
    telling.cancel()
    ends = await asyncio.gather(*(worker.stop() for worker in workers), return_exceptions=True)
    for job, end in zip(jobs, ends, strict=True):
        if isinstance(end, BaseException):
            LOG.info("%s ended without a checkpoint: %r", job.name, end)
    await asyncio.to_thread(sender.close)
    _write(stages, place.figures)
    LOG.info("ended in order")
    logging.shutdown()
    os._exit(0)  # Faust's threads may wait for a broker that is away


async def _start(workers: list[Worker], place: Place) -> None:
    try:
        await asyncio.wait_for(asyncio.gather(*(worker.start() for worker in workers)), CONTACT_S * 6)
    except Exception as error:  # noqa: BLE001 (aiokafka's, Faust's, the system's)
        _die(Refusal("cannot join the group", f"{place.bootstrap}: {error!r}", ADVICE))


async def _serve(stages: list[Measured], at: str) -> None:
    """Serve the figures for Prometheus at host:port, if any."""
    if at:
        try:
            await serve(lambda: exposition([one.figures for one in stages]), at)
        except Refusal as refusal:
            _die(refusal)


async def _tell(stages: list[Measured], path: Path | None) -> None:
    """Write the figures each second, for `sbiscope status` and whoever waits for the first of them."""
    while path is not None:
        _write(stages, path)
        await asyncio.sleep(FIGURES_S)


def _write(stages: list[Measured], path: Path | None) -> None:
    """Write the figures whole, so that no reader sees half of them."""
    if path is not None:
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(as_json([one.figures for one in stages]))
        beside.replace(path)


def _die(error: BaseException) -> None:
    """End at once, saying why: nothing may be shipped or committed any more."""
    said = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
    line = "".join(c if c.isprintable() else " " for c in f"sbiscope streams: {said}")
    sys.stderr.write(f"{line}; what was not committed is taken again\n")
    sys.stderr.flush()
    os._exit(DIED)
