"""How rows become Kafka messages: gathered per output partition, cut to size, framed, in the order they came."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from schemas.topics import JSON_SUFFIX
from streams.fold import Rows, batch_body

MESSAGE_ROWS = 2_000
MESSAGE_BYTES = 500_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send; `key` None where the topic has none."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


@dataclass(slots=True)
class _Gathered:
    first_number: int
    records: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)


class Outbox:
    """The rows of one input partition that have not left yet; `marks`: what stands before a body, by topic."""

    def __init__(self, input_partition: int, marks: Mapping[str, bytes]) -> None:
        self.rows = 0
        self.size = 0
        self._input_partition = input_partition
        self._marks = marks
        self._gathered: dict[tuple[str, int], _Gathered] = {}

    def add(self, rows: Rows) -> None:
        """Take rows behind those of the same output partition; raises ValueError where their numbers do not follow."""
        place = rows.topic, rows.partition
        gathered = self._gathered.get(place)
        if gathered is None:
            gathered = self._gathered[place] = _Gathered(rows.first_number)
        elif rows.first_number != gathered.first_number + len(gathered.records):
            seen = gathered.first_number + len(gathered.records)
            raise ValueError(f"rows for {place} begin at {rows.first_number}, {seen} is next")
        gathered.records += rows.records
        gathered.keys += rows.keys
        self.rows += len(rows.records)
        self.size += sum(map(len, rows.records))

    def take(self) -> list[Outgoing]:
        """Return all as messages, those of one output partition in the order of their rows, and begin anew."""
        messages: list[Outgoing] = []
        for (topic, partition), gathered in self._gathered.items():
            if gathered.keys:
                mark = b"" if topic.endswith(JSON_SUFFIX) else self._marks[topic]
                pairs = zip(gathered.keys, gathered.records, strict=True)
                messages += (Outgoing(topic, partition, key, mark + record) for key, record in pairs)
            else:
                messages += self._batches(topic, partition, gathered)
        self._gathered = {}
        self.rows = self.size = 0
        return messages

    def _batches(self, topic: str, partition: int, gathered: _Gathered) -> list[Outgoing]:
        records, messages, begin = gathered.records, [], 0
        sizes = [0, *accumulate(map(len, records))]
        while begin < len(records):
            full = bisect_left(sizes, sizes[begin] + MESSAGE_BYTES, begin + 1)
            end = min(full, begin + MESSAGE_ROWS, len(records))
            body = batch_body(self._input_partition, gathered.first_number + begin, records[begin:end])
            messages.append(Outgoing(topic, partition, None, self._marks[topic] + body))
            begin = end
        return messages
