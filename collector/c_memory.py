"""What a process keeps of memory that it no longer uses: the C library's, given back to it, and code of its start.

mallopt(3), malloc_trim(3): nothing without glibc; madvise(2).
"""

import ctypes
from collections.abc import Iterable

M_ARENA_MAX = -8
MADV_DONTNEED = 4
MAPS = "/proc/self/smaps"
FILE_NAME = 5  # of the words of a mapping (proc(5))

_libc = ctypes.CDLL(None)


def keep_one_arena() -> None:
    """Let the threads begun from here on share one heap: each of its own would keep its peak. As MALLOC_ARENA_MAX=1."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return unused pages to the system, as after a start that needed more than what follows."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))


def let_go_of_code() -> None:
    """Let go of unchanged pages of programs and libraries: what is used again comes back from the file, mostly cached.

    A start runs through megabytes of code that is then never met again. Where the kernel does not tell what is
    unchanged, everything stays.
    """
    try:
        with open(MAPS) as lines:  # noqa: PTH123 (pathlib is a megabyte, and processes wait all their life)
            places = unchanged(lines)
    except OSError:
        return
    for begin, length in places:
        _libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), MADV_DONTNEED)


def unchanged(lines: Iterable[str]) -> list[tuple[int, int]]:
    """Return begin and length of each mapping of a file that cannot be written to and has nothing of this process's.

    A library's relocated words cannot be written to either, and are not in the file: they count as anonymous.
    """
    found = []
    place = None
    for line in lines:
        words = line.split()
        if words[0] == "Anonymous:":
            if place is not None and words[1] == "0":
                found.append(place)
        elif not words[0].endswith(":"):
            begin, _, end = words[0].partition("-")
            is_file = len(words) > FILE_NAME and words[FILE_NAME].startswith("/")
            is_kept = "w" in words[1] or "s" in words[1] or not is_file
            place = None if is_kept else (int(begin, 16), int(end, 16) - int(begin, 16))
    return found
