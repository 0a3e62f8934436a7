"""The observer's knowledge of workloads: it may not look into /proc, so it asks the supervisor, seldom."""

import time
from collections import OrderedDict
from collections.abc import Callable

from collector.channel import Answer, Ask, Channel
from collector.message import NOWHERE
from collector.workload import Caller, Workload

MOST_CALLERS = 16_384
FRESH_S = 30.0
SOON_S = 0.5  # of what is not whole: the API server tells of a pod some time after it has begun
WAIT_S = 1.0  # then the connection begins without, and is told of it later; the ring goes on filling meanwhile
MOST_LATE = 4_096  # questions whose answers are still out
SHORT_WAIT_S = 0.05  # while the supervisor does not answer at all


class AskedWorkload:
    """Answers of the supervisor, kept a while; the oldest leaves first."""

    def __init__(self, channel: Channel, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Ask over `channel`; what else comes meanwhile is left there."""
        self._channel = channel
        self._clock_s = clock_s
        self._known: OrderedDict[Caller, tuple[float, Workload]] = OrderedDict()
        self._late: OrderedDict[int, Caller] = OrderedDict()
        self._number = 0
        self.unanswered = 0
        self._wait_s = WAIT_S

    def of(self, caller: Caller) -> Workload:
        """Return what `caller` is part of; nothing known where the supervisor is too busy to say. Raises Closed."""
        until_s, workload = self._known.get(caller, (0.0, NOWHERE))
        if until_s < self._clock_s():
            answer = self._ask(caller)
            if answer is None:  # not to be remembered: the next connection asks again
                return NOWHERE
            workload = answer
            self._learn(caller, workload)
        return workload

    def late(self, answer: Answer) -> Caller | None:
        """Take an answer that was not waited for; return whom it is of, None if that was not asked or is forgotten."""
        caller = self._late.pop(answer.number, None)
        if caller is not None:
            self._learn(caller, answer.workload)
        return caller

    def _learn(self, caller: Caller, workload: Workload) -> None:
        self._known[caller] = (self._clock_s() + (FRESH_S if workload.is_whole else SOON_S), workload)
        self._known.move_to_end(caller)
        if len(self._known) > MOST_CALLERS:
            self._known.popitem(last=False)

    def _ask(self, caller: Caller) -> Workload | None:
        self._number += 1
        self._channel.send(Ask(self._number, caller))
        until_s = self._clock_s() + self._wait_s
        others = []
        answer: Workload | None = None
        while (left_s := until_s - self._clock_s()) > 0:
            message = self._channel.receive(left_s)
            if isinstance(message, Answer) and message.number == self._number:
                answer = message.workload
                break
            if message is not None:
                others.append(message)
        else:
            self.unanswered += 1
            self._late[self._number] = caller
            if len(self._late) > MOST_LATE:
                self._late.popitem(last=False)
        self._wait_s = SHORT_WAIT_S if answer is None else WAIT_S
        for message in others:
            self._channel.push_back(message)
        return answer
