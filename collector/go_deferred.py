"""Where Go's Read and Write are seen to end for a tenth of what a probe at their RET costs: in what they defer.

Both defer the unlocking of a mutex. Go calls that function once the results stand in the caller's frame, and loads them
from there right behind it, to return: what it loads first is how many bytes were moved (Go 1.18 to 1.26, by their
disassembly). The deferred function begins with what the kernel emulates; a RET it steps over, for 9.5 us here.
"""

import re
from dataclasses import dataclass

from collector.elf import Octets
from collector.go_binary import GoFunction
from collector.probe_place import LONGEST, go_place

# How their deferred functions are called since Go 1.22, and before.
NAMES = {
    "crypto/tls.(*Conn).Read": "crypto/tls.(*Conn).Read.deferwrap1",
    "crypto/tls.(*Conn).Write": "crypto/tls.(*Conn).Write.deferwrap2",
}
OLD_NAMES = {
    "crypto/tls.(*Conn).Read": "crypto/tls.(*Conn).Read.func1",
    "crypto/tls.(*Conn).Write": "crypto/tls.(*Conn).Write.func2",
}
ALIGNED = 32  # octets: where Go's functions begin on x86-64
EPILOGUE = 64  # octets before a RET that are looked at: three results and the frame given back are 42 at most
_SLOT = rb"(?:\x44\x24(.)|\x84\x24(.{4}))"  # behind an opcode: slot(SP)
# CALL of a register, MOVQ slot(SP), AX: what was deferred has been called.
_LOADED = re.compile(rb"\xff[\xd0-\xd7]\x48\x8b" + _SLOT, re.DOTALL)
# Of other returns: MOVQ $0, slot(SP); or CALL (runtime.deferreturn, behind a panic) and that load.
_OTHERWISE = (
    re.compile(rb"\x48\xc7" + _SLOT + rb"\0{4}", re.DOTALL),
    re.compile(rb"\xe8.{4}\x48\x8b" + _SLOT, re.DOTALL),
)
WORD = 8
MOST_SLOTS = 1 << 12  # words of a frame
MOST_BLOCKS, MOST_DISTANCE = 1 << 12, 1 << 24  # of ALIGNED octets


@dataclass(frozen=True, slots=True)
class Deferral:
    """How a probe in a deferred function finds its caller, and the number of bytes that one is about to return.

    distance: from the caller's begin to the deferred function's, in blocks of ALIGNED octets.
    blocks: of the caller, in such blocks.
    slot: where in the caller's frame the number stands, in words above its stack pointer.
    """

    distance: int
    blocks: int
    slot: int


def deferral(caller: GoFunction, deferred: GoFunction, text: Octets, address: int) -> tuple[int, Deferral] | None:
    """Return where in `text`, loaded at `address`, what a function defers is probed, and what the probe must know.

    None where the code is not as described above: then RET is probed.
    """
    slot, place = result_slot(caller, text), go_place(text.read(deferred.entry, LONGEST))
    if slot is None or place is None or place >= ALIGNED or (address + deferred.entry) % ALIGNED:
        return None
    away = deferred.entry - caller.entry
    blocks = (max(caller.returns) - caller.entry) // ALIGNED + 1
    if away % ALIGNED or blocks >= MOST_BLOCKS or abs(away) >= MOST_DISTANCE * ALIGNED:
        return None
    return deferred.entry + place, Deferral(away // ALIGNED, blocks, slot)


def result_slot(function: GoFunction, text: Octets) -> int | None:
    """Return the word of its frame that a result is loaded from behind deferred calls; None: not one and the same.

    Every other return must be seen to be of no bytes, or of a panic: else a probe in what is deferred would miss it.
    """
    epilogues = [_before(text, function.entry, end) for end in function.returns]
    loaded = {slot for code in epilogues for slot in _slots(_LOADED, code)}
    slot = loaded.pop() if len(loaded) == 1 else 0
    forms = (_LOADED, *_OTHERWISE)
    if not all(any(slot in _slots(form, code) for form in forms) for code in epilogues):
        return None
    return slot // WORD if slot % WORD == 0 and 0 < slot < MOST_SLOTS * WORD else None


def _before(text: Octets, entry: int, end: int) -> bytes:
    begin = max(entry, end - EPILOGUE)
    return text.read(begin, end - begin)


def _slots(form: re.Pattern[bytes], code: bytes) -> set[int]:
    return {int.from_bytes(short or long, "little", signed=True) for short, long in form.findall(code)}
