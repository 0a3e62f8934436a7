"""Whether the next message of a partition may be taken: offsets follow one another, or something is said about it."""

from streams.runtime.link import Broken


def admit(wanted: int, offset: int, log_start: int) -> int | None:
    """Return how many messages are lost before the one at `offset`, which is to be taken; None: it was taken before.

    `wanted` is the offset that should come. `log_start` is asked for only behind a hole (any value otherwise): messages
    are lost where retention passed the place that was committed. Raises Broken for a hole in a log that has its middle.
    """
    if offset < wanted:
        return None
    if offset == wanted:
        return 0
    if offset <= log_start:
        return offset - wanted
    raise Broken(f"offsets jumped from {wanted} to {offset}, and the log begins at {log_start}")
