"""Where instructions begin, told against the system's disassembler over whole libraries."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from collector.elf import Elf
from collector.x86_code import LONGEST, UnknownInstructionError, instructions
from tests.test_tls_library import library

LINE = re.compile(r"^ *([0-9a-f]+):\t(.*)$", re.MULTILINE)


def lengths(code: str) -> list[int]:
    return [end - begin for begin, end in instructions(bytes.fromhex(code))]


def shown(path: Path) -> list[tuple[int, str]]:
    """Return address and text of each instruction of a library, as objdump has them."""
    command = ["objdump", "-d", "--no-show-raw-insn", "-j", ".text", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [(int(address, 16), told) for address, told in LINE.findall(text)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("c3 55 4889e5", [1, 1, 3]),
        ("e800000000 0f8500000000 7500", [5, 6, 2]),
        ("ff9528090000 41ff9424a0000000 ffd0", [6, 8, 2]),
        ("488b0500000000 48b80102030405060708 66b80102", [7, 10, 4]),
        ("f6c301 f6d3 f7c300000000 48f7d8", [3, 2, 6, 3]),
        ("f30f1efa 660f1f440000 c5f877 c4e2f9f5c1", [4, 6, 3, 5]),
        ("6448 8b042528000000".replace(" ", ""), [9]),
    ],
)
def test_each_instruction_is_as_long_as_the_manual_says(code: str, expected: list[int]) -> None:
    assert lengths(code) == expected


@pytest.mark.parametrize("code", ["62f17fc96f0f", "06", "0f04", "e80000", "ff", "66"])
def test_what_is_not_known_or_cut_is_told(code: str) -> None:
    with pytest.raises(UnknownInstructionError):
        lengths(code)


@pytest.mark.parametrize("name", ["libnghttp2", "libssl", "libcurl"])
def test_libraries_have_their_instructions_where_objdump_has_them(name: str) -> None:
    path = library(name)
    if not shutil.which("objdump"):
        pytest.skip("no objdump to compare with")
    with path.open("rb") as file:
        elf = Elf(file)
        text = elf.named(".text")
        assert text is not None
        code = elf.octets(text).read(0, text.size)
    rows = shown(path)
    assert len(rows) > 10_000
    for (address, told), (following, _) in pairwise(rows):
        if "(bad)" in told or following - address > LONGEST:
            continue
        begin = address - text.address
        first = next(instructions(code[begin : begin + LONGEST]))
        assert first == (0, following - address), told
