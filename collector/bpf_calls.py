"""The calls of bpf(2) that load programs: maps, programs, the places of tail calls, raw tracepoints (linux/bpf.h)."""

import ctypes
import os
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct

SYS_BPF = 321  # x86-64
MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, PROG_LOAD = 0, 1, 2, 5
OBJ_GET_INFO_BY_FD, RAW_TRACEPOINT_OPEN = 15, 17
KPROBE, RAW_TRACEPOINT = 2, 17  # enum bpf_prog_type
NAME_BYTES = 16  # BPF_OBJ_NAME_LEN, its zero octet included
INSTRUCTION_BYTES = 8
LICENSE = b"GPL"  # programs under bpf/ have it beside their own; without it the kernel offers few helpers

# The beginnings of union bpf_attr and of struct bpf_map_info.
MAP_ATTRIBUTES = Struct("<IIIII8x16s")  # type, key, value, entries, flags; inner map, node; name
MAP_INFO = Struct("<I4xIIII16s")  # type, id; key, value, entries, flags; name
ELEMENT_ATTRIBUTES = Struct("<I4xQQQ")  # map, key, value, flags
# type, count, instructions, license, log level, log size, log, kernel version, flags, name, interface, attach type
PROGRAM_ATTRIBUTES = Struct("<IIQQIIQII16sII")
INFO_ATTRIBUTES = Struct("<IIQ")  # descriptor, size, where
TRACEPOINT_ATTRIBUTES = Struct("<QI4x")  # name, program

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class MapForm:
    """What a map is made of: a number of enum bpf_map_type, sizes in bytes, flags as in linux/bpf.h."""

    name: str
    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


def create_map(form: MapForm) -> int:
    """Return the descriptor of a new map. Raises OSError."""
    name = form.name.encode()[: NAME_BYTES - 1]
    sizes = form.kind, form.key_bytes, form.value_bytes, form.entries, form.flags
    return _bpf(MAP_CREATE, MAP_ATTRIBUTES.pack(*sizes, name))


def map_form(descriptor: int) -> MapForm:
    """Return what a map is made of. Raises OSError."""
    info = ctypes.create_string_buffer(MAP_INFO.size)
    _bpf(OBJ_GET_INFO_BY_FD, INFO_ATTRIBUTES.pack(descriptor, MAP_INFO.size, ctypes.addressof(info)))
    kind, key_bytes, value_bytes, entries, flags, name = MAP_INFO.unpack(info.raw)
    return MapForm(name.split(b"\0")[0].decode(), kind, key_bytes, value_bytes, entries, flags)


def load_program(name: str, instructions: bytes, kind: int, attach_type: int = 0) -> int:
    """Return the descriptor of a program that the verifier took. Raises OSError: EPERM, EINVAL, E2BIG and others."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(LICENSE)
    where = ctypes.addressof(code), ctypes.addressof(licence)
    count = len(instructions) // INSTRUCTION_BYTES
    short = name.encode()[: NAME_BYTES - 1]
    return _bpf(PROG_LOAD, PROGRAM_ATTRIBUTES.pack(kind, count, *where, 0, 0, 0, 0, 0, short, 0, attach_type))


def put_program(array: int, place: int, program: int) -> None:
    """Let tail calls to `place` of an array of programs reach `program`. Raises OSError."""
    key, value = ctypes.c_uint32(place), ctypes.c_uint32(program)
    _bpf(MAP_UPDATE_ELEM, ELEMENT_ATTRIBUTES.pack(array, ctypes.addressof(key), ctypes.addressof(value), 0))


def number_in(table: int, key: int) -> int:
    """Return the number of 32 bits that a map has at a key of 32 bits, 0 if it has none. Raises OSError."""
    place, value = ctypes.c_uint32(key), ctypes.c_uint32(0)
    attributes = ELEMENT_ATTRIBUTES.pack(table, ctypes.addressof(place), ctypes.addressof(value), 0)
    with suppress(FileNotFoundError):
        _bpf(MAP_LOOKUP_ELEM, attributes)
    return value.value


def attach_raw_tracepoint(tracepoint: str, program: int) -> int:
    """Return the descriptor of the link: closing the last one detaches. Raises OSError: ENOENT, no such tracepoint."""
    name = ctypes.create_string_buffer(tracepoint.encode())
    return _bpf(RAW_TRACEPOINT_OPEN, TRACEPOINT_ATTRIBUTES.pack(ctypes.addressof(name), program))


def _bpf(command: int, attributes: bytes) -> int:
    given = ctypes.create_string_buffer(attributes, len(attributes))
    answer = _libc.syscall(SYS_BPF, command, given, len(attributes))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(answer)
