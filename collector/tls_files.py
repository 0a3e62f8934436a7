"""Files that processes run code of, seen as the process sees them, each known once whatever its name.

An attacher lives as long as the agent: pathlib, with URLs and addresses behind it, would be most of a megabyte.
"""

import ctypes
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

OVERLAYFS = 0x794C7630  # statfs(2)

FileId = tuple[int, ...]

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Code:
    """A file mapped to be run: its path in the process' root, and its inode number."""

    process_id: int
    path: str
    inode: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A stretch of a process's memory with a file in it; `rights` as proc(5) writes them."""

    begin: int
    end: int
    rights: str


def process_ids() -> list[int]:
    """Return the processes there are."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def code_of(process_id: int) -> Iterator[Code]:
    """Give the files that a process runs code of; nothing of one that is gone."""
    yield from codes(process_id, _mapped(process_id))


def codes(process_id: int, lines: list[str]) -> Iterator[Code]:
    """Read the lines of /proc/PID/maps (proc(5)); deleted files have no name any more."""
    seen: set[tuple[int, str]] = set()
    for line in lines:
        words = line.split(None, 5)
        if len(words) < 6 or "x" not in words[1] or not words[5].startswith("/") or words[5].endswith(" (deleted)"):
            continue
        inode, path = int(words[4]), words[5]
        if (inode, path) not in seen:
            seen.add((inode, path))
            yield Code(process_id, path, inode)


def mappings(code: Code) -> Iterator[Mapping]:
    """Give where a file stands in its process's memory, from its begin on; nothing of one that is gone."""
    for line in _mapped(code.process_id):
        words = line.split(None, 5)
        if len(words) == 6 and words[5] == code.path and words[4] == str(code.inode):
            begin, _, end = words[0].partition("-")
            yield Mapping(int(begin, 16), int(end, 16), words[1])


def open_code(code: Code) -> BinaryIO | None:
    """Open a file as its process sees it; None if it is gone or another file by now.

    That may be a pipe, which somebody put there to have it waited for: opening one must not wait.
    """
    # A process changed to another root in our mount namespace shows our names in its maps.
    for path in (f"/proc/{code.process_id}/root{code.path}", code.path):
        try:
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        except OSError:
            continue
        state = os.fstat(file.fileno())
        if state.st_ino == code.inode and stat.S_ISREG(state.st_mode):
            return file
        file.close()
    return None


def is_program(code: Code) -> bool:
    """Tell whether the file is what the process was started from."""
    try:
        return os.stat(f"/proc/{code.process_id}/exe").st_ino == code.inode  # noqa: PTH116
    except OSError:
        return False


def file_id(descriptor: int) -> FileId:
    """Return what tells a file from others.

    Every mount of overlayfs shows its own device for one and the same file below: there the device says nothing.
    """
    state = os.fstat(descriptor)
    if _filesystem(descriptor) == OVERLAYFS:
        return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
    return state.st_dev, state.st_ino


def _mapped(process_id: int) -> list[str]:
    """Return the lines; names may hold whatever else ends one, for the kernel escapes line feeds alone."""
    try:
        with open(f"/proc/{process_id}/maps", errors="surrogateescape", newline="\n") as maps:  # noqa: PTH123
            return maps.read().split("\n")
    except OSError:
        return []


def _filesystem(descriptor: int) -> int:
    answer = ctypes.create_string_buffer(120)  # struct statfs: its type comes first
    if _libc.fstatfs(descriptor, answer):
        return 0
    return int.from_bytes(answer.raw[:8], "little")
