"""What is known of table entries that an encoder inserted unseen: names and values by identity."""

from dataclasses import dataclass, field
from typing import TypeVar

from collector.value_grammar import MAX_RSP_TIME, OTHER, PRIORITY, REQUESTER_NF_TYPE, TARGET_NF_TYPE

TYPES = frozenset((TARGET_NF_TYPE, REQUESTER_NF_TYPE))

Known = TypeVar("Known")
MAX_IDENTITIES = 512  # a table of 64 KiB holds more entries, yet those used while unknown are few


@dataclass(slots=True)
class Evidence:
    """What the values under one unknown name say: `names` it can have, and some of the values."""

    names: frozenset[bytes]
    values: set[bytes] = field(default_factory=set)
    messages: int = 0
    alone: bool = True  # each time it was all that had no name, beside a Sender-Timestamp

    def add(self, names: frozenset[bytes], value: bytes, alone: bool) -> None:
        """Take a further value, which can stand under `names`."""
        self.names &= names
        self.messages += 1
        self.alone &= alone
        if len(self.values) < 8:
            self.values.add(value)

    def verdict(self) -> bytes | None:
        """Return the name, if only one is left."""
        names = self.names
        if OTHER in names and self._is_proved_number():
            names = (names & {PRIORITY}) or (names & {MAX_RSP_TIME})
        if names and names <= TYPES:  # of an NF's requests the requester is always the same, the target is not
            names = names - {REQUESTER_NF_TYPE} if len(self.values) > 1 else TYPES
        (name,) = names if len(names) == 1 else (OTHER,)
        return name or None

    def _is_proved_number(self) -> bool:
        """Whole numbers stand in many headers: several that together fit one only are asked for.

        Priorities: three different ones up to 31, one above the hop and attempt counts of proxies. Patience: two
        different multiples of 50 ms, each beside a Sender-Timestamp (TS 29.500 6.11.2) and nothing else without a name.
        """
        if not self.names & {PRIORITY, MAX_RSP_TIME}:
            return False
        numbers = {int(value) for value in self.values if value.isdigit()}
        if PRIORITY in self.names:
            return len(numbers) >= 3 and max(numbers) >= 8
        rounded = all(number % 50 == 0 and 100 <= number <= 60_000 for number in numbers)
        return self.alone and rounded and len(numbers) >= 2 and self.messages >= 3


class Identities:
    """What is known of the unseen entries of one direction; the oldest is forgotten when there are too many."""

    def __init__(self) -> None:
        self._names: dict[int, bytes] = {}
        self._values: dict[int, bytes] = {}
        self._evidence: dict[int, Evidence] = {}

    def name(self, identity: int) -> bytes | None:
        """Return the name of an entry, None if it is not known."""
        return self._names.get(identity) or None

    def value(self, identity: int) -> bytes | None:
        """Return the value of an entry, None if it is not known."""
        return self._values.get(identity) if self._names.get(identity) else None

    def bind_name(self, identity: int, name: bytes) -> None:
        """Learn an entry's name. What contradicts what is known makes both unknown for good."""
        if self._names.setdefault(identity, name) != name:
            self.refute(identity)
        _bound(self._names)

    def refute(self, identity: int) -> None:
        """Take back what was learned of an entry, for good."""
        self._names[identity] = OTHER

    def bind(self, identity: int, name: bytes, value: bytes) -> None:
        """Learn an entry's name and value."""
        self.bind_name(identity, name)
        if self._values.setdefault(identity, value) != value:
            self.refute(identity)
        _bound(self._values)

    def weigh(self, identity: int, names: frozenset[bytes], value: bytes, alone: bool) -> None:
        """Take a value that stands under the name of an entry, which can be one of `names`."""
        evidence = self._evidence.get(identity)
        if evidence is None:
            evidence = self._evidence[identity] = Evidence(names)
            _bound(self._evidence)
        evidence.add(names, value, alone)
        name = evidence.verdict()
        if name is not None:
            self.bind_name(identity, name)


def _bound(known: dict[int, Known]) -> None:
    if len(known) > MAX_IDENTITIES:
        del known[next(iter(known))]
