"""How long the observer keeps its core from others: within a turn it offers it after every few records and messages.

The scheduler lets a process have its slice (1.4 ms on two cores) even where a network function wakes meanwhile that
would come before it. Offering costs half a microsecond where nobody waits; where somebody does, what is left of the
slice is forfeited, so on a full machine the observer would fall behind: what a turn gives away is bounded.
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

PIECE = 16  # records or messages between two offers: a tenth to a fifth of a millisecond
AWAY_NS = 5_000_000  # given away in a turn, what the last offer takes beyond it not counted

T = TypeVar("T")


class Turn:
    """One turn after another: from waking until the ring is empty."""

    def __init__(
        self, offer: Callable[[], None] = os.sched_yield, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`offer` lets others have the core, and returns when they had it."""
        self._offer = offer
        self._clock_ns = clock_ns
        self._left_ns = AWAY_NS

    def begin(self) -> None:
        """Let a new one begin."""
        self._left_ns = AWAY_NS

    def offer(self) -> None:
        """Offer the core, as long as the turn may."""
        if self._left_ns > 0:
            before_ns = self._clock_ns()
            self._offer()
            self._left_ns -= self._clock_ns() - before_ns

    def pieces(self, things: list[T]) -> Iterator[list[T]]:
        """Give `things` a few at a time, and offer the core behind each piece."""
        for at in range(0, len(things), PIECE):
            yield things[at : at + PIECE]
            self.offer()
