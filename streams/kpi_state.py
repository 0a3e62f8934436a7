"""The state of a KPI fold as bytes and back: MessagePack."""

from typing import TYPE_CHECKING

import msgspec

from streams.kpi_counts import Counts
from streams.kpi_group import Asker, Group, View
from streams.kpi_quiet import Expected, Heard
from streams.kpi_row import Key, Node
from streams.kpi_sight import Closed, Sight
from streams.kpi_slots import Slot
from streams.kpi_tokens import Custom
from streams.kpi_window import Row, Window

if TYPE_CHECKING:
    from streams.kpi_windows import KpiWindows

FORM = 2  # before it, what counts was decided by server: of such a state the slots are left, their sums stay


class GroupState(msgspec.Struct, array_like=True, frozen=True):
    """One group of a slot; a node of -1: the asker's address is no loopback address. Views are numbered in order."""

    operation: str | None
    client_address: str
    node: int
    views: list[tuple[int, str, str, int, list[tuple[int, Counts]]]]
    chosen: list[int]
    beside: list[tuple[int, int, int, int]]


class SlotState(msgspec.Struct, array_like=True, frozen=True):
    """What was told of 10 s."""

    number: int
    cells: int
    waiting: list[int]
    is_told: bool
    groups: list[GroupState]


class KpiState(msgspec.Struct, array_like=True, frozen=True):
    """What a KPI fold is made of; numbers stand for the nodes and keys in their lists."""

    form: int
    counts: dict[str, int]
    numbers: list[tuple[str, int, int]]
    taken: dict[int, int]
    forgiven: list[int] | None
    nodes: list[Node]
    keys: list[Key]
    sights: list[tuple[int, Sight]]
    slots: msgspec.Raw
    windows: list[tuple[int, int, list[tuple[int, int, Counts, dict[int, int], dict[str, int], int]], dict[int, int]]]
    published: list[tuple[int, int, int]]
    closed: list[tuple[int, int, Closed]]
    tokens: list[tuple[str | None, str | None, Custom]] = []
    quiet: list[tuple[int, int, list[tuple[int, Heard]]]] = []


def dump(fold: "KpiWindows") -> bytes:
    """Return the state of `fold`; the same state gives the same bytes."""
    nodes: dict[Node, int] = {}
    keys: dict[Key, int] = {}

    def node(one: Node) -> int:
        return nodes.setdefault(one, len(nodes))

    def key(one: Key) -> int:
        return keys.setdefault(one, len(keys))

    sights = [(node(one), sight) for one, sight in fold.sights.items()]

    def group(asked: Asker, one: Group) -> GroupState:
        numbers = {view: number for number, view in enumerate(one.views)}
        return GroupState(
            asked.operation,
            asked.client_address,
            -1 if asked.node is None else node(asked.node),
            [
                (node(view.node), *view[1:], [(key(each), counts) for each, counts in keys.items()])
                for view, keys in one.views.items()
            ],
            [numbers[view] for view in one.chosen],
            [(numbers[view], key(seen), key(row), node(at)) for (view, seen), (row, at) in one.beside.items()],
        )

    slots = [
        SlotState(
            number,
            slot.cells,
            [node(one) for one in slot.waiting],
            slot.is_told,
            [group(*one) for one in slot.groups.items()],
        )
        for number, slot in fold.slots.slots.items()
    ]
    windows = [
        (
            *place,
            [
                (key(one), node(seen), row.counts, row.client, row.vantages, row.version)
                for seen, rows in window.rows.items()
                for one, row in rows.items()
            ],
            {node(one): when for one, when in window.published.items()},
        )
        for place, window in fold.windows.items()
    ]
    closed = [(node(one), width_s, runs) for (one, width_s), runs in fold.closed.of.items()]
    quiet = [
        (node(one), expected.until_us, [(key(each), heard) for each, heard in expected.keys.items()])
        for one, expected in fold.quiet.of.items()
    ]
    state = KpiState(
        form=FORM,
        counts=fold.counts,
        numbers=[(topic, partition, number) for (topic, partition), number in fold.numbering.last.items()],
        taken=fold.taken.last,
        forgiven=None if fold.taken.forgiven is None else sorted(fold.taken.forgiven),
        sights=sights,
        slots=msgspec.Raw(msgspec.msgpack.encode(slots)),
        windows=windows,
        published=[(*place, when) for place, when in fold.published.items()],
        closed=closed,
        nodes=list(nodes),
        keys=list(keys),
        tokens=[(*operation, custom) for operation, custom in fold.tokens.of.items()],
        quiet=quiet,
    )
    return msgspec.msgpack.encode(state)


def load(fold: "KpiWindows", octets: bytes) -> None:
    """Become the fold that `dump` was called on."""
    state = msgspec.msgpack.decode(octets, type=KpiState)
    nodes, keys = state.nodes, state.keys
    fold.counts.update(state.counts)
    fold.numbering.last = {(topic, partition): number for topic, partition, number in state.numbers}
    fold.taken.last = state.taken
    fold.taken.forgiven = None if state.forgiven is None else set(state.forgiven)
    fold.sights = {nodes[one]: sight for one, sight in state.sights}
    fold.closed.of = {(nodes[one], width_s): runs for one, width_s, runs in state.closed}
    fold.published = {(width_s, start_us): when for width_s, start_us, when in state.published}
    fold.tokens.of = {(operation, producer_nf): custom for operation, producer_nf, custom in state.tokens}
    fold.quiet.of = {
        nodes[one]: Expected(until_us, {keys[each]: heard for each, heard in expected})
        for one, until_us, expected in state.quiet
    }
    fold.slots.folded = state.counts["keys_folded"]
    fold.slots.slots = {}
    told = msgspec.msgpack.decode(state.slots, type=list[SlotState]) if state.form == FORM else []
    for one in told:
        groups = dict(_group(each, nodes, keys) for each in one.groups)
        fold.slots.slots[one.number] = Slot(
            groups, one.cells, dict.fromkeys(nodes[each] for each in one.waiting), one.is_told
        )
    for width_s, start_us, rows, published in state.windows:
        window = fold.windows[width_s, start_us] = Window()
        window.published = {nodes[one]: when for one, when in published.items()}
        for key, node, counts, client, vantages, version in rows:
            window.add(keys[key], nodes[node], Row(counts, client, vantages, version))


def _group(state: GroupState, nodes: list[Node], keys: list[Key]) -> tuple[Asker, Group]:
    asked = Asker(state.operation, state.client_address, None if state.node < 0 else nodes[state.node])
    group = Group()
    for node, vantage, address, port, told in state.views:
        group.views[View(nodes[node], vantage, address, port)] = {keys[one]: counts for one, counts in told}
    views = list(group.views)
    group.chosen = dict.fromkeys(views[number] for number in state.chosen)
    group.beside = {(views[number], keys[key]): (keys[row], nodes[at]) for number, key, row, at in state.beside}
    return asked, group
