"""What stands before the events of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the events of an SbiEventBatch, as far as pairing needs it; names as in the schema."""

    site: str
    node: str
    shard: int
    incarnation: str
    sequence: int
    watermark_us: int
    final: bool
    loss: Mapping[str, int]
    clock_us: int
