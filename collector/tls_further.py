"""Which processes are followed by what they hand to libnghttp2: those that map it and nothing else that shows TLS.

Probes stand in a file, so all that map one meet them: a file is probed only while such a process lives. Few nodes have
one, so what reads its file is imported when one is met: a third of a megabyte.
"""

import os
import re
import time
from collections.abc import Iterable
from typing import BinaryIO, Protocol

from collector.linking import is_linked
from collector.record import HTTP2_FOLLOWED
from collector.tls_files import Code, open_code
from collector.tls_library import TlsCode

LINKED_S = 0.1  # a program is linked in milliseconds; one that is stopped meanwhile is not waited for
SHOWN_HTTP2 = 1  # of bpf/shown.c
FURTHER = re.compile(r"/libnghttp2\.so[^/]*$")


class File(Protocol):
    """A file in hand: a libnghttp2, or a library of TLS."""

    number: int
    is_further: bool
    links: list[int]


class Further:
    """The processes that need it, by the number of their file."""

    def __init__(self, shown: int, counters: memoryview) -> None:
        """`shown`: the map of what processes have shown; `counters`: those that the kernel side looks at."""
        self._shown = shown
        self._counters = counters
        self._files: dict[int, File] = {}
        self._early: dict[tuple[Code, object], float] = {}

    def __contains__(self, process_id: int) -> bool:
        """Tell whether a process is known to need it."""
        return process_id in self._files

    def is_early(self, code: Code, file_name: object, until_s: float) -> bool:
        """Tell whether its process is still being linked: what shows its TLS may be mapped behind it.

        Then it is kept, to be asked about again, as long as the monotonic clock is before `until_s`.
        """
        if time.monotonic() >= until_s or is_linked(code):
            return False
        self._early[code, file_name] = until_s
        return True

    @property
    def is_awaiting(self) -> bool:
        """Whether there are processes that were not linked when they were asked about."""
        return bool(self._early)

    def take_early(self) -> dict[tuple[Code, object], float]:
        """Give out what those have mapped, with the file's name, until when it may be early."""
        taken, self._early = self._early, {}
        return taken

    def begin(self) -> None:
        """Let the kernel side know that a file is about to be probed."""
        self._counters[HTTP2_FOLLOWED] = 1

    def add(self, process_id: int, file: File) -> None:
        """Keep a process that needs a file."""
        self._files[process_id] = file

    def drop(self, process_id: int) -> None:
        """Another library shows the TLS of a process, or it has none."""
        self._files.pop(process_id, None)

    def drop_dead(self) -> bool:
        """Forget processes that are gone; tell whether one was the last of its file: its children may go on."""
        dead = [one for one in self._files if not os.path.exists(f"/proc/{one}")]  # noqa: PTH110
        gone = [self._files.pop(one) for one in dead]
        return any(file.links and not self.is_needed(file) for file in gone)

    def drop_cleartext(self) -> None:
        """Forget processes that have shown HTTP/2 in cleartext and no TLS."""
        from collector.bpf_calls import number_in

        for process_id in list(self._files):
            if number_in(self._shown, process_id) == SHOWN_HTTP2:
                del self._files[process_id]

    def is_needed(self, file: File) -> bool:
        """Tell whether a process that needs the file is known."""
        return any(one is file for one in self._files.values())

    def let_go(self, files: Iterable[File]) -> None:
        """Tell the kernel side when no libnghttp2 is probed any more."""
        self._counters[HTTP2_FOLLOWED] = int(any(file.links for file in files if file.is_further))


def hides_bodies(codes: Iterable[Code]) -> bool:
    """Tell whether what a process runs leaves bodies away from libnghttp2: half of an exchange would be told."""
    from collector.http2_library import sends_past

    for code in codes:
        file = None if FURTHER.search(code.path) else open_code(code)
        if file is not None:
            with file:
                if sends_past(file):
                    return True
    return False


def further_code(file: BinaryIO) -> tuple[TlsCode, ...]:
    """Return libnghttp2's functions in `file`, by collector.http2_library. Raises UnfollowableError."""
    from collector.http2_library import http2_code

    return http2_code(file)
