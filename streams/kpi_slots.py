"""What counts of all that was told of 10 s: cells of many nodes in, those of the sight that counts out (DESIGN 8)."""

from dataclasses import dataclass, field
from typing import Protocol

from streams.kpi_counts import Counts
from streams.kpi_delta import Cell
from streams.kpi_group import Asker, Group, View, asker
from streams.kpi_row import Key, Node, other
from streams.kpi_sight import SLOT_US

MAX_CELLS = 20_000  # kept apart in 10 s, the first to come; the others are one, its operation (other)

NONE: dict[Key, Counts] = {}
Seen = tuple[Asker, View]


class Sums(Protocol):
    """Where it counts (streams.kpi_windows); `sign` is -1 where what counted counts no more."""

    def add(self, slot: int, key: Key, node: Node, vantage: str, counts: Counts, sign: int, /) -> None:
        """Add the counts of a sight."""

    def add_beside(self, slot: int, key: Key, node: Node, counts: Counts, sign: int, /) -> None:
        """Add the durations that the client end saw of what the server end counts."""


@dataclass(slots=True)
class Slot:
    """The groups of 10 s; `waiting`: nodes that have told of it, and not all yet."""

    groups: dict[Asker, Group] = field(default_factory=dict)
    cells: int = 0
    waiting: dict[Node, None] = field(default_factory=dict)
    is_told: bool = False


class Slots:
    """Decides as soon as there is something; and again, for good but for late corrections, once all nodes have told."""

    def __init__(self, sums: Sums) -> None:
        """Nothing was told yet."""
        self.folded = 0  # cells beyond MAX_CELLS
        self.slots: dict[int, Slot] = {}
        self._sums = sums
        self._met: dict[tuple[object, ...], Seen] = {}  # not part of the state: what was looked up
        self._changed: dict[tuple[int, Asker], None] = {}  # groups to decide about when the message is over

    def add(self, number: int, node: Node, cell: Cell, ready_us: int) -> None:
        """Take a cell of a node whose collectors vouch until `ready_us`."""
        slot = self.slots.get(number)
        if slot is None:
            slot = self.slots[number] = Slot()
        if ready_us < (number + 1) * SLOT_US:
            slot.waiting[node] = None
        key = cell.key
        asked, view = self._as_seen(node, cell)
        group = slot.groups.get(asked)
        if group is None or key not in group.views.get(view, NONE):
            asked, view, key = self._place(slot, asked, view, key)
            group = self._begin(number, slot, asked, view, key)
        whole = group.views[view][key]
        whole.add(cell.counts)
        if view in group.chosen:
            self._sums.add(number, key, view.node, view.vantage, cell.counts, 1)
        else:
            self._add_beside(number, slot, group, view, key, cell.counts, whole)
        if len(group.views) > 1 and (slot.is_told or view.vantage == "wire"):
            self._changed[number, asked] = None

    def reached(self, node: Node, ready_us: int) -> None:
        """Take note that all collectors of a node vouch until `ready_us`."""
        for number, slot in self.slots.items():
            if slot.is_told:
                continue
            if node in slot.waiting and ready_us >= (number + 1) * SLOT_US:
                del slot.waiting[node]
            if not slot.waiting:
                slot.is_told = True
                self._changed |= dict.fromkeys((number, asked) for asked in slot.groups)

    def decide(self) -> None:
        """Decide about what a message changed."""
        changed, self._changed = self._changed, {}
        for number, asked in changed:
            slot = self.slots[number]  # nothing is forgotten within a message
            self._choose(number, slot, slot.groups[asked])

    def cells(self) -> int:
        """Return how many are kept."""
        return sum(slot.cells for slot in self.slots.values())

    def forget(self, number: int) -> None:
        """Let go of 10 s: nothing is added to them any more."""
        self.slots.pop(number, None)

    def seen_by(self, number: int, node: Node) -> set[Key]:
        """Return the keys that a node has told of."""
        slot = self.slots.get(number, Slot())
        told = (one for group in slot.groups.values() for one in group.views.items())
        return {key for view, keys in told if view.node == node for key in keys}

    def _as_seen(self, node: Node, cell: Cell) -> Seen:
        """Return who asks and who sees it, the same objects each time."""
        said = cell.key.operation, cell.vantage, cell.client_address, cell.server_address, cell.server_port, node
        seen = self._met.get(said)
        if seen is None:
            if len(self._met) >= MAX_CELLS:
                self._met.clear()
            asked = asker(cell.key.operation, cell.client_address, cell.server_address, node)
            seen = self._met[said] = asked, View(node, cell.vantage, cell.server_address, cell.server_port)
        return seen

    def _place(self, slot: Slot, asked: Asker, view: View, key: Key) -> tuple[Asker, View, Key]:
        """Return where a cell of something new is kept."""
        if slot.cells >= MAX_CELLS:
            self.folded += 1
            return Asker(other(key).operation, "", view.node), View(view.node, view.vantage, "", 0), other(key)
        slot.cells += 1
        return asked, view, key

    def _begin(self, number: int, slot: Slot, asked: Asker, view: View, key: Key) -> Group:
        """Return the group in which something new is counted, its view decided about."""
        group = slot.groups.get(asked)
        if group is None:
            group = slot.groups[asked] = Group()
        keys = group.views.get(view)
        if keys is None:
            keys = group.views[view] = {}
            self._meet(number, slot, group, view)
        keys.setdefault(key, Counts())
        return group

    def _meet(self, number: int, slot: Slot, group: Group, view: View) -> None:
        """Decide whether a view without counts yet will count."""
        extended = group.is_extended_by(view)
        if extended is None:
            self._choose(number, slot, group)
        elif extended:
            group.chosen[view] = None

    def _choose(self, number: int, slot: Slot, group: Group) -> None:
        """Let the most trusted sight of a group count, and take back what counted before."""
        best = group.most_trusted(slot.is_told)
        if best != group.chosen:
            self._take_back(number, group)
            group.chosen, group.beside = best, {}
            for view in best:
                for key, counts in group.views[view].items():
                    self._sums.add(number, key, view.node, view.vantage, counts, 1)
        for view, keys in group.views.items():
            if view not in best:
                for key, counts in keys.items():
                    self._stand_beside(number, slot, group, view, key, counts)

    def _take_back(self, number: int, group: Group) -> None:
        for view in group.chosen:
            for key, counts in group.views[view].items():
                self._sums.add(number, key, view.node, view.vantage, counts, -1)
        for (view, key), row in group.beside.items():
            self._sums.add_beside(number, *row, group.views[view][key], -1)

    def _add_beside(
        self, number: int, slot: Slot, group: Group, view: View, key: Key, more: Counts, whole: Counts
    ) -> None:
        """Add durations of a client end beside the server end that counts; all there are once their row is known."""
        row = group.beside.get((view, key))
        if row is not None:
            self._sums.add_beside(number, *row, more, 1)
        else:
            self._stand_beside(number, slot, group, view, key, whole)

    def _stand_beside(self, number: int, slot: Slot, group: Group, view: View, key: Key, whole: Counts) -> None:
        """Let the durations of a client end stand beside their row, and beside no other any more."""
        if view.vantage != "client" or not group.chosen:
            return
        row, before = group.row_beside(view, key, slot.is_told), group.beside.get((view, key))
        if row == before:
            return
        if before is not None:
            self._sums.add_beside(number, *before, whole, -1)
            del group.beside[view, key]
        if row is not None:
            self._sums.add_beside(number, *row, whole, 1)
            group.beside[view, key] = row
