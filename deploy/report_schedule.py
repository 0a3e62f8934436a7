"""When a scheduled report is due, and of which period."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter

from schemas.refusal import Refusal

SETTLE_S = 120  # a request may wait 60 s for its answer, and its row some seconds for ClickHouse


@dataclass(frozen=True, slots=True)
class Due:
    """One report: its period, from one time of the schedule to the next, and when it may be made; microseconds."""

    start_us: int
    stop_us: int
    at_us: int


def due(expression: str, now_us: int) -> Iterator[Due]:
    """Yield the reports due after `now_us`, without end; in UTC. Raises Refusal where it is no cron expression."""
    try:
        times = croniter(expression, datetime.fromtimestamp(now_us / 1e6, UTC))
        start = times.get_prev(datetime)
        times.set_current(start)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refusal("not a schedule", expression, "write a cron expression, as '0 6 * * 1'") from error
    while True:
        stop = times.get_next(datetime)
        yield Due(_us(start), _us(stop), _us(stop) + SETTLE_S * 1_000_000)
        start = stop


Now = Callable[[], int]
Wait = Callable[[float], bool]


def follow(cron: str, now_us: Now, wait: Wait, make: Callable[[Due], None]) -> None:
    """Make each report when it is due, until `wait` (seconds) says that it was woken."""
    for one in due(cron, now_us()):
        if wait(max(0.0, (one.at_us - now_us()) / 1e6)):
            return
        make(one)


def _us(when: datetime) -> int:
    return round(when.timestamp()) * 1_000_000
