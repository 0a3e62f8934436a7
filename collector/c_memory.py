"""What a process keeps of memory that it no longer uses: the C library's, given back to it, and code of its start.

mallopt(3), malloc_trim(3): nothing without glibc; madvise(2).
"""

import ctypes
from collections.abc import Iterable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
FROM_HEAP = 1_048_576  # octets of a block that is not mapped by itself
MADV_DONTNEED = 4
MAPS = "/proc/self/smaps"
FILE_NAME = 5  # of the words of a mapping (proc(5))

Place = tuple[int, int]  # begin and length

_libc = ctypes.CDLL(None)


def keep_one_arena() -> None:
    """Let the threads begun from here on share one heap: each of its own would keep its peak. As MALLOC_ARENA_MAX=1."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, 1)


def keep_free(most: int) -> None:
    """Let up to `most` unused octets at the heap's end stay until `give_back`.

    What was given back at once would be mapped and faulted in anew by the next batch: a fault for every fifth message.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_MMAP_THRESHOLD, FROM_HEAP)
        _libc.mallopt(M_TRIM_THRESHOLD, most)


def give_back() -> None:
    """Return unused pages to the system, as after a start that needed more than what follows."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))


def let_go_of_code() -> list[Place]:
    """Let go of unchanged pages of programs and libraries: what is used again comes back from the file, mostly cached.

    A start runs through megabytes of code that is then never met again. Returned is where they are: they stay for good,
    as nothing is unloaded, so `let_go` may have them when nobody may look any more. Where the kernel does not tell what
    is unchanged, everything stays.
    """
    try:
        with open(MAPS) as lines:  # noqa: PTH123 (pathlib is a megabyte, and processes wait all their life)
            places = unchanged(lines)
    except OSError:
        return []
    let_go(places)
    return places


def let_go(places: Iterable[Place]) -> None:
    """Let go of these pages again: a millisecond for a hundred libraries, until what is used is back another."""
    for begin, length in places:
        _libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), MADV_DONTNEED)


def unchanged(lines: Iterable[str]) -> list[Place]:
    """Return each mapping of a file with code in it that cannot be written to and has nothing of this process's.

    A library's relocated words cannot be written to either, and are not in the file: they count as anonymous. Other
    files may be unmapped one day.
    """
    found: list[tuple[str, Place]] = []
    programs = set()
    name, place = "", None
    for line in lines:
        words = line.split()
        if words[0] == "Anonymous:":
            if place is not None and words[1] == "0":
                found.append((name, place))
        elif not words[0].endswith(":"):
            begin, _, end = words[0].partition("-")
            name = " ".join(words[FILE_NAME:])
            if "x" in words[1]:
                programs.add(name)
            is_kept = "w" in words[1] or "s" in words[1] or not name.startswith("/")
            place = None if is_kept else (int(begin, 16), int(end, 16) - int(begin, 16))
    return [place for name, place in found if name in programs]
