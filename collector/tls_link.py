"""Attaches a loaded program to functions of a file: uprobe_multi links by the raw bpf(2) call (Linux 6.6).

Neither bcc 0.26 nor libbpf 1.1 knows them. One link takes any number of places. The program's descriptor is the right
to attach; the path is followed once, so a link may name /proc/self/fd/N.
"""

import ctypes
import os
from collections.abc import Sequence
from struct import Struct

SYS_BPF, BPF_LINK_CREATE, BPF_TRACE_UPROBE_MULTI = 321, 28, 48
AT_RETURN = 1  # BPF_F_UPROBE_MULTI_RETURN
# program, target, attach type, flags; then path, offsets, reference counters, cookies, count, flags, process
ATTRIBUTES = Struct("<IIIIQQQQIIII")

_libc = ctypes.CDLL(None, use_errno=True)


def attach(
    program: int, path: str, places: Sequence[tuple[int, int]], process_id: int = 0, at_return: bool = False
) -> int:
    """Attach `program` at each (file offset, cookie) of the file; return the link's descriptor. Raises OSError.

    With `process_id` for this process alone, all of its threads if `reaches_threads`; others do not meet the probes,
    but what it forks until it runs another program.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    offsets = (ctypes.c_uint64 * len(places))(*(offset for offset, _ in places))
    cookies = (ctypes.c_uint64 * len(places))(*(cookie for _, cookie in places))
    where = ctypes.addressof(name), ctypes.addressof(offsets), 0, ctypes.addressof(cookies)
    flags = AT_RETURN if at_return else 0
    attributes = ATTRIBUTES.pack(program, 0, BPF_TRACE_UPROBE_MULTI, 0, *where, len(places), flags, process_id, 0)
    given = ctypes.create_string_buffer(attributes, len(attributes))
    link = _libc.syscall(SYS_BPF, BPF_LINK_CREATE, given, len(attributes))
    if link < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(link)


def reaches_threads() -> bool:
    """Tell whether a link for one process is one for all its threads: since Linux 6.10, else for the first alone."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdecimal, minor.partition("-")[0])) or 0)) >= (6, 10)
