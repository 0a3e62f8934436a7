"""Places that wait to be told: those who watch a cluster change its state one at a time, one who tells takes what came.

Of one row the last telling counts, so no more is told than that; who adds waits while too much is there.
"""

import threading
from collections.abc import Callable, Iterator

from streams.places import Place

MOST = 2_000  # about; while more wait, so does who changes something
WAIT_S = 1.0

Row = tuple[str, int, str]


class WaitingPlaces:
    """What is to be told; under its lock alone the state changes."""

    def __init__(self) -> None:
        self._taken = threading.Condition()
        self._by_row: dict[Row, Place] = {}

    def change(self, act: Callable[[], list[Place]]) -> None:
        """Change the state by `act`, and let what that has to tell wait."""
        with self._taken:
            while len(self._by_row) >= MOST:
                self._taken.wait(WAIT_S)
            self._by_row.update(_rows(act()))

    def take(self, more: Callable[[], list[Place]] = list) -> list[Place]:
        """Return what waits, each row once, as it was told last; `more`: what of the state is to be told anyway."""
        with self._taken:
            taken, self._by_row = self._by_row, {}
            taken.update(_rows(more()))
            self._taken.notify_all()
        return list(taken.values())


def _rows(places: list[Place]) -> Iterator[tuple[Row, Place]]:
    return (((place.address, place.since_us, place.uid), place) for place in places)
