"""Whose sight of a producer endpoint counts: ends are never added up (DESIGN 8).

The server end if its collectors saw all of the time, else the wire, else the client end. Each exchange has one client
and one server end, so sights from the same end of several nodes are of different exchanges and are summed. Two wires
may show the same exchanges: the one that shows most counts, but for loopback addresses, which each node has its own of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from streams.kpi_counts import Counts
from streams.kpi_row import Key, Node

Source = tuple[Node, str]  # who saw, from which vantage
Endpoint = tuple[Key, str, int]  # what was asked, server address and port
TRUST = {"client": 1, "wire": 2, "server": 3}


@dataclass(slots=True)
class Group:
    """What was seen of one key at one endpoint in 10 s, by who saw it; the counts of the chosen ones are used."""

    sources: dict[Source, Counts] = field(default_factory=dict)
    chosen: tuple[Source, ...] = ()
    counted: set[Source] = field(default_factory=set)  # those chosen, to be found fast where many nodes see one end

    def choose(self, best: tuple[Source, ...]) -> None:
        """Let these sources count."""
        self.chosen, self.counted = best, set(best)

    def is_extended_by(self, endpoint: Endpoint, source: Source, saw_all: Callable[[Node], bool]) -> bool | None:
        """Tell whether a new source counts beside the chosen ones; None where all must be compared anew.

        Most endpoints have one sight, of clients on many nodes or of the server alone; looking at all sources for each
        new one would cost the square of the nodes.
        """
        vantage = source[1]
        if not self.chosen or (vantage == "wire" and not _is_loopback(endpoint[1])):
            return None
        if self.chosen[0][1] == vantage and len(self.chosen) == len(self.sources) - 1:
            return True
        if self.chosen[0][1] == "server" != vantage and all(saw_all(node) for node, _ in self.chosen):
            return False
        return None


def most_trusted(endpoint: Endpoint, group: Group, saw_all: Callable[[Node], bool]) -> tuple[Source, ...]:
    """Return the sources of a group that count."""
    if len(group.sources) == 1:
        return tuple(group.sources)
    sights = [
        tuple(source for source in group.sources if source[1] == vantage)
        for vantage in dict.fromkeys(vantage for _, vantage in group.sources)
    ]
    if not _is_loopback(endpoint[1]):
        sights = [
            one for sight in sights for one in ([(wire,) for wire in sight] if sight[0][1] == "wire" else [sight])
        ]

    def trust(sight: tuple[Source, ...]) -> tuple[bool, int, int, Source]:
        requests = sum(group.sources[source].requests for source in sight)
        return all(saw_all(node) for node, _ in sight), TRUST[sight[0][1]], requests, sight[0]

    return max(sights, key=trust)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
