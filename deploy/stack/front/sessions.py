"""Sessions: handles that outlive their request, with settings and temporary tables, until they were idle long."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.stack.front.engine import Handle, refused

MOST, LONGEST_S, USUAL_S = 100, 3_600, 60


@dataclass(slots=True)
class _Session:
    handle: Handle
    busy: bool = True
    expiry: asyncio.TimerHandle | None = None


class Sessions:
    """The sessions of the writer, by name."""

    def __init__(self) -> None:
        self._open: dict[str, _Session] = {}

    @contextmanager
    def session(self, name: str, make: Callable[[], Handle], own: dict[str, str]) -> Iterator[Handle]:
        """Give a session's handle, made where there is none; raises EngineError when it is in use, or too many are."""
        one = self._open.get(name)
        if one is None:
            if own.get("session_check") == "1":
                raise refused(372, "SESSION_NOT_FOUND", f"Session {name} not found")
            if len(self._open) >= MOST:
                raise refused(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many sessions: {MOST}")
            one = self._open[name] = _Session(make())
        elif one.busy:
            raise refused(373, "SESSION_IS_LOCKED", f"Session {name} is locked by a concurrent client")
        if one.expiry is not None:
            one.expiry.cancel()
        one.busy = True
        try:
            yield one.handle
        finally:
            one.busy = False
            seconds = own.get("session_timeout", "")
            keep_s = min(int(seconds), LONGEST_S) if seconds.isdigit() else USUAL_S
            if own.get("close_session") == "1":
                self._end(name)
            else:
                one.expiry = asyncio.get_running_loop().call_later(keep_s, self._end, name)

    def _end(self, name: str) -> None:
        one = self._open.pop(name, None)
        if one is not None:
            one.handle.close()

    def close(self) -> None:
        """End all."""
        for name, one in list(self._open.items()):
            if one.expiry is not None:
                one.expiry.cancel()
            self._end(name)
