"""The contract between a stage's pure fold and the runtime that feeds it (DESIGN 6, Exactly once).

A fold is the whole state of one input partition: (state, next message) → (state, rows). It knows no clock, topic
prefix, framing or client; time is the log's append time and what stands in the messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Facts:
    """What a fold must know of where it stands: its input partition, and how many partitions each output topic has."""

    partition: int
    outputs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one output partition, in order, numbered without holes from `first_number`.

    `records`: Avro bodies without framing (JSON text where the topic's name ends in `.json`). `keys`: the Kafka key of
    each record where the topic carries one record a message; empty where it carries batches (`batch_body` makes one).
    """

    topic: str
    partition: int
    first_number: int
    records: tuple[bytes, ...]
    keys: tuple[bytes, ...] = ()


class Fold(Protocol):
    """A stage of one input partition."""

    counts: dict[str, int]
    """Named counters for metrics (repeats dropped, evictions …), part of the state."""

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message: its append time, its writer's schema (the same object each time) and its body.

        An empty body, without schema, is a tick: what the owner appends to a partition in which nothing arrives.
        Raises streams.reframe.Malformed, the state unchanged, for what cannot be read: it goes to the quarantine, and
        the next message may be applied. Raises Jump where rows before this message are missing: the process ends.
        """
        ...

    def pass_over(self) -> None:
        """Messages before the next one are lost (retention passed the commit): each writer's numbers may jump once."""
        ...

    def dump(self) -> bytes:
        """Return the state; the same state gives the same bytes."""
        ...

    def load(self, state: bytes) -> None:
        """Become the fold that `dump` was called on; its facts must be the same."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What a fold keeps open now, by name, and until when its living collectors vouch; None where there are none."""

    items: Mapping[str, int]
    watermark_us: int | None = None


@runtime_checkable
class Holding(Protocol):
    """A fold that tells what it holds, for metrics."""

    def held(self) -> Held:
        """Return it; the state stays as it is."""
        ...


class Jump(Exception):  # noqa: N818 (what the numbers did)
    """The row numbers of a pair of partitions jumped: rows were lost, and nothing right can follow."""


@dataclass(slots=True)
class Numbering:
    """Numbers output rows per (topic, output partition); part of a fold's state."""

    last: dict[tuple[str, int], int] = field(default_factory=dict)

    def rows(self, topic: str, partition: int, records: Sequence[bytes], keys: Sequence[bytes] = ()) -> Rows:
        """Return `records` as the next rows of their output partition."""
        first = self.last.get((topic, partition), 0) + 1
        self.last[topic, partition] = first + len(records) - 1
        return Rows(topic, partition, first, tuple(records), tuple(keys))


@dataclass(slots=True)
class Taken:
    """The last number taken of each writer's input partition; part of a receiving fold's state."""

    last: dict[int, int] = field(default_factory=dict)
    forgiven: set[int] | None = (
        None  # after a loss: the writers heard of since, whose next number may not jump any more
    )

    def fresh(self, writer: int, first_number: int, count: int) -> int:
        """Return how many of `count` rows from `first_number` were taken before, and take the others.

        Raises Jump where numbers are missing between the last one taken and the first.
        """
        last = self.last.get(writer, 0)
        may_jump = self.forgiven is not None and writer not in self.forgiven
        if first_number > last + 1 and not may_jump:
            raise Jump(f"rows of partition {writer}: number {first_number} after {last}")
        if self.forgiven is not None:
            self.forgiven.add(writer)
        self.last[writer] = max(last, first_number + count - 1)
        return min(max(last - first_number + 1, 0), count)


def batch_body(input_partition: int, first_number: int, records: Sequence[bytes]) -> bytes:
    """Return the body of a batch (SbiTransactionBatch, KpiDeltaBatch): two numbers, then one array block of records."""
    if not records:
        return b"".join((zigzag(input_partition), zigzag(first_number), b"\0"))
    return b"".join((zigzag(input_partition), zigzag(first_number), zigzag(len(records)), *records, b"\0"))


_SMALL = tuple(bytes((value << 1,)) for value in range(64))


def zigzag(value: int) -> bytes:
    """Return Avro's variable-length form of an int or long (Avro 1.11, binary encoding)."""
    if 0 <= value < 64:
        return _SMALL[value]  # counters that are mostly nothing
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
