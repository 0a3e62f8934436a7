"""What an instruction of x86-64 does to the registers, of those that compilers put before a function's first call.

Intel SDM volume 2. A register is followed as far as it holds what another held at the function's begin, or an address
in its frame: so arguments are found again that are given on. Any other instruction is not known, and who meets one is
told.
"""

from collector.x86_code import UnknownInstructionError

# A register's number (Intel SDM volume 2, 2.2.1.2), and which arguments are in it (System V AMD64 ABI 3.2.3).
RAX, RCX, RDX, RBX, RSP, RSI, RDI, R8, R14 = 0, 1, 2, 3, 4, 6, 7, 8, 14
ARGUMENTS = frozenset({RDI, RSI, RDX})  # that every function has
GIVEN_UP = frozenset({RAX, RCX, RDX, RSI, RDI, R8, 9, 10, 11})  # by who calls a function (ABI 3.2.1)
GO_ARGUMENTS = frozenset({RAX, RBX, RCX, R14})  # Go's own ABI: receiver, buffer and its length; goroutine
REGISTERS = 16
# What a register holds: what another one held at the function's begin, by that one's number, or
UNKNOWN, FRAME = -1, -2  # anything; an address in the function's frame
NUMBER = 1 << 8  # from here on: a number, counted from here
AT_BEGIN = (*range(RSP), FRAME, *range(RSP + 1, REGISTERS))
NOTHING = -1  # a register that no instruction changes
COMPARISONS = frozenset({0x38, 0x39, 0x3A, 0x3B, 0x84, 0x85})  # CMP, TEST
CALL, JUMP, SHORT_JUMP = 0xE8, 0xE9, 0xEB
ENDBR64 = b"\xf3\x0f\x1e\xfa"
FS = b"\x64"  # prefix: the stack protector's word


def change(one: bytes, holds: list[int]) -> tuple[int, int]:
    """Return which register an instruction changes, NOTHING for none, and what it then holds.

    Of the stack pointer: by how many octets the frame grows. Raises UnknownInstructionError.
    """
    if one == ENDBR64:
        return NOTHING, UNKNOWN
    one = one.removeprefix(FS)
    rex = one[0] if one[0] & 0xF0 == 0x40 else 0
    opcode, *rest = one[1:] if rex else one
    if 0xB8 <= opcode <= 0xBF and (opcode & 7) + 8 * (rex & 1) != RSP:  # MOV of a number
        return (opcode & 7) + 8 * (rex & 1), NUMBER + int.from_bytes(rest, "little")
    if opcode == 0x98:  # CDQE
        return RAX, UNKNOWN
    if not rest:
        raise UnknownInstructionError(f"opcode {opcode:#x}")
    first, is_wide = rest[0] >> 3 & 7, bool(rex & 8)
    register, other = first + 8 * (rex >> 2 & 1), (rest[0] & 7) + 8 * (rex & 1)
    is_memory = rest[0] < 0xC0
    if opcode == 0x89 and is_memory and holds[register] in (RDI, RSI, RDX):
        raise UnknownInstructionError("an argument is kept in memory, where it is not followed")
    if _changes_none(opcode, first, is_memory):
        return NOTHING, UNKNOWN
    match opcode:
        case 0x81 | 0x83 if first in (0, 5) and other == RSP and not is_memory:  # ADD to the stack pointer, SUB from it
            return RSP, int.from_bytes(rest[1:], "little", signed=True) * (1 if first else -1)
        case 0xC7 if first == 0 and other != RSP and not is_memory:  # MOV of a number
            return other, UNKNOWN
        case 0x31 | 0x33 if register == other != RSP and not is_memory:  # XOR with itself
            return register, UNKNOWN
        case 0x89 if other != RSP:
            return other, holds[register] if is_wide else UNKNOWN
        case 0x8B if register != RSP:
            return register, holds[other] if is_wide and not is_memory else UNKNOWN
        case 0x63 if is_wide and register != RSP:  # MOVSXD: a size that is not negative stays
            return register, holds[other] if not is_memory else UNKNOWN
        case 0x8D if register != RSP:  # LEA
            return register, FRAME if is_memory and other == RSP and rest[1] == 0x24 else UNKNOWN
    raise UnknownInstructionError(f"opcode {opcode:#x}")


def _changes_none(opcode: int, first: int, is_memory: bool) -> bool:
    """Tell whether an instruction of such an opcode and ModRM octet compares, or moves to memory."""
    match opcode:
        case 0x80 | 0x81 | 0x83:  # CMP with a number, among others
            return first == 7
        case 0xF6 | 0xF7:  # TEST with a number, among others
            return first == 0
        case 0x88 | 0x89:  # MOV
            return is_memory
    return opcode in COMPARISONS


def distance(jump: bytes) -> int:
    """Return how far a jump or call leads from its end. Raises UnknownInstructionError for what is neither."""
    if jump[0] & 0xF0 == 0x50 or jump[0] in (0x41, 0x90):
        raise UnknownInstructionError("PUSH or NOP")
    return int.from_bytes(jump[2 if jump[0] == 0x0F else 1 :], "little", signed=True)
