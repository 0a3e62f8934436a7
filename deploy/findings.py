"""What `sbiscope doctor` reports: one finding a line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is as it should be, what was seen, and what to do about it."""

    name: str
    is_fine: bool
    seen: str
    advice: str = ""
