"""What the C library keeps of memory that was given back to it (mallopt(3), malloc_trim(3)); nothing without glibc."""

import ctypes

M_ARENA_MAX = -8

_libc = ctypes.CDLL(None)


def keep_one_arena() -> None:
    """Let the threads begun from here on share one heap: each of its own would keep its peak. As MALLOC_ARENA_MAX=1."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return unused pages to the system, as after a start that needed more than what follows."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))
