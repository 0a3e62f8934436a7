"""How far each node is seen: until when its collectors vouch, since when, and where they were blind."""

from bisect import bisect_right, insort

import msgspec

from streams.kpi_row import Node

MAX_BLIND = 1_000  # windows with loss remembered of a node, the oldest goes first
MAX_RUNS = 1_000  # runs of closed windows remembered of a node and length
MAX_CLOSINGS = 20_000  # nodes and lengths of which closed windows are remembered; the one met first goes first
FOREVER_US = 1 << 62
SLOT_US = 10_000_000


class Sight(msgspec.Struct, array_like=True):
    """What is known of one node; `living`: watermarks by shard and incarnation, `blind`: time without sight by slot."""

    since_us: int = FOREVER_US
    living: dict[str, int] = msgspec.field(default_factory=dict)
    blind: dict[int, int] = msgspec.field(default_factory=dict)
    pending: list[tuple[int, int]] = msgspec.field(default_factory=list)  # windows (width, start) not published yet

    def ready_us(self) -> int:
        """Return until when all its collectors vouch; for ever where none is left that could say more."""
        return min(self.living.values(), default=FOREVER_US)

    def was_blind(self, slot: int, time_us: int) -> None:
        """Add time without sight to a slot of 10 s."""
        if slot not in self.blind and len(self.blind) >= MAX_BLIND:
            del self.blind[min(self.blind)]
        self.blind[slot] = min(self.blind.get(slot, 0) + time_us, SLOT_US)

    def saw_all(self, slot: int) -> bool:
        """Tell whether nothing of a slot was missed."""
        return slot not in self.blind and self.since_us <= slot * SLOT_US

    def blind_us(self, width_s: int, start_us: int) -> int:
        """Return the time without sight in a window."""
        first = start_us // SLOT_US
        slots = range(first, first + width_s // 10)
        if len(self.blind) < len(slots):
            return sum(time_us for slot, time_us in self.blind.items() if slot in slots)
        return sum(self.blind.get(slot, 0) for slot in slots)


class Closed(msgspec.Struct, array_like=True):
    """Which windows are closed for ever, by runs of their numbers: nothing is added to them any more."""

    runs: list[tuple[int, int]] = msgspec.field(default_factory=list)  # first, last; in order, none touches another

    def __contains__(self, number: int) -> bool:
        """Tell whether a window is closed."""
        place = bisect_right(self.runs, (number, FOREVER_US)) - 1
        return place >= 0 and self.runs[place][1] >= number

    def add(self, number: int) -> None:
        """Close a window."""
        if number in self:
            return
        first = last = number
        for run in [run for run in self.runs if run[0] == number + 1 or run[1] == number - 1]:
            self.runs.remove(run)
            first, last = min(first, run[0]), max(last, run[1])
        insort(self.runs, (first, last))
        if len(self.runs) > MAX_RUNS:
            del self.runs[0]


class Closings:
    """Which windows of which nodes are closed for ever."""

    def __init__(self) -> None:
        """None is."""
        self.of: dict[tuple[Node, int], Closed] = {}

    def has(self, node: Node, width_s: int, number: int) -> bool:
        """Tell whether window `number` of a length is closed for a node."""
        closed = self.of.get((node, width_s))
        return closed is not None and number in closed

    def add(self, node: Node, width_s: int, number: int) -> None:
        """Close a window."""
        closed = self.of.get((node, width_s))
        if closed is None:
            while len(self.of) >= MAX_CLOSINGS:
                del self.of[next(iter(self.of))]
            closed = self.of[node, width_s] = Closed()
        closed.add(number)
