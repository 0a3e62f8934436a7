"""Where the results of Go's Read and Write stand as they call what they deferred, and when a probe there is refused."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.elf import Octets
from collector.go_binary import GoFunction
from collector.go_deferred import ALIGNED, Deferral, deferral, result_slot
from collector.tls_library import Function, Place
from collector.tls_probing import _cookies

CALLED = "ffd0"  # CALL AX
END = "4883c458 5d"  # ADDQ $0x58, SP; POPQ BP
OF_NOTHING = "48c744242000000000 488b442420 31db 31c9" + END  # MOVQ $0, 0x20(SP) ...
BEHIND_A_PANIC = "e811223344 488b442420 488b5c2430" + END  # CALL runtime.deferreturn
LOADED = CALLED + "488b442420 488b5c2430 488b4c2438" + END  # MOVQ 0x20(SP), AX ...
FAR = CALLED + "488b842480010000 488b5c2430 4881c4c0000000 5d"  # MOVQ 0x180(SP), AX
PROLOGUE = "493b6610 7629 55 4889e5"  # CMPQ SP, 0x10(R14); JBE; PUSHQ BP
PUSH_AT = 6


def function(*epilogues: str) -> tuple[bytes, GoFunction]:
    """Return code that returns behind each of these, a nothing of sixty-four octets between them."""
    code, returns = b"", []
    for epilogue in epilogues:
        code += b"\x90" * 64 + bytes.fromhex(epilogue)
        returns.append(len(code))
        code += b"\xc3"
    return code, GoFunction(0, tuple(returns))


def octets(code: bytes) -> Octets:
    return Octets(io.BytesIO(code), 0, len(code))


EPILOGUES = {
    "one deferred call": ((LOADED,), 4),
    "as Go 1.26 has it": ((OF_NOTHING, LOADED, LOADED, BEHIND_A_PANIC), 4),
    "a large frame": ((FAR,), 0x30),
    "by another register": ((LOADED.replace("ffd0", "ffd1"),), 4),
    "two slots": ((LOADED, FAR), None),
    "no call": ((OF_NOTHING,), None),
    "a return that says nothing of it": ((LOADED, "488b442420" + END), None),
    "a return of nothing elsewhere": ((LOADED, OF_NOTHING.replace("2420", "2428")), None),
    "what is loaded is no word": ((LOADED.replace("488b442420", "488b442421"),), None),
    "below the frame": ((LOADED.replace("488b442420", "488b4424f8"),), None),
    "something between call and load": ((LOADED.replace("ffd0", "ffd0 90"),), None),
    "none": ((), None),
}


@pytest.mark.parametrize(("epilogues", "slot"), EPILOGUES.values(), ids=EPILOGUES)
def test_a_result_stands_in_the_slot_that_every_return_loads_it_from(epilogues: tuple[str, ...], slot: int) -> None:
    code, one = function(*epilogues)
    assert result_slot(one, octets(code)) == slot


def program(deferred_at: int, prologue: str = PROLOGUE) -> tuple[bytes, GoFunction, GoFunction]:
    """Return code of a function, and of what it defers `deferred_at` octets behind its begin."""
    code, caller = function(LOADED, BEHIND_A_PANIC)
    code = code.ljust(deferred_at, b"\xcc")[:deferred_at] + bytes.fromhex(prologue).ljust(96, b"\x90")
    return code, caller, GoFunction(deferred_at, (deferred_at + 90,))


def test_what_is_deferred_is_probed_where_the_kernel_emulates() -> None:
    code, caller, deferred = program(6 * ALIGNED)
    blocks = max(caller.returns) // ALIGNED + 1
    found = deferral(caller, deferred, octets(code), 0x401000)
    assert found == (6 * ALIGNED + PUSH_AT, Deferral(6, blocks, 4))


REFUSED = {
    "not where Go's functions begin": (program(6 * ALIGNED + 16), 0x401000),
    "without a begin that is understood": (program(6 * ALIGNED, "62"), 0x401000),
    "that moves the stack at once": (program(6 * ALIGNED, "4883ec10 55"), 0x401000),
    "loaded to another place than Go does": (program(6 * ALIGNED), 0x401008),
}


@pytest.mark.parametrize(("made", "address"), REFUSED.values(), ids=REFUSED)
def test_what_is_deferred_otherwise_is_left_to_the_return(
    made: tuple[bytes, GoFunction, GoFunction], address: int
) -> None:
    code, caller, deferred = made
    assert deferral(caller, deferred, octets(code), address) is None


@given(
    st.integers(-(1 << 24) + 1, (1 << 24) - 1),
    st.integers(1, (1 << 12) - 1),
    st.integers(1, (1 << 12) - 1),
    st.integers(0, 1_023),
    st.sampled_from(Function),
)
def test_a_cookie_says_all_of_it_as_the_program_reads_it(
    distance: int, blocks: int, slot: int, number: int, does: Function
) -> None:
    """The macros of bpf/go_tls.c; the cookie is an unsigned number of 64 bits there."""
    ((_, cookie),) = _cookies(number, [Place(23, does, deferral=Deferral(distance, blocks, slot))])
    assert 0 <= cookie < 1 << 64
    assert (cookie & 7, cookie >> 3 & 1_023, cookie >> 13 & 3) == (does, number, 0)
    assert (cookie >> 15 & 0xFFF, cookie >> 27 & 0xFFF) == (slot, blocks)
    assert (cookie - (1 << 64) if cookie >> 63 else cookie) >> 39 == distance


@given(st.lists(st.integers(0, 300), max_size=5), st.binary(max_size=300))
def test_any_code_has_a_slot_or_none(returns: list[int], code: bytes) -> None:
    slot = result_slot(GoFunction(0, tuple(returns)), octets(code))
    assert slot is None or 0 < slot < 1 << 12
