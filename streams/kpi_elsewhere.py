"""Whether requests that stayed away at a node go on elsewhere: at another node of its site, or under another name.

A pod moves, the other end of its connections gets an agent, or what was not known of a request becomes known: the key
at the node ends, and what it was about does not. A name is taken for another of the same where each field is alike or
not known in one of the two, and where it is new: what stood beside the key before is somebody else.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from streams.kpi_quiet import MINUTE_S, MINUTE_US
from streams.kpi_row import Key, Node
from streams.kpi_window import Window

BEFORE = 2  # minutes before the silence in which a new name has nothing yet; in the last both may have something
Known = tuple[bool, ...]  # which fields of a key are known, in their order


class Elsewhere:
    """What had requests in the minutes that are open; for one look at them, no request may be added meanwhile."""

    def __init__(self, windows: Mapping[tuple[int, int], Window]) -> None:
        """`windows`: by length in seconds and start."""
        self._windows = windows
        self._new: dict[tuple[int, int], Names] = {}

    def has(self, key: Key, node: Node, first_us: int, last_us: int) -> bool:
        """Tell whether what a key is of goes on, that had nothing at a node in the minutes from one to another."""
        return any(
            self._is_at_another(key, node, at_us) or self._names(at_us, first_us).have_alike(key, node.site)
            for at_us in range(first_us, last_us + 1, MINUTE_US)
        )

    def _is_at_another(self, key: Key, node: Node, at_us: int) -> bool:
        return any(
            other != node and other.site == node.site and key in rows and rows[key].counts.requests > 0
            for other, rows in self._minute(at_us).rows.items()
        )

    def _names(self, at_us: int, first_us: int) -> "Names":
        """Return who asked in a minute, and not before a silence that began then."""
        found = self._new.get((at_us, first_us))
        if found is None:
            found = self._new[at_us, first_us] = Names(self._began(at_us, first_us - BEFORE * MINUTE_US))
        return found

    def _began(self, at_us: int, before_us: int) -> Iterator[tuple[str, Key]]:
        for node, rows in self._minute(at_us).rows.items():
            for key, row in rows.items():
                if row.counts.requests and not self._asked(key, node, before_us):
                    yield node.site, key

    def _asked(self, key: Key, node: Node, at_us: int) -> bool:
        row = self._minute(at_us).rows.get(node, {}).get(key)
        return row is not None and row.counts.requests > 0

    def _minute(self, at_us: int) -> Window:
        return self._windows.get((MINUTE_S, at_us)) or Window()


class Names:
    """Keys by what is known of them: asking for one costs a look for each kind there is, however many keys."""

    def __init__(self, names: Iterable[tuple[str, Key]]) -> None:
        """`names`: by site."""
        self._by_known: dict[Known, list[tuple[str, Key]]] = defaultdict(list)
        self._shared: dict[tuple[Known, Known], set[tuple[object, ...]]] = {}
        for site, key in names:
            self._by_known[_known(key)].append((site, key))

    def have_alike(self, key: Key, site: str) -> bool:
        """Tell whether there is one of a site that differs only in what one of the two does not know."""
        mine = _known(key)
        return any((site, *_of(key, mine, theirs)) in self._those(theirs, mine) for theirs in self._by_known)

    def _those(self, theirs: Known, mine: Known) -> set[tuple[object, ...]]:
        found = self._shared.get((theirs, mine))
        if found is None:
            named = self._by_known[theirs]
            found = self._shared[theirs, mine] = {(site, *_of(key, mine, theirs)) for site, key in named}
        return found


def _known(key: Key) -> Known:
    """Return what is known; that the operation is not is a thing to know of a key."""
    return True, *(value is not None for value in key[1:])


def _of(key: Key, mine: Known, theirs: Known) -> Iterator[object]:
    """Yield the fields of a key that are known of both."""
    return (value for value, *known in zip(key, mine, theirs, strict=True) if all(known))
