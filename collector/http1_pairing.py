"""Which response of an HTTP/1.1 connection answers which request: order is all there is (RFC 9112 9.3)."""

from collections import deque
from dataclasses import dataclass

from collector.halves import Message
from collector.message import Limits

PROVING_TURNS = 4  # strict turns of request and answer after which a client is believed to wait for each answer


@dataclass(slots=True, eq=False)
class Asked:
    """A request that waits for its answer. `client_blind`, `server_blind`: octets of that end passed unseen since."""

    stream_id: int
    method: bytes
    message: Message | None = None
    held_bytes: int = 0
    client_blind: bool = False
    server_blind: bool = False


class Exchanges:
    """Pairs by position; ids are those HTTP/2 would give: 1, 3, 5 and so on.

    In step (followed from the start, nothing missing) the k-th response answers the k-th request. Out of step a client
    is taken for one that waits for each answer before it asks again, unless it was seen not to: an answer belongs
    to the one request that waits. Where two wait, either the client does not wait or an answer passed unseen; then none
    is paired until turns have been strict for a while.
    """

    def __init__(self, in_step: bool, limits: Limits) -> None:
        self.in_step = in_step
        self.waiting: deque[Asked] = deque()
        self._limits = limits
        self._held_bytes = 0
        self._begun = 0
        self._ahead = 0  # responses read before their requests
        self._owed = 0  # answers that may still come to requests given up
        self._turns = 0
        self._answered_last = False
        self._pipelines = False

    def request(self, method: bytes) -> tuple[Asked, list[Asked]]:
        """Begin a request; return it and those whose answer will not be known, itself perhaps."""
        if self._ahead:
            self._ahead -= 1
            return Asked(2 * (self._begun - self._ahead) - 1, method), []
        asked = Asked(self._new_id(), method)
        given_up = [] if self.in_step else self._doubted(asked)
        if asked not in given_up:
            self.waiting.append(asked)
        self._pipelines |= self.in_step and len(self.waiting) > 1
        self._answered_last = False
        return asked, given_up

    def remember(self, asked: Asked, message: Message, held_bytes: int) -> None:
        """Keep a request for its answer, its fields being worth `held_bytes`."""
        asked.message = message
        asked.held_bytes = held_bytes
        if self.waiting and self.waiting[-1] is asked:
            self._held_bytes += held_bytes

    def overflow(self) -> int:
        """Give up all that wait if they are too many or too large; return how many those were."""
        if len(self.waiting) <= self._limits.max_streams and self._held_bytes <= self._limits.max_open_bytes:
            return 0
        self.in_step = False
        self._pipelines |= len(self.waiting) > 1
        return len(self.give_up())

    def response(self) -> Asked | None:
        """Begin a response; return the request it answers, if that is known."""
        self._answered_last = True
        if self.waiting:
            asked = self.waiting.popleft()
            self._held_bytes -= asked.held_bytes
            return asked
        self._owed = max(0, self._owed - 1)
        return None

    def unasked(self) -> int:
        """Return the id of a response without a known request."""
        if self.in_step:
            self._ahead += 1
        return self._new_id()

    def lose(self, from_client: bool) -> list[Asked]:
        """Octets of one direction are missing; return the requests whose answer will not be known."""
        self.in_step = False
        self._ahead = 0
        for asked in self.waiting:
            asked.client_blind |= from_client
            asked.server_blind |= not from_client
        if not any(asked.server_blind for asked in self.waiting):
            return []  # answers are all in sight, and come in order
        if len(self.waiting) > 1 or self.waiting[0].client_blind:
            return self.give_up()
        return []

    def give_up(self) -> list[Asked]:
        """Await no answer any more; return the requests that did."""
        given_up = list(self.waiting)
        self.waiting.clear()
        self._held_bytes = 0
        return given_up

    def _doubted(self, asked: Asked) -> list[Asked]:
        """Return the requests whose answer is not known, now that another one is asked out of step."""
        if self._pipelines:
            return [*self.give_up(), asked]
        if self._owed:
            strict = self._owed == 1 and self._answered_last
            self._turns = self._turns + 1 if strict else 0
            if self._turns < PROVING_TURNS:
                self._owed += 1
                return [asked]
            self._owed = 0
        given_up = self.give_up()
        if not given_up or given_up[0].server_blind:
            return given_up  # what waited was answered unseen
        self._owed = len(given_up) + 1
        self._turns = 0
        return [*given_up, asked]

    def _new_id(self) -> int:
        self._begun += 1
        return 2 * self._begun - 1
