"""Where access tokens are the custom: which operations of which NF type are asked for with them (TS 29.500 6.7.3).

Whether an API wants OAuth2 is its operator's choice, told to the NRF alone; what consumers do shows it. Counts are
halved each hour, so that a core that gives tokens up is believed after some.
"""

import msgspec

from streams.kpi_counts import WITH_TOKEN, WITHOUT_TOKEN, Counts
from streams.kpi_row import Key

MAX_OPERATIONS = 5_000  # kept by operation and NF type; the one met first goes first
LEAST = 20  # requests with a token
SHARE = 5  # at least one in so many bears one: a flood without tokens hides nothing before it is four times the rest
HOUR_US = 3_600_000_000
Operation = tuple[str | None, str | None]  # and the NF type that is asked for it


class Custom(msgspec.Struct, array_like=True):
    """Requests of the last hours with and without token, as of the hour since the epoch."""

    hour: int = 0
    borne: int = 0
    missing: int = 0


class Tokens:
    """What all consumers did, by operation and producing NF type."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.of: dict[Operation, Custom] = {}

    def count(self, key: Key, window_start_us: int, counts: Counts) -> None:
        """Take what is counted of a key in a window."""
        borne, missing = counts.counters[WITH_TOKEN], counts.counters[WITHOUT_TOKEN]
        operation = key.operation, key.producer_nf
        custom = self.of.get(operation)
        if custom is None and borne <= 0:
            return  # without a token there is no custom: such cores cost nothing
        if custom is None:
            while len(self.of) >= MAX_OPERATIONS:
                del self.of[next(iter(self.of))]
            custom = self.of[operation] = Custom(window_start_us // HOUR_US)
        hours = min(max(window_start_us // HOUR_US - custom.hour, 0), 63)
        custom.hour += hours
        custom.borne = (custom.borne >> hours) + borne
        custom.missing = (custom.missing >> hours) + missing

    def are_expected(self, key: Key) -> bool:
        """Tell whether requests of a key should bear a token."""
        custom = self.of.get((key.operation, key.producer_nf))
        return custom is not None and custom.borne >= LEAST and custom.borne * SHARE >= custom.borne + custom.missing
