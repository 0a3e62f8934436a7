"""How messages become rows: gathered into blocks, each number once, stored undecoded, bad ones set aside.

Nothing here talks to Kafka or ClickHouse: what stores is handed in. A block carries what may be committed once it is
stored, and nothing else may; stored again after a crash it does no harm, since every table keeps one row a key.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.refusal import Refusal
from streams.reframe import Layout, Malformed, Rows

POISON_LIMIT = 100  # messages in a row that cannot be stored: then it is not they that are wrong


@dataclass(frozen=True, slots=True)
class Target:
    """What one sink moves: a topic into the entrance of a table; `numbered`: its batches carry row numbers."""

    stage: str
    topic: str
    table: str
    numbered: bool


TARGETS = {
    "transactions": Target("sink-transactions", "sbi.transactions", "transactions_arriving", numbered=True),
    "kpis": Target("sink-kpis", "sbi.kpis", "kpis_arriving", numbered=False),
    "procedures": Target("sink-procedures", "sbi.procedures", "procedures_arriving", numbered=False),
    "alerts": Target("sink-alerts", "sbi.alerts", "alerts_arriving", numbered=False),
    "agents": Target("sink-agents", "sbi.agents", "agents_arriving", numbered=False),
    "flows": Target("sink-flows", "sbi.flows", "flows_arriving", numbered=False),
    "places": Target("sink-places", "sbi.places", "places_arriving", numbered=False),
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message that waits to be stored: where it stood, its rows and, should they prove bad, its bytes."""

    partition: int
    offset: int
    value: bytes
    layout: Layout
    rows: Rows


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A message that cannot become rows, and why: for the quarantine."""

    partition: int
    offset: int
    value: bytes
    reason: str


class BadRows(Exception):  # noqa: N818 (what the store says of them)
    """The store refused these rows and would refuse them for ever; anything else it raises is tried again."""


Store = Callable[[Layout, Iterable[bytes]], None]
"""Stores one container, given in pieces, and returns when its rows are safe; raises BadRows, or else: it is away."""


@dataclass(slots=True)
class Gathering:
    """What has arrived and is in no block yet, and the last row number taken of each pair of partitions."""

    target: Target
    waiting: list[Arrived] = field(default_factory=list)
    rows: int = 0
    size: int = 0
    repeated: int = 0  # rows dropped because their number was taken before
    skipped: int = 0  # rows missing before a number that jumped
    poisoned_in_a_row: int = 0
    _next: dict[int, int] = field(default_factory=dict)
    _last: dict[int, dict[int, int]] = field(default_factory=dict)
    _layouts: dict[int, tuple[Mapping[str, Any], Layout]] = field(default_factory=dict)

    def assign(self, partition: int, state: bytes) -> None:
        """Begin or go on with an input partition; `state` as its last block had it, empty at the very first."""
        self._last[partition] = {int(key): number for key, number in json.loads(state or b"{}").items()}

    def revoke(self) -> None:
        """Forget everything: other workers may have the partitions now, and begin behind what was committed."""
        self.waiting, self.rows, self.size = [], 0, 0
        self._next.clear()
        self._last.clear()

    def take(
        self, partition: int, offset: int, value: bytes, schema: Mapping[str, Any], body: bytes | memoryview
    ) -> Poisoned | None:
        """Add one message (`value`: its bytes as they were, `body`: unframed); a malformed one comes back."""
        self._next[partition] = offset + 1
        try:
            layout = self._layout(schema)
            rows = layout.rows(body)
            if self.target.numbered:
                rows = self._unseen(partition, layout, rows)
        except Malformed as malformed:
            return Poisoned(partition, offset, value, str(malformed))
        if rows.count:
            self.waiting.append(Arrived(partition, offset, value, layout, rows))
            self.rows += rows.count
            self.size += rows.size
        return None

    def advance(self, partition: int, offset: int) -> None:
        """Go past a message that holds no rows: a tick, or what could not be unframed."""
        self._next[partition] = offset + 1

    def _layout(self, schema: Mapping[str, Any]) -> Layout:
        """Return the layout of a writer's schema, made once; the schema is kept, so its id stays its own."""
        if id(schema) not in self._layouts:
            self._layouts[id(schema)] = schema, Layout(schema)
        return self._layouts[id(schema)][1]

    def _unseen(self, partition: int, layout: Layout, rows: Rows) -> Rows:
        """Return the rows above the last number of their pair of partitions; a writer numbers without holes."""
        numbers = self._last.setdefault(partition, {})
        last = numbers.get(rows.input_partition)
        if last is None or not rows.count:
            left = rows
        else:
            self.skipped += max(0, rows.first_number - last - 1)
            left = layout.after(rows, last)
            self.repeated += rows.count - left.count
        numbers[rows.input_partition] = max(rows.last_number, last or 0)
        return left

    def seal(self) -> "Block":
        """Hand over all that waits, with what may be committed when it is stored; gathering begins anew."""
        states = {one: json.dumps(self._last.get(one, {}), sort_keys=True).encode() for one in self._next}
        block = Block(self, self.waiting, self._next, states)
        self.waiting, self.rows, self.size, self._next = [], 0, 0, {}
        return block


@dataclass(slots=True)
class Block:
    """Messages stored together; after it `offsets` (the next of each partition) and `states` may be committed."""

    gathering: Gathering
    messages: list[Arrived]
    offsets: dict[int, int]
    states: dict[int, bytes]

    def store(self, store: Store) -> list[Poisoned]:
        """Store all messages, one container a writer's schema, and return those that cannot be stored.

        What `store` raises goes through: call again. Raises Refusal when nothing but bad messages came for long: then
        the table or the writer is wrong, not they.
        """
        poisoned: list[Poisoned] = []
        for layout in dict.fromkeys(one.layout for one in self.messages):
            poisoned += self._stored([one for one in self.messages if one.layout is layout], layout, store)
        return poisoned

    def _stored(self, many: list[Arrived], layout: Layout, store: Store) -> list[Poisoned]:
        """Store messages; where the rows are bad, halve until each bad message stands alone."""
        try:
            store(layout, layout.pieces(one.rows for one in many))
        except BadRows as bad:
            if len(many) > 1:
                half = len(many) // 2
                return self._stored(many[:half], layout, store) + self._stored(many[half:], layout, store)
            return [self._poisoned(many[0], str(bad))]
        self.gathering.poisoned_in_a_row = 0
        return []

    def _poisoned(self, one: Arrived, reason: str) -> Poisoned:
        self.gathering.poisoned_in_a_row += 1
        if self.gathering.poisoned_in_a_row > POISON_LIMIT:
            self.gathering.poisoned_in_a_row = 0  # whoever tries again begins anew
            seen = f"{POISON_LIMIT + 1} messages of {self.gathering.target.topic} in a row, the last: {reason}"
            advice = "compare the table with the writer's schema"
            raise Refusal("the sink stops: no message can be stored", seen, advice)
        return Poisoned(one.partition, one.offset, one.value, reason)
