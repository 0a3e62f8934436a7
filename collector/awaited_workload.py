"""Which connections began before it was known what their process is part of, and when that is asked for again."""

from collections.abc import Callable

from collector.message import NOWHERE
from collector.workload import Caller, Workload

MOST_WAITING = 4_096  # connections; those of the longest waiting caller leave first
MOST_ASKED = 64  # callers a turn, as every answer is waited for
ASK_NS = 125_000_000  # until it is asked for again; then twice as long, and so on
LONGEST_ASK_NS = 32_000_000_000


class AwaitedWorkloads:
    """Asks `workload_of` for each caller that waits, and lets `attribute` tell its connections what came of it.

    A workload is awaited until it is whole. `attribute` returns False for a connection that is not open any more.
    """

    def __init__(self, workload_of: Callable[[Caller], Workload], attribute: Callable[[int, Workload], bool]) -> None:
        """Nothing waits."""
        self._workload_of = workload_of
        self._attribute = attribute
        self._waiting: dict[Caller, dict[int, None]] = {}
        self._count = 0
        self._turn: list[Caller] = []  # still to be asked in this round
        self._before = 0  # what waited as the round began
        self._ask_ns = ASK_NS
        self._asks_at_ns = 0

    def __len__(self) -> int:
        """How many connections wait."""
        return self._count

    def wait(self, key: int, caller: Caller, now_ns: int) -> None:
        """Note that the workload of `key` is to be asked for again, soon; those that wait already are not put off."""
        due_ns = now_ns + ASK_NS
        if not self._waiting or due_ns < self._asks_at_ns:
            self._asks_at_ns = due_ns
        self._ask_ns = ASK_NS
        keys = self._waiting.setdefault(caller, {})
        self._count += key not in keys
        keys[key] = None
        if self._count > MOST_WAITING:
            oldest = next(iter(self._waiting))
            self._drop(oldest, next(iter(self._waiting[oldest])))

    def told(self, caller: Caller, workload: Workload) -> None:
        """Let the connections of `caller` that wait have this workload."""
        for key in list(self._waiting.get(caller, ())):
            if not self._attribute(key, workload) or workload.is_whole:
                self._drop(caller, key)

    def settle(self, now_ns: int) -> None:
        """Ask for some of what is due by `now_ns`; the less comes of a round, the later is the next one."""
        if not self._turn:
            if not self._waiting or now_ns < self._asks_at_ns:
                return
            self._turn, self._before = list(self._waiting), self._count
        asked, self._turn = self._turn[:MOST_ASKED], self._turn[MOST_ASKED:]
        for caller in filter(self._waiting.__contains__, asked):
            workload = self._workload_of(caller)
            if workload is NOWHERE:
                self._turn = []  # who is asked has no time
                break
            self.told(caller, workload)
        if not self._turn:
            self._ask_ns = ASK_NS if self._count < self._before else min(2 * self._ask_ns, LONGEST_ASK_NS)
            self._asks_at_ns = now_ns + self._ask_ns

    def _drop(self, caller: Caller, key: int) -> None:
        del self._waiting[caller][key]
        self._count -= 1
        if not self._waiting[caller]:
            del self._waiting[caller]
