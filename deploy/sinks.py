"""Where a collector's batches go: Kafka, a file of JSON lines, or standard output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from collector.jsonl import JsonLines
from collector.message import Counters
from schemas.config import Config
from schemas.refusal import Refusal

if TYPE_CHECKING:
    from collector.publisher import Publisher

EVENTS = "sbi.events"
SCHEMA = "sbi_event_batch"
BESIDE = {"agent": "sbi.agents", "flow": "sbi.flows"}  # what an agent tells beside events


@contextmanager
def lines_to(to: str) -> Iterator[JsonLines]:
    """Give a sink of JSON lines to a file, or to standard output where `to` is `-`; each batch is there at once."""
    if to == "-":
        yield JsonLines(_written_at_once(sys.stdout.buffer))
        return
    try:
        with Path(to).open("wb") as file:
            yield JsonLines(_written_at_once(file))
    except OSError as error:
        raise Refusal("cannot write", f"{to}: {error.strerror}", "name another file") from error


@contextmanager
def lines_descriptor(to: str) -> Iterator[int]:
    """Give a descriptor that takes JSON lines; `to` as `lines_to` has it."""
    if to == "-":
        yield sys.stdout.fileno()
        return
    try:
        with Path(to).open("wb", buffering=0) as file:
            yield file.fileno()
    except OSError as error:
        raise Refusal("cannot write", f"{to}: {error.strerror}", "name another file") from error


def _written_at_once(file: BinaryIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        file.write(data)
        file.flush()

    return write


def events_topic(config: Config) -> str:
    """Return the topic that collectors write to."""
    return config.kafka.topic_prefix + EVENTS


def client(config: Config) -> dict[str, str | int]:
    """Return the settings by which a Kafka client reaches the configured cluster, or else the local stack's broker."""
    from schemas.kafka import client_settings

    return client_settings(config.kafka, config.kafka.bootstrap or _bootstrap_of_stack(config))


def _bootstrap_of_stack(config: Config) -> str:
    from deploy.stack.endpoints import endpoints

    return endpoints(config).bootstrap


def kafka_sink(config: Config, loss: Counters, patient: bool) -> "Publisher":
    """Return a publisher in contact with Kafka; `patient` as the publisher has it."""
    from collector.publisher import Publisher
    from schemas.framing import single_object_mark

    registered = _registered(config)

    def framed(schema: str) -> Callable[[bytes], bytes]:
        mark = registered.get(schema) or single_object_mark(schema)
        return lambda body: mark + body

    prefix, queue_bytes = config.kafka.topic_prefix, config.collector.queue_bytes
    beside = {} if patient else {schema: _forms(schema, prefix + topic, framed) for schema, topic in BESIDE.items()}
    topic = events_topic(config)
    return Publisher(client(config), topic, framed(SCHEMA), loss, queue_bytes, patient, beside, _said)


def _registered(config: Config) -> dict[str, bytes]:
    """Return the marks that a registry gives, by schema; nothing where none is configured."""
    if not config.kafka.registry_url:
        return {}
    from deploy.registry import marks

    return marks(config.kafka)


def _said(text: str) -> None:
    print(f"sbiscope collect: {text}", file=sys.stderr, flush=True)


def _forms(
    schema: str, topic: str, framed: Callable[[str], Callable[[bytes], bytes]]
) -> list[tuple[str, Callable[[bytes], bytes]]]:
    from schemas.jsonform import json_form
    from schemas.topics import JSON_SUFFIX

    return [(topic, framed(schema)), (topic + JSON_SUFFIX, json_form(schema))]
