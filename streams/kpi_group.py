"""Whose sight of a consumer's requests counts: ends are never added up (DESIGN 8).

A group is what one host asks of one operation in 10 s. It is seen at that host's own end, on wires, and at the ends of
all who answer it. The host's address is what both ends have alike, as in `exchange_key`: behind a Service's address the
server end knows its own alone, and which NF asked may be known at one end only.

Of the sights the server ends count, if together they show as many requests as any other; who shows fewer had no agent
at one of the ends, or lost some. Requests at the edges of the 10 s may lie before them at one end and in them at the
other; they decide nothing. On which end a sight counts before all who see the group have told theirs is a guess:
the server end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.kpi_counts import AT_EDGE, Counts
from streams.kpi_row import Key, Node

TRUST = {"client": 1, "wire": 2, "server": 3}


class Asker(NamedTuple):
    """Who asks for what; `node`: on a loopback address, which each node has its own of."""

    operation: str | None
    client_address: str
    node: Node | None


class View(NamedTuple):
    """Who sees it, from which vantage, being asked of which server."""

    node: Node
    vantage: str
    server_address: str
    server_port: int


@dataclass(slots=True)
class Group:
    """What is seen of one asker in 10 s, by view and key; the counts of the chosen views are used."""

    views: dict[View, dict[Key, Counts]] = field(default_factory=dict)
    chosen: dict[View, None] = field(default_factory=dict)
    beside: dict[tuple[View, Key], tuple[Key, Node]] = field(default_factory=dict)  # rows that client durations are in

    def is_extended_by(self, view: View) -> bool | None:
        """Tell whether a new view counts beside the chosen ones; None where all must be compared anew.

        Most groups have one sight; looking at all views for each new one would cost the square of them.
        """
        if not self.chosen or view.vantage == "wire":
            return None
        counting = next(iter(self.chosen)).vantage
        if counting == view.vantage:
            return True
        return False if counting == "server" else None

    def most_trusted(self, is_told: bool) -> dict[View, None]:
        """Return the views that are to count; `is_told`: all who see the group have told theirs."""
        sights = list(self._sights())
        if is_told and len(sights) > 1:
            richest = max(sights, key=self._requests)
            at_edge = sum(counts.counters[AT_EDGE] for counts in self._counts(richest))
            least = self._requests(richest) - max(at_edge, 0)  # less than none where what was corrected is lost
            sights = [sight for sight in sights if self._requests(sight) >= least]
        return max(sights, key=lambda sight: TRUST[next(iter(sight)).vantage])

    def row_beside(self, view: View, key: Key, is_told: bool) -> tuple[Key, Node] | None:
        """Return the row that the durations of a client's view stand beside: of who answered, where that is one.

        A server that the client asked by its own address and that tells the same key is certain. Behind a Service's
        address, or of another key, it is the only one there is, once all who see the group have told theirs.
        """
        servers = [one for one in self.chosen if one.vantage == "server"]
        asked = [one for one in servers if one[2:] == view[2:]]
        rows = {(key, one.node) for one in asked if key in self.views[one]}
        if not rows and is_told:
            rows = {(seen, one.node) for one in asked or servers for seen in self.views[one]}
            rows = {row for row in rows if row[0] == key} or rows
        return rows.pop() if len(rows) == 1 else None

    def _sights(self) -> Iterator[dict[View, None]]:
        """Yield the views that together could count: of server ends, of client ends, of wires the best at each server.

        Each exchange has one client and one server end, but many wires may show it.
        """
        for vantage in ("server", "client"):
            if sight := dict.fromkeys(view for view in self.views if view.vantage == vantage):
                yield sight
        best: dict[tuple[str, int], View] = {}
        for view in self.views:
            if view.vantage == "wire":
                kept = best.setdefault(view[2:], view)
                if (self._requests({view: None}), view.node) > (self._requests({kept: None}), kept.node):
                    best[view[2:]] = view
        if best:
            yield dict.fromkeys(best.values())

    def _requests(self, sight: dict[View, None]) -> int:
        return sum(counts.requests for counts in self._counts(sight))

    def _counts(self, sight: dict[View, None]) -> Iterator[Counts]:
        return (counts for view in sight for counts in self.views[view].values())


def asker(operation: str | None, client_address: str, server_address: str, node: Node) -> Asker:
    """Return who asks, as seen on a node."""
    is_local = _is_loopback(client_address) or _is_loopback(server_address)
    return Asker(operation, client_address, node if is_local else None)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
