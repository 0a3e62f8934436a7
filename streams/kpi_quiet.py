"""Which keys fell silent: their next minutes are told with nothing in them, by KPIs of zeros.

Silence is no message. Who waits for a key, in a partition of sbi.kpis where nothing else tells the time, could not tell
its silence from a stage that is behind. A row of nothing is a KPI like any other, so nobody has to know of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from streams.kpi_row import Key, Node, other
from streams.kpi_sight import FOREVER_US

MINUTE_S = 60  # the windows that the rules of absence are about (schemas/alert_rules.yaml; a test holds it)
MINUTE_US = MINUTE_S * 1_000_000
HEARD = 3  # minutes that a key must have had something in, in a row at first, before its silence is told
TOLD = 5  # minutes of nothing that are told of a key, one more than a rule of absence waits for; then it is forgotten
LEAP_US = 3_600_000_000  # time that passed at once, or went back, by which what was before is forgotten
MAX_KEYS = 20_000  # remembered of all nodes; of what comes then no silence is told


class Heard(msgspec.Struct, array_like=True):
    """A key of a node: minutes with something, minutes of nothing told since the last of them, which end counted."""

    minutes: int = 0
    told: int = 0
    vantage: str = ""


@dataclass(slots=True)
class Expected:
    """What is expected of a node, and the end of the last minute that was looked at."""

    until_us: int
    keys: dict[Key, Heard] = field(default_factory=dict)


class Quiet:
    """The keys of all nodes of which something may be missed."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.of: dict[Node, Expected] = {}

    def begins(self, node: Node, since_us: int) -> None:
        """Take note of a collector of a node that began then.

        Where that is well before what was looked at, a clock was ahead that is no more: that is looked at again.
        """
        expected = self.of.get(node)
        if expected is not None and expected.until_us - since_us > MINUTE_US:
            self.of[node] = Expected(_whole_minute(since_us))

    def minutes(self, node: Node, since_us: int, ready_us: int) -> range:
        """Return the begins of the minutes that a node's collectors, there since `since_us`, now vouch for.

        Each comes once. Where no collector is left, nothing is expected any more.
        """
        if ready_us >= FOREVER_US:
            self.forget(node)
            return range(0)
        reached_us = ready_us // MINUTE_US * MINUTE_US
        expected = self.of.get(node)
        if expected is None or abs(reached_us - expected.until_us) > LEAP_US:
            expected = self.of[node] = Expected(max(_whole_minute(since_us), reached_us - LEAP_US))
        before_us, expected.until_us = expected.until_us, max(expected.until_us, reached_us)
        return range(before_us, expected.until_us, MINUTE_US)

    def missing(self, node: Node, asked: Mapping[Key, str]) -> list[tuple[Key, Heard]]:
        """Note what had requests in a minute that was seen whole, by the end that counted; return what had none."""
        keys = self.of[node].keys
        found: list[tuple[Key, Heard]] = []
        for key, heard in list(keys.items()):
            if key in asked:
                continue
            if heard.minutes < HEARD or heard.told >= TOLD:
                del keys[key]
            else:
                heard.told += 1
                found.append((key, heard))
        self._hear(keys, asked)
        return found

    def forget(self, node: Node) -> None:
        """Nothing is expected of a node."""
        self.of.pop(node, None)

    def give_up(self, node: Node, key: Key) -> None:
        """Expect a key of a node no more: it goes on elsewhere."""
        del self.of[node].keys[key]

    def _hear(self, keys: dict[Key, Heard], asked: Mapping[Key, str]) -> None:
        room = MAX_KEYS - sum(len(one.keys) for one in self.of.values())
        for key, vantage in asked.items():
            heard = keys.get(key)
            if heard is None:
                if key.to_proxy or key == other(key) or room <= 0:
                    continue
                heard = keys[key] = Heard()
                room -= 1
            heard.minutes, heard.told, heard.vantage = min(heard.minutes + 1, HEARD), 0, vantage


def _whole_minute(since_us: int) -> int:
    """Return the begin of the first minute that lies wholly after a time."""
    return -(-since_us // MINUTE_US) * MINUTE_US
