"""One window of KPIs: what counted of each key and node, and of whom it was published."""

from dataclasses import dataclass, field

from streams.kpi_counts import Counts
from streams.kpi_row import Key, Node


@dataclass(slots=True)
class Row:
    """One key of one node in one window."""

    counts: Counts = field(default_factory=Counts)
    client: dict[int, int] = field(default_factory=dict)  # durations by bin that the client end saw beside
    vantages: dict[str, int] = field(default_factory=dict)  # requests by the end that counted
    version: int = 0
    is_told_quiet: bool = False  # made to tell that there was nothing; published by the message that made it

    @property
    def is_taken_back(self) -> bool:
        """Tell whether all that was counted here counts elsewhere by now, and nothing was ever published of it."""
        is_told = self.version > 0 or self.is_told_quiet
        return not (is_told or self.client or any(self.vantages.values())) and self.counts.is_nothing

    @property
    def vantage(self) -> str:
        """Return which end counted."""
        seen = [vantage for vantage, requests in self.vantages.items() if requests]
        return seen[0] if len(seen) == 1 else "mixed" if seen else next(iter(self.vantages), "wire")


@dataclass(slots=True)
class Window:
    """The rows of one window by node, how many they are, and of which nodes it was published."""

    rows: dict[Node, dict[Key, Row]] = field(default_factory=dict)
    published: dict[Node, int] = field(default_factory=dict)  # when, in append time
    many: int = 0

    def add(self, key: Key, node: Node, row: Row) -> None:
        """Add a row of a key that it has none of."""
        self.rows.setdefault(node, {})[key] = row
        self.many += 1
