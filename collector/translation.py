"""What the compiler made of a hook's programs: instructions, and the maps that they name, apart from any process.

An instruction that loads the address of a map names it by a descriptor, which means something in one process only:
here it is the map's place in a list.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from struct import Struct

from collector.bpf_calls import INSTRUCTION_BYTES, MapForm

INSTRUCTION = Struct("<BBhi")  # opcode, registers (source in the high four bits), offset, immediate
LOAD_64 = 0x18  # BPF_LD | BPF_IMM | BPF_DW: takes two instructions
OF_MAP = 1  # BPF_PSEUDO_MAP_FD, in the place of the source register


@dataclass(frozen=True, slots=True)
class Translation:
    """Programs by name; a map is named in them by its place in `maps`."""

    maps: tuple[MapForm, ...]
    programs: dict[str, bytes]


def translation_of(programs: Mapping[str, bytes], form: Callable[[int], MapForm]) -> Translation:
    """Take programs that name maps by descriptor; `form` tells what such a map is made of."""
    found = maps_of(programs)
    placed = {name: _renamed(code, found.index) for name, code in programs.items()}
    return Translation(tuple(map(form, found)), placed)


def maps_of(programs: Mapping[str, bytes]) -> list[int]:
    """Return the names of the maps in programs, each once."""
    found: dict[int, None] = {}
    for code in programs.values():
        for at in _places(code):
            found[INSTRUCTION.unpack_from(code, at)[3]] = None
    return list(found)


def bound(translation: Translation, descriptors: Sequence[int]) -> dict[str, bytes]:
    """Return the programs with maps named by descriptor. Raises IndexError: they name a map that there is not."""
    return {name: _renamed(code, descriptors.__getitem__) for name, code in translation.programs.items()}


def _renamed(code: bytes, name: Callable[[int], int]) -> bytes:
    """Give each map of a program another name."""
    changed = bytearray(code)
    for at in _places(code):
        opcode, registers, offset, value = INSTRUCTION.unpack_from(code, at)
        INSTRUCTION.pack_into(changed, at, opcode, registers, offset, name(value))
    return bytes(changed)


def _places(code: bytes) -> Iterator[int]:
    """Give where a program names a map."""
    at = 0
    while at < len(code):
        opcode, registers = code[at], code[at + 1]
        if opcode == LOAD_64 and registers >> 4 == OF_MAP:
            yield at
        at += INSTRUCTION_BYTES * (2 if opcode == LOAD_64 else 1)


def to_octets(translation: Translation) -> bytes:
    """Return it as JSON, which needs no package: each start of the agent reads it."""
    programs = {name: code.hex() for name, code in translation.programs.items()}
    return json.dumps({"maps": [astuple(form) for form in translation.maps], "programs": programs}).encode()


def from_octets(octets: bytes) -> Translation:
    """Read what `to_octets` gave. Raises ValueError."""
    try:
        read = json.loads(octets)
        programs = {name: bytes.fromhex(code) for name, code in read["programs"].items()}
        return Translation(tuple(MapForm(*form) for form in read["maps"]), programs)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("no translation") from error
