# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""A table bounded in entries and time: what was used longest ago goes first."""

from typing import Any

import cython


@cython.no_gc  # a table's owner is in none of its values
@cython.freelist(64)
@cython.final
@cython.cclass
class Entry:
    """A value, and when it was used last."""

    def __init__(self, value: Any, used_us: cython.longlong) -> None:
        self.value = value
        self.used_us = used_us


@cython.cfunc
def _entry(value: Any, used_us: cython.longlong) -> Entry:
    entry: Entry = Entry.__new__(Entry)  # a quarter of the time of a call of the class
    entry.value = value
    entry.used_us = used_us
    return entry


@cython.final
@cython.cclass
class Recent:
    """Keeps at most `most` entries, none longer than `kept_us` of event time after its last use."""

    def __init__(self, most: int, kept_us: int) -> None:
        self._most = most
        self._kept_us = kept_us
        self._entries: dict[Any, Entry] = {}
        self._since_us = 0  # the oldest entry is hardly older: until then none need be looked at
        self.evicted = 0  # entries that went for want of room, not of age

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Any, now_us: cython.longlong) -> Any:
        """Return the value of `key` and count it as used; None if there is none or it is too old."""
        entry: Entry | None = self._entries.get(key)
        if entry is None:
            return None
        del self._entries[key]
        if now_us - entry.used_us > self._kept_us:
            return None
        entry.used_us = max(now_us, entry.used_us)
        self._entries[key] = entry
        return entry.value

    def put(self, key: Any, value: Any, now_us: cython.longlong) -> None:
        """Set the value of `key`; too old or too many others go."""
        count: cython.Py_ssize_t = len(self._entries)
        if count == 0:
            self._since_us = now_us
        entry: Entry = _entry(value, now_us)
        self._entries[key] = entry
        if len(self._entries) == count:  # it stood there already: its place is the last
            del self._entries[key]
            self._entries[key] = entry
        if now_us - self._since_us > self._kept_us or len(self._entries) > self._most:
            self._drop(now_us)

    def _drop(self, now_us: cython.longlong) -> None:
        """Let the oldest go, at most two of them, so that no call takes long."""
        for _ in range(2):
            oldest = next(iter(self._entries))
            entry: Entry = self._entries[oldest]
            self._since_us = entry.used_us
            too_old: cython.bint = now_us - entry.used_us > self._kept_us
            if not too_old and len(self._entries) <= self._most:
                break
            del self._entries[oldest]
            self.evicted += not too_old

    def pop(self, key: Any) -> Any:
        """Take the value of `key` out."""
        entry: Entry | None = self._entries.pop(key, None)
        return entry.value if entry is not None else None
