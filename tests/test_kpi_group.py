"""streams/kpi_slots.py: in whatever order cells and promises come, what counts is what all together say should."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kpi_counts import AT_EDGE, Counts, add_to
from streams.kpi_delta import Cell
from streams.kpi_group import Group, View, asker
from streams.kpi_row import Key, Node
from streams.kpi_sight import FOREVER_US
from streams.kpi_slots import Slots

KEYS = [Key("A", consumer, "UDM", None, None, None, None, False) for consumer in ("AMF", None)]
TOLD = st.tuples(
    st.integers(0, 3),  # node
    st.sampled_from(["client", "server", "wire"]),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "127.0.0.1"]),  # who asks
    st.sampled_from(KEYS),
    st.sampled_from(["10.1.0.1", "10.1.0.2"]),  # who answers
    st.integers(0, 9),  # requests
    st.integers(0, 2),  # of them at the edge
)
Row = tuple[Key, Node, str]


def node(number: int) -> Node:
    return Node("lab", str(number))


def counts(requests: int, at_edge: int) -> Counts:
    made = Counts()
    made.counters[0], made.counters[AT_EDGE] = requests, min(requests, at_edge)
    made.latencies = {7: requests} if requests else {}
    return made


class Recorder:
    """Sums up what counts (streams.kpi_slots.Sums)."""

    def __init__(self) -> None:
        self.rows: Counter[Row] = Counter()
        self.beside: Counter[tuple[Key, Node]] = Counter()

    def add(self, slot: int, key: Key, seen: Node, vantage: str, more: Counts, sign: int) -> None:
        self.rows[key, seen, vantage] += sign * more.requests

    def add_beside(self, slot: int, key: Key, seen: Node, more: Counts, sign: int) -> None:
        self.beside[key, seen] += sign * sum(more.latencies.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(TOLD, min_size=1, max_size=24), st.randoms(use_true_random=False))
def test_in_any_order_the_same_sight_counts(
    told: list[tuple[int, str, str, Key, str, int, int]], chance: object
) -> None:
    groups: dict[object, Group] = defaultdict(Group)
    recorder = Recorder()
    slots = Slots(recorder)
    for number, vantage, client, key, server, requests, at_edge in told:
        view = View(node(number), vantage, server, 80)
        cell = Cell(0, key, vantage, server, 80, client, counts(requests, at_edge))
        slots.add(0, node(number), cell, 0)
        slots.decide()
        keys = groups[asker("A", client, server, node(number))].views.setdefault(view, {})
        keys.setdefault(key, Counts()).add(cell.counts)
    nodes = sorted({one[0] for one in told})
    chance.shuffle(nodes)  # type: ignore[attr-defined]
    for number in nodes:
        slots.reached(node(number), FOREVER_US)
        slots.decide()
    wanted: Counter[Row] = Counter()
    for group in groups.values():
        for view in group.most_trusted(True):
            for key, one in group.views[view].items():
                wanted[key, view.node, view.vantage] += one.requests
    assert +recorder.rows == +wanted
    assert min(recorder.rows.values()) >= 0 and min(recorder.beside.values(), default=0) >= 0
    counts_servers = any(vantage == "server" for _, _, vantage in recorder.rows)
    assert counts_servers or not +recorder.beside  # client durations stand beside a server end that counts


@settings(max_examples=200, deadline=None)
@given(st.lists(TOLD, min_size=1, max_size=24))
def test_no_sight_that_shows_less_is_preferred_but_for_its_edges(
    told: list[tuple[int, str, str, Key, str, int, int]],
) -> None:
    group = Group()
    for number, vantage, _, key, server, requests, at_edge in told:
        view = View(node(number), vantage, server, 80)
        group.views.setdefault(view, {}).setdefault(key, Counts()).add(counts(requests, at_edge))
    by_vantage: Counter[str] = Counter()
    for view in group.most_trusted(True):
        by_vantage[view.vantage] += sum(one.requests for one in group.views[view].values())
    assert len({view.vantage for view in group.most_trusted(True)}) == 1
    for vantage in ("client", "server"):
        views = [keys for view, keys in group.views.items() if view.vantage == vantage]
        shown = sum(one.requests for keys in views for one in keys.values())
        edges = sum(one.counters[AT_EDGE] for keys in views for one in keys.values())
        assert by_vantage.total() >= shown - edges


def counted(requests: int, at_edge: int) -> Counts:
    counts = Counts()
    counts.counters[0], counts.counters[AT_EDGE] = requests, at_edge
    return counts


def test_a_sight_counts_also_where_more_was_taken_from_its_edge_than_was_told_of_it() -> None:
    """As where the first part of a correction is lost."""
    node, key = Node("", "n1"), Key("Nudm_SDM_Get", None, None, None, None, None, None, False)
    server, client = (View(node, vantage, "10.0.0.1", 80) for vantage in ("server", "client"))
    group = Group({server: {key: counted(7, -3)}, client: {key: counted(5, -2)}})
    assert list(group.most_trusted(True)) == [server]


def test_what_is_taken_away_again_leaves_nothing_but_the_maximum() -> None:
    more = counted(7, 2)
    more.maximum_us, more.latencies, more.failures = 41, {3: 5, 9: 2}, {"404": 3}
    sums = [Counts(), counted(11, 0)]
    add_to(sums, more, 1)
    assert (sums[1].requests, sums[1].latencies, sums[1].failures) == (18, {3: 5, 9: 2}, {"404": 3})
    add_to(sums, more, -1)
    assert (sums[0].is_nothing, sums[0].maximum_us, sums[1].requests) == (True, 41, 11)
