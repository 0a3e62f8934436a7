"""How links are closed: the kernel waits for calls underway, 50 to 100 ms for each link, but for many at once."""

import _thread
import os

MOST_CLOSING = 16  # at a time


class Closing:
    """Links that are to be closed, which waits for calls underway; nothing shall be attached before they are."""

    def __init__(self) -> None:
        self._links: list[int] = []
        self._underway: list[_thread.LockType] = []

    def add(self, links: list[int]) -> None:
        """Take links out of a list, to be closed."""
        self._links += links
        links.clear()

    def begin(self) -> None:
        """Close what was added, some at a time, behind those that are being closed."""
        if not self._links:
            return
        self._join()
        taken, self._links = self._links, []
        for links in filter(None, (taken[first::MOST_CLOSING] for first in range(MOST_CLOSING))):
            done = _thread.allocate_lock()
            done.acquire()
            try:
                _thread.start_new_thread(_close, (links, done))
            except RuntimeError:  # no thread to be had
                _close(links, done)
            self._underway.append(done)

    def wait(self) -> None:
        """Return when all are closed."""
        self.begin()
        self._join()

    def _join(self) -> None:
        while self._underway:
            self._underway.pop().acquire()


def _close(links: list[int], done: _thread.LockType) -> None:
    try:
        for link in links:
            os.close(link)
    finally:
        done.release()
