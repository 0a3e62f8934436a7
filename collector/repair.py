"""Repair by meaning: names and values that were not read but follow from others; always marked as inferred."""

from collector.halves import Message
from collector.message import Endpoints


class Repair:
    """Mends the messages of one shard, between `Connections.take` and their meaning.

    What it fills in is written to `Message.headers` in place, so a response's request, which shares the list, is
    mended with it. The names filled in are added to `Message.inferred` and leave `Message.missing`, the fields leave
    `Message.unknown`; `header_state` stays what was proved. A message of state EXACT is never touched.
    """

    def mend(self, taken: list[tuple[Endpoints, Message]]) -> None:
        """Mend the messages of one `take`, in their order; what a later one discloses counts for the earlier ones."""
