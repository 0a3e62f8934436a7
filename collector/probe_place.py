"""Where a function is probed at little cost: at an instruction that the kernel emulates instead of stepping over it.

Linux emulates jumps, calls, PUSH and NOP (arch/x86/kernel/uprobes.c); any other instruction runs out of line and traps
a second time behind itself. Measured here: 0.95 us for a probe at a PUSH, 9.5 us at a SUB, 0.5 more for its return.

OpenSSL's functions are wrappers that begin with SUB; what they call begins with PUSH. Only what is understood whole is
moved: an instruction, a jump or a register that is not leaves the probe at the function's own begin.
"""

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from collector.x86_code import UnknownInstructionError, instructions
from collector.x86_registers import (
    ARGUMENTS,
    AT_BEGIN,
    CALL,
    FRAME,
    GIVEN_UP,
    GO_ARGUMENTS,
    JUMP,
    NOTHING,
    NUMBER,
    R8,
    RCX,
    RDI,
    RDX,
    REGISTERS,
    RSI,
    RSP,
    SHORT_JUMP,
    UNKNOWN,
    change,
    distance,
)

EMULATED = re.compile(rb"\x41?[\x50-\x57]|\x90|[\x70-\x7f\xeb].|[\xe8\xe9].{4}|\x0f[\x80-\x8f].{4}", re.DOTALL)
FORKS = re.compile(rb"[\x70-\x7f]|\x0f[\x80-\x8f]")
# What is looked at before the work is given on, by the octets of comparison and jump: a negative size, no connection.
CHECKS = re.compile(rb"\x85\xd2(?:\x78.|\x0f\x88.{4})|\x48\x85\xff(?:\x74.|\x0f\x84.{4})", re.DOTALL)
LONGEST = 96  # octets of a function that are looked at
HOPS = 3  # jumps from one function into another
WAYS = 32  # through a function that forks
RECORD_OF_DATA = 23  # application_data (RFC 8446 5.1)
MOST_FUNCTIONS = 4  # that one gives its arguments to: two of GnuTLS 3.7
RET = b"\xc3"

Read = Callable[[int], bytes]  # the code that is loaded to an address: LONGEST octets, fewer at its end


class Form(enum.IntEnum):
    """Where a function of a library has its arguments, as bpf/tls.c understands it."""

    OWN = 0
    FIFTH = 1  # the number of bytes is put where the fifth argument points to
    TYPED = 2  # the second argument is the type of the record, the third the buffer


def cheap_place(code: bytes, kept: frozenset[int] = ARGUMENTS) -> int | None:
    """Return where in a function its first emulated instruction stands; None if more than comparing is done before it.

    There the stack and the registers `kept` are as at the begin: what a probe reads, and where it finds the return.
    """
    try:
        for at, end in instructions(code):
            if EMULATED.fullmatch(code, at, end):
                return at
            changed, _ = change(code[at:end], [UNKNOWN] * REGISTERS)
            if changed == RSP or changed in kept:
                return None
    except UnknownInstructionError:
        pass
    return None


def go_place(code: bytes) -> int | None:
    """Return where a function of Go is probed: a PUSH behind its look for stack, else the look; None: neither is known.

    Where there is no stack for it, it gets some and begins again: the look is passed twice.
    """
    look = cheap_place(code, GO_ARGUMENTS)
    if look is None or not FORKS.match(code, look):
        return look
    _, behind = next(instructions(code[look:]))
    further = cheap_place(code[look + behind :], GO_ARGUMENTS)
    return look if further is None else look + behind + further


def inner_function(read: Read, address: int, is_pointing: bool) -> tuple[int, Form] | None:
    """Return the function that a wrapper gives its arguments to, and where that one is told to put the number of bytes.

    `is_pointing`: the wrapper itself has the place of the number as its fourth argument; else it is in its own frame.
    None if the wrapper does anything else before.
    """
    holds = [*AT_BEGIN]
    try:
        for _ in range(HOPS):
            target, opcode = _handed_on(read(address), holds)
            address += target
            if opcode == CALL:
                return _with_form(address, holds, RCX if is_pointing else FRAME)
    except UnknownInstructionError:
        pass
    return None


def _with_form(address: int, holds: list[int], number_at: int) -> tuple[int, Form] | None:
    if any(holds[register] != register for register in (RDI, RSI, RDX)):
        return None
    if holds[RCX] == number_at:
        return address, Form.OWN
    return (address, Form.FIFTH) if holds[R8] == number_at else None


def _handed_on(code: bytes, holds: list[int]) -> tuple[int, int]:
    """Follow a function to its first call, or to a jump out of it; return where to, counted from its begin, and which.

    `holds` is kept up to date. Raises UnknownInstructionError, also for a way that forks.
    """
    before, is_framed = b"", False
    for at, end in instructions(code):
        one = code[at:end]
        if one[0] in (CALL, JUMP, SHORT_JUMP):
            if is_framed and one[0] != CALL:
                break
            return end + distance(one), one[0]
        if EMULATED.fullmatch(one):
            if not CHECKS.fullmatch(before + one):
                break
        else:
            changed, value = change(one, holds)
            is_framed = is_framed or changed == RSP
            if changed not in (NOTHING, RSP):
                holds[changed] = value
        before = one
    raise UnknownInstructionError("no call that is understood")


@dataclass(frozen=True, slots=True)
class Way:
    """Where code goes on, what the registers hold there, and how many octets of frame the function has."""

    address: int
    holds: list[int]
    frame_bytes: int

    @property
    def is_handed_on(self) -> bool:
        """Whether GnuTLS's session, the type of data's records, buffer and size are arguments here."""
        return [self.holds[one] for one in (RDI, RSI, RDX, RCX)] == [RDI, NUMBER + RECORD_OF_DATA, RSI, RDX]


def typed_functions(read: Read, address: int) -> frozenset[int]:
    """Return to which functions GnuTLS's gnutls_record_recv gives session, type of record, buffer and size, on any way.

    No function if a way does something else with the session, or is not understood.
    """
    ways, seen, found = [Way(address, [*AT_BEGIN], 0)], set(), set()
    try:
        while ways:
            for way in _ways_on(ways.pop(), read):
                state = way.address, tuple(way.holds), way.frame_bytes
                if way.is_handed_on and not way.frame_bytes:
                    found.add(way.address)
                elif state not in seen:
                    ways.append(way)
                    seen.add(state)
            if len(seen) > WAYS or len(found) > MOST_FUNCTIONS:
                return frozenset()
    except UnknownInstructionError:
        return frozenset()
    return frozenset(found)


def _ways_on(way: Way, read: Read) -> Iterator[Way]:
    """Give where a way leads to by jumps, and by calls that the session is given to: a call begins without a frame.

    Raises UnknownInstructionError, also for a session given elsewhere.
    """
    holds, frame_bytes, code = way.holds, way.frame_bytes, read(way.address)
    for at, end in instructions(code):
        one = code[at:end]
        if one == RET:
            return
        if not EMULATED.fullmatch(one):
            changed, value = change(one, holds)
            if changed == RSP:
                frame_bytes += value
            elif changed != NOTHING:
                holds[changed] = value
            continue
        onward = Way(way.address + end + distance(one), [*holds], frame_bytes)
        if one[0] != CALL:
            yield onward
        elif onward.is_handed_on:
            yield replace(onward, frame_bytes=0)
        elif holds[RDI] == RDI:
            raise UnknownInstructionError("the session is given elsewhere")
        if one[0] == CALL:
            holds = [UNKNOWN if number in GIVEN_UP else value for number, value in enumerate(holds)]
        if one[0] in (JUMP, SHORT_JUMP):
            return
    raise UnknownInstructionError("a way without an end")
