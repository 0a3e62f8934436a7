"""streams/kpi_group.py: which sight of an endpoint counts is the same, whether looked at anew or source by source."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kpi_counts import Counts
from streams.kpi_group import Endpoint, Group, most_trusted
from streams.kpi_row import Key, Node

KEY = Key("A", "AMF", "UDM", None, None, None, None, False)
SIGHTS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["client", "server", "wire"]), st.integers(0, 9)),
    unique_by=lambda one: one[:2],
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(SIGHTS, st.sets(st.integers(0, 6)), st.sampled_from(["10.0.1.1", "127.0.0.1"]))
def test_source_by_source_is_as_all_at_once(sights: list[tuple[int, str, int]], blind: set[int], address: str) -> None:
    """Each: (node, vantage, requests it sees afterwards); nodes in `blind` did not see all of the time."""
    endpoint: Endpoint = KEY, address, 80

    def saw_all(node: Node) -> bool:
        return int(node.node) not in blind

    group = Group()
    for number, vantage, requests in sights:
        source = Node("lab", str(number)), vantage
        group.sources[source] = Counts()
        extended = group.is_extended_by(endpoint, source, saw_all)
        wanted = set(most_trusted(endpoint, group, saw_all))
        if extended is None:
            group.choose(most_trusted(endpoint, group, saw_all))
        elif extended:
            group.choose((*group.chosen, source))
        assert set(group.chosen) == group.counted == wanted
        group.sources[source].counters[0] = requests
        if len(group.sources) > 1 and vantage == "wire":
            group.choose(most_trusted(endpoint, group, saw_all))
