"""The state of a KPI fold as bytes and back: MessagePack."""

from typing import TYPE_CHECKING

import msgspec

from streams.kpi_counts import Counts
from streams.kpi_row import Key, Node
from streams.kpi_sight import Closed, Sight
from streams.kpi_tokens import Custom

if TYPE_CHECKING:
    from streams.kpi_windows import KpiWindows

FORM = 1


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
    groups: list[tuple[int, list[tuple[int, str, int, list[tuple[int, str, Counts]], list[tuple[int, str]]]]]]
    windows: list[tuple[int, int, list[tuple[int, int, Counts, dict[int, int], dict[str, int], int]], dict[int, int]]]
    published: list[tuple[int, int, int]]
    closed: list[tuple[int, int, Closed]]
    tokens: list[tuple[str | None, str | None, Custom]] = []


def dump(fold: "KpiWindows") -> bytes:
    """Return the state of `fold`; the same state gives the same bytes."""
    nodes: dict[Node, int] = {}
    keys: dict[Key, int] = {}

    def node(one: Node) -> int:
        return nodes.setdefault(one, len(nodes))

    def key(one: Key) -> int:
        return keys.setdefault(one, len(keys))

    sights = [(node(one), sight) for one, sight in fold.sights.items()]
    groups = [
        (slot, [
            (
                key(one), address, port,
                [(node(seen), vantage, counts) for (seen, vantage), counts in group.sources.items()],
                [(node(seen), vantage) for seen, vantage in group.chosen],
            )
            for (one, address, port), group in many.items()
        ])
        for slot, many in fold.groups.items()
    ]  # fmt: skip
    windows = [
        (
            *place,
            [
                (key(one), node(seen), row.counts, row.client, row.vantages, row.version)
                for (one, seen), row in window.rows.items()
            ],
            {node(one): when for one, when in window.published.items()},
        )
        for place, window in fold.windows.items()
    ]
    closed = [(node(one), width_s, runs) for (one, width_s), runs in fold.closed.items()]
    state = KpiState(
        form=FORM,
        counts=fold.counts,
        numbers=[(topic, partition, number) for (topic, partition), number in fold.numbering.last.items()],
        taken=fold.taken.last,
        forgiven=None if fold.taken.forgiven is None else sorted(fold.taken.forgiven),
        sights=sights,
        groups=groups,
        windows=windows,
        published=[(*place, when) for place, when in fold.published.items()],
        closed=closed,
        nodes=list(nodes),
        keys=list(keys),
        tokens=[(*operation, custom) for operation, custom in fold.tokens.of.items()],
    )
    return msgspec.msgpack.encode(state)


def load(fold: "KpiWindows", octets: bytes) -> None:
    """Become the fold that `dump` was called on."""
    from streams.kpi_group import Group
    from streams.kpi_windows import Row, Window

    state = msgspec.msgpack.decode(octets, type=KpiState)
    nodes, keys = state.nodes, state.keys
    fold.counts.update(state.counts)
    fold.numbering.last = {(topic, partition): number for topic, partition, number in state.numbers}
    fold.taken.last = state.taken
    fold.taken.forgiven = None if state.forgiven is None else set(state.forgiven)
    fold.sights = {nodes[one]: sight for one, sight in state.sights}
    fold.closed = {(nodes[one], width_s): runs for one, width_s, runs in state.closed}
    fold.published = {(width_s, start_us): when for width_s, start_us, when in state.published}
    fold.tokens.of = {(operation, producer_nf): custom for operation, producer_nf, custom in state.tokens}
    for slot, many in state.groups:
        groups = fold.groups[slot] = {}
        for key, address, port, sources, chosen in many:
            group = groups[keys[key], address, port] = Group()
            group.sources = {(nodes[one], vantage): counts for one, vantage, counts in sources}
            group.choose(tuple((nodes[one], vantage) for one, vantage in chosen))
    for width_s, start_us, rows, published in state.windows:
        window = fold.windows[width_s, start_us] = Window()
        window.published = {nodes[one]: when for one, when in published.items()}
        for key, node, counts, client, vantages, version in rows:
            window.rows[keys[key], nodes[node]] = Row(counts, client, vantages, version)
