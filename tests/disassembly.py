"""What objdump says of a library's code: an oracle beside collector/probe_place.py."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

NEAR = 32  # octets in which a function's first push or jump is looked for
LOOKS = re.compile(r"endbr64|(test|cmp)[bwlq]? |xor +%(eax|ecx|r8d),%\2$")


def disassembly(path: Path, *options: str) -> list[tuple[int, str]]:
    """Return address and words of each instruction; skips where there is no objdump."""
    if not shutil.which("objdump"):
        pytest.skip("no objdump to compare with")
    command = ["objdump", "-d", "--no-show-raw-insn", *options, str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^ *([0-9a-f]+):\t(.*?)\s*$", text, re.MULTILINE)
    return [(int(address, 16), words) for address, words in found]


def cheap_address(path: Path, address: int) -> int:
    """Return where a function's first push, jump or call stands, if it but compares before; else its begin."""
    for at, words in disassembly(path, f"--start-address={address}", f"--stop-address={address + NEAR}"):
        if re.match(r"push |j\w+ |call ", words):
            return at
        if not LOOKS.match(words):
            break
    return address


def handed_to(path: Path, begin: str) -> int:
    """Return what the function of that name or address calls first, or what the one that it jumps to calls."""
    for _, words in disassembly(path, f"--{'start-address' if begin.startswith('0x') else 'disassemble'}={begin}")[:12]:
        if found := re.match(r"(call|jmp) +([0-9a-f]+)", words):
            return int(found[2], 16) if found[1] == "call" else handed_to(path, f"0x{found[2]}")
    raise AssertionError(f"{begin} calls nothing")
