"""A table bounded in entries and time: what was used longest ago goes first."""

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Keeps at most `most` entries, none longer than `kept_us` of event time after its last use."""

    def __init__(self, most: int, kept_us: int) -> None:
        self._most = most
        self._kept_us = kept_us
        self._entries: dict[Key, tuple[Value, int]] = {}
        self.evicted = 0  # entries that went for want of room, not of age

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now_us: int) -> Value | None:
        """Return the value of `key` and count it as used; None if there is none or it is too old."""
        entry = self._entries.pop(key, None)
        if entry is None or now_us - entry[1] > self._kept_us:
            return None
        self._entries[key] = (entry[0], max(now_us, entry[1]))
        return entry[0]

    def put(self, key: Key, value: Value, now_us: int) -> None:
        """Set the value of `key`; too old or too many others go."""
        self._entries.pop(key, None)
        self._entries[key] = (value, now_us)
        for _ in range(2):
            oldest = next(iter(self._entries))
            too_old = now_us - self._entries[oldest][1] > self._kept_us
            if not too_old and len(self._entries) <= self._most:
                break
            del self._entries[oldest]
            self.evicted += not too_old

    def pop(self, key: Key) -> Value | None:
        """Take the value of `key` out."""
        entry = self._entries.pop(key, None)
        return entry[0] if entry is not None else None
