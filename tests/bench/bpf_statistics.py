"""How often BPF programs ran and for how long, by the kernel's own statistics (kernel.bpf_stats_enabled)."""

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import pack, unpack_from

SYS_BPF = 321  # x86-64
PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, GET_INFO_BY_FD = 11, 13, 15
NAME_AT, NAME_BYTES, INFO_BYTES = 64, 16, 128  # struct bpf_prog_info
SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Program:
    """A program and what it did while it was counted."""

    name: str
    runs: int
    run_ns: int


@contextmanager
def counted() -> Iterator[list[Program]]:
    """Keep the statistics while the block lasts; the list is filled at its end."""
    programs: list[Program] = []
    before, was = loaded(), SWITCH.read_text()
    SWITCH.write_text("1")
    try:
        yield programs
    finally:
        SWITCH.write_text(was)
        for number, program in loaded().items():
            first = before.get(number, Program("", 0, 0))
            programs.append(Program(program.name, program.runs - first.runs, program.run_ns - first.run_ns))


def loaded() -> dict[int, Program]:
    """Return the programs that are loaded, by id."""
    found: dict[int, Program] = {}
    number = 0
    while (number := _next(number)) >= 0:
        descriptor, _ = _bpf(PROG_GET_FD_BY_ID, pack("<I", number))
        if descriptor >= 0:
            text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
            found[number] = Program(_name(descriptor), _figure(text, "run_cnt"), _figure(text, "run_time_ns"))
            os.close(descriptor)
    return found


def _next(number: int) -> int:
    failed, answer = _bpf(PROG_GET_NEXT_ID, pack("<I", number))
    return -1 if failed else int(unpack_from("<I", answer, 4)[0])


def _name(descriptor: int) -> str:
    info = ctypes.create_string_buffer(INFO_BYTES)
    _bpf(GET_INFO_BY_FD, pack("<IIQ", descriptor, INFO_BYTES, ctypes.addressof(info)))
    return info.raw[NAME_AT : NAME_AT + NAME_BYTES].split(b"\0")[0].decode()


def _figure(text: str, name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+)", text)
    return int(found[1]) if found else 0


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attributes, 128)
    return int(_libc.syscall(SYS_BPF, command, buffer, 128)), buffer.raw
