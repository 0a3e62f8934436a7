"""Where the instructions of x86-64 code begin: a probe in the midst of one would break its program.

Intel SDM volume 2, appendix A: opcode maps of one octet, 0F, 0F 38, 0F 3A, VEX. Instructions that compilers do not make
of such code (EVEX, far jumps, 3DNow!) are not known, and who meets one is told.
"""

from collections.abc import Iterator

PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
NARROW = 0x66  # an immediate number of four octets has two
LONGEST = 15


class UnknownInstructionError(ValueError):
    """No instruction that is known."""


def _octets(*ranges: tuple[int, int] | int) -> frozenset[int]:
    pairs = ((one, one) if isinstance(one, int) else one for one in ranges)
    return frozenset(code for low, high in pairs for code in range(low, high + 1))


_ARITHMETIC = tuple(range(0, 0x40, 8))
# Of one octet: what follows the opcode.
MODRM = _octets(
    *((code, code + 3) for code in _ARITHMETIC),
    *(0x63, 0x69, 0x6B, (0x80, 0x81), (0x83, 0x8F), (0xC0, 0xC1), (0xC6, 0xC7), (0xD0, 0xD3), (0xD8, 0xDF)),
    *((0xF6, 0xF7), (0xFE, 0xFF)),
)
BYTE = _octets(*(code + 4 for code in _ARITHMETIC), 0x6A, 0x6B, (0x70, 0x7F), 0x80, 0x83, 0xA8, (0xB0, 0xB7))
BYTE |= _octets((0xC0, 0xC1), 0xC6, 0xCD, (0xE0, 0xE3), 0xEB)
WORD = _octets(*(code + 5 for code in _ARITHMETIC), 0x68, 0x69, 0x81, 0xA9, (0xB8, 0xBF), 0xC7)
JUMP = _octets((0xE8, 0xE9))  # four octets, whatever stands before
ALONE = _octets((0x50, 0x5F), (0x90, 0x99), (0x9B, 0x9F), (0xA4, 0xA7), (0xAA, 0xAF), 0xC3, 0xC9, 0xCC, 0xF4, 0xF5)
ALONE |= _octets((0xF8, 0xFD))
# Behind 0F: those that are alone, that have an octet behind what they address; jumps; not known.
ALONE_0F = _octets(0x05, 0x06, (0x08, 0x09), 0x0B, (0x30, 0x34), 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, (0xC8, 0xCF))
BYTE_0F = _octets((0x70, 0x73), 0xA4, 0xAC, 0xBA, 0xC2, (0xC4, 0xC6))
JUMP_0F = _octets((0x80, 0x8F))
UNKNOWN_0F = _octets(0x04, 0x07, 0x0A, 0x0C, 0x0E, 0x0F, (0x24, 0x27), (0x35, 0x37), 0x39, (0x3B, 0x3F), 0x78, 0x79)


def instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Give begin and end of each instruction of `code`, which begins with one. Raises UnknownInstructionError."""
    at = 0
    while at < len(code):
        try:
            end = at + _length(code[at : at + LONGEST])
        except IndexError:
            raise UnknownInstructionError(f"the code ends within the instruction at {at}") from None
        if end > len(code):
            raise UnknownInstructionError(f"the code ends within the instruction at {at}")
        yield at, end
        at = end


def _length(code: bytes) -> int:
    at, word = 0, 4
    while code[at] in PREFIXES:
        word = 2 if code[at] == NARROW else word
        at += 1
    is_wide = False
    if code[at] & 0xF0 == 0x40:  # REX
        is_wide = bool(code[at] & 8)
        at += 1
    word = 4 if is_wide else word
    opcode = code[at]
    if opcode == 0x0F:
        return _length_0f(code, at + 1)
    if opcode in (0xC4, 0xC5):
        return _length_vex(code, at)
    at += 1
    if opcode in ALONE:
        return at
    if opcode in JUMP:
        return at + 4
    if opcode == 0xC2:
        return at + 2
    if opcode in (0xF6, 0xF7) and code[at] & 0x38 > 8:  # only TEST has a number
        return at + _addressed(code, at)
    if opcode in MODRM:
        at += _addressed(code, at)
    elif opcode not in BYTE | WORD:
        raise UnknownInstructionError(f"opcode {opcode:#x}")
    if is_wide and 0xB8 <= opcode <= 0xBF:
        return at + 8
    return at + (1 if opcode in BYTE or opcode == 0xF6 else word if opcode in WORD or opcode == 0xF7 else 0)


def _length_0f(code: bytes, at: int) -> int:
    opcode = code[at]
    at += 1
    if opcode == 0x38:
        return at + 1 + _addressed(code, at + 1)
    if opcode == 0x3A:
        return at + 2 + _addressed(code, at + 1)
    if opcode in UNKNOWN_0F:
        raise UnknownInstructionError(f"opcode 0F {opcode:#x}")
    if opcode in ALONE_0F:
        return at
    if opcode in JUMP_0F:
        return at + 4
    return at + _addressed(code, at) + (opcode in BYTE_0F)


def _length_vex(code: bytes, at: int) -> int:
    kind = 1 if code[at] == 0xC5 else code[at + 1] & 0x1F
    at += 2 if code[at] == 0xC5 else 3
    opcode = code[at]
    at += 1
    if kind not in (1, 2, 3):
        raise UnknownInstructionError(f"VEX map {kind}")
    if kind == 1 and opcode == 0x77:
        return at
    return at + _addressed(code, at) + (kind == 3 or (kind == 1 and opcode in BYTE_0F))


def _addressed(code: bytes, at: int) -> int:
    """Return the octets of a ModRM octet and what belongs to it."""
    mode, register = code[at] >> 6, code[at] & 7
    if mode == 3:
        return 1
    length = 1
    if register == 4:
        length += 1
        register = code[at + 1] & 7
    if mode == 0:
        return length + (4 if register == 5 else 0)
    return length + (1 if mode == 1 else 4)
