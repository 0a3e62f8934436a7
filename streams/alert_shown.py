"""Until when the windows of a node were shown, and by whom: what absence is held against.

A partition of the KPI stage (a writer) publishes a node's windows in the order of their ends, but no two keep step:
after an outage one may be minutes behind. So only later windows of its own writer tell that one stayed away. A KPI does
not name its writer; its operation does, since the pairing stage gives each operation to one (streams.kpi_cells).
"""

from streams.fold import zigzag
from streams.kpi_cells import partition_of

Place = tuple[str, str, int]  # site, node, length of the windows
ANYONE = -1
OTHER = "(other)"  # what each writer calls the keys that it did not keep apart
LONGEST = 63  # octets of an operation's name by which the pairing stage still places it; longer ones may be anywhere
REMEMBERED = 64  # windows of a place and writer


def writer_of(operation: str | None, writers: int) -> int | None:
    """Return which of so many partitions of the KPI stage tells of an operation; None where any of them may."""
    if operation is None:
        return partition_of(b"\0", writers)
    name = operation.encode()
    if operation == OTHER or len(name) > LONGEST:
        return None
    return partition_of(b"\2" + zigzag(len(name)) + name, writers)


class Shown:
    """The starts of the newest windows of each place, in order: those of one writer, and of anyone."""

    def __init__(self) -> None:
        self._starts: dict[Place, dict[int, list[int]]] = {}

    def goes_on(self, place: Place, writer: int, start_us: int, latest_us: int) -> list[int]:
        """Return the starts with a new one behind them; none where it is not new.

        `latest_us`: what was taken from beyond it (a release before took anything) does not count.
        """
        starts = self._starts.setdefault(place, {}).setdefault(writer, [])
        if starts and starts[-1] > latest_us:
            starts.clear()
        if starts and start_us <= starts[-1]:
            return []
        starts.append(start_us)
        del starts[:-REMEMBERED]
        return starts

    def forget(self, place: Place) -> None:
        """Nothing of a place is waited for any more."""
        self._starts.pop(place, None)

    def dump(self, of_anyone: bool) -> list[tuple[Place, int, list[int]]]:
        """Return what anyone showed, or what each writer did."""
        return [
            (place, writer, starts)
            for place, by in self._starts.items()
            for writer, starts in by.items()
            if (writer == ANYONE) == of_anyone
        ]

    def load(self, found: list[tuple[Place, int, list[int]]]) -> None:
        """Become what was dumped."""
        self._starts = {}
        for place, writer, starts in found:
            self._starts.setdefault(place, {})[writer] = starts
