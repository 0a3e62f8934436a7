"""Where functions are probed at little cost: compilers' code, code that must be left alone, the system's libraries."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.elf import Elf
from collector.probe_place import EMULATED, Form, cheap_place, go_place, inner_function, typed_functions
from collector.tls_library import OPENSSL, Function, Library, tls_code
from collector.x86_code import instructions
from tests.disassembly import cheap_address, disassembly, handed_to
from tests.foreign_tls import brought_by
from tests.test_tls_library import library

BEGINS = {
    "PUSH of an old register": ("53", 0),
    "PUSH of a new register": ("4155", 0),
    "ENDBR64, then PUSH": ("f30f1efa 4157", 4),
    "a look whether there is a connection": ("4885ff 0f8480000000", 3),
    "registers cleared that carry nothing, then a jump on": ("4531c0 31c9 e966ffffff", 5),
    "the stack moved": ("4883ec18 e800000000", None),
    "the buffer moved": ("4889f2 e900000000", None),
    "the buffer cleared": ("31f6 e900000000", None),
    "a return": ("c3", None),
    "what is not known": ("0f01d0", None),
    "cut short": ("e80000", None),
    "nothing": ("", None),
}
GO_BEGINS = {
    "little stack": ("493b6610 762c 55 4889e5", 6),
    "much stack": ("4c8da42458ffffff 4d3b6610 0f86a1020000 55", 18),
    "Go before 1.21: no PUSH behind the look": ("493b6610 762c 4883ec18", 4),
    "no look: a leaf": ("4883ec18", None),
    "its receiver moved": ("4889c8 762c", None),
}
WRAPPER, INNER, OTHER = 0x1000, 0x4000, 0x7000
GUARD = "64488b042528000000 4889442408 31c0"  # the stack protector's word
NEGATIVE = "85d2 782f"


def to(target: int, length: int) -> str:
    """Return where a call or jump leads that ends `length` octets into the wrapper."""
    return (target - WRAPPER - length).to_bytes(4, "little", signed=True).hex()


def calling(code: str, opcode: str = "e8", target: int = INNER) -> str:
    """Return code that ends in a call."""
    return code + opcode + to(target, len(bytes.fromhex(code)) + 5)


PLAIN = {
    "OpenSSL 3.0": (calling(f"4883ec18 {GUARD} {NEGATIVE} 4889e1 4863d2"), Form.OWN),
    "OpenSSL 3.0 with branches marked": (calling(f"f30f1efa 4883ec18 {GUARD} {NEGATIVE} 4889e1 4863d2"), Form.OWN),
    "OpenSSL 1.1": (calling(f"4883ec18 {NEGATIVE} 488d4c2408 4863d2"), Form.OWN),
    "OpenSSL 3.3": (calling(f"4883ec18 {NEGATIVE} 31c9 4863d2 4c8d442408"), Form.FIFTH),
}
POINTING = {
    "OpenSSL 3.0": (calling("4883ec08"), Form.OWN),
    "OpenSSL 3.3, by way of another": ("4989c8 31c9 e9" + to(OTHER, 10), Form.FIFTH),
}
LEFT_ALONE = {
    "another way round": calling("4883ec18 4883bf8000000000 7510 4889e1"),
    "another buffer": calling("4883ec18 4889d6 4889e1"),
    "another size": calling("4883ec18 4889e1 89d2"),
    "the number goes elsewhere": calling("4883ec18 488b4f10"),
    "a jump with the stack moved": calling("4883ec18 4889e1", "e9"),
    "a call of what a register names": "4883ec18 4889e1 ffd0",
    "a jump in a circle": "e9" + to(WRAPPER, 5),
    "a return": "c3",
}


@pytest.mark.parametrize(("code", "wanted"), BEGINS.values(), ids=BEGINS)
def test_a_function_is_probed_at_the_first_instruction_that_the_kernel_emulates(code: str, wanted: int | None) -> None:
    assert cheap_place(bytes.fromhex(code)) == wanted


@pytest.mark.parametrize(("code", "wanted"), GO_BEGINS.values(), ids=GO_BEGINS)
def test_a_function_of_go_is_probed_where_it_has_looked_for_stack(code: str, wanted: int | None) -> None:
    assert go_place(bytes.fromhex(code)) == wanted


def at(code: str) -> "dict[int, bytes]":
    onward = "4883ec08 e8" + (INNER - OTHER - 9).to_bytes(4, "little", signed=True).hex()
    return {WRAPPER: bytes.fromhex(code), OTHER: bytes.fromhex(onward)}


@pytest.mark.parametrize(("code", "form"), PLAIN.values(), ids=PLAIN)
def test_a_wrapper_with_the_number_in_its_frame_leads_to_the_function_behind_it(code: str, form: Form) -> None:
    assert inner_function(lambda address: at(code)[address], WRAPPER, is_pointing=False) == (INNER, form)


@pytest.mark.parametrize(("code", "form"), POINTING.values(), ids=POINTING)
def test_a_wrapper_that_is_told_where_the_number_goes_leads_there_too(code: str, form: Form) -> None:
    assert inner_function(lambda address: at(code)[address], WRAPPER, is_pointing=True) == (INNER, form)


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_a_function_that_does_anything_else_is_left_alone(code: str) -> None:
    assert inner_function(lambda address: at(code).get(address, b""), WRAPPER, is_pointing=False) is None


NOT_TYPED = {
    "the session is given elsewhere first": "4883ec08 e800000000 4889d1 4889f2 be17000000 e900000000 c3",
    "a record of another type": "4889d1 4889f2 be16000000 e8d7ffffff c3",
    "the stack not given back before the jump": "4883ec08 4889d1 4889f2 be17000000 ebfe",
    "a way without an end": "4889d1",
    "the session kept in memory": "4883ec18 48897c2408 4889d1 4889f2 be17000000 e800000000 4883c418 c3",
    "the stack pointer from elsewhere": "4889c4 4889d1 4889f2 be17000000 e900000000",
    "more functions than any real one": "4889d1 4889f2 be17000000"
    + "".join(f"74{n:02x}" for n in range(64, 70))
    + "c3",
}


def test_gnutls_receiving_leads_to_its_inner_functions() -> None:
    path = library("libgnutls")
    with path.open("rb") as file:
        (code,) = tls_code(file)
    places = [one.offset for one in code.entries if one.form is Form.TYPED]
    receiving = "\n".join(words for _, words in disassembly(path, "--disassemble=gnutls_record_recv"))
    onward = re.findall(r"^(?:call|jmp) +([0-9a-f]+) (?!<gnutls_record_recv|.*@plt)", receiving, re.MULTILINE)
    begins = {int(one, 16) for one in onward}
    assert len(places) == len(begins) > 0
    assert all(any(begin <= place < begin + 16 for place in places) for begin in begins)


@pytest.mark.parametrize("code", NOT_TYPED.values(), ids=NOT_TYPED)
def test_a_receiving_function_that_is_not_understood_is_left_alone(code: str) -> None:
    assert typed_functions(lambda address: bytes.fromhex(code)[address:] if address >= 0 else b"", 0) == frozenset()


def test_behind_a_call_nothing_is_an_argument_any_more() -> None:
    code = bytes.fromhex("4883ec08 4889d1 4889f2 be17000000 e800010000 e800020000 4883c408 c3")
    assert typed_functions(lambda address: code[address:], 0) == {20 + 0x100}


@given(st.binary(max_size=96), st.booleans())
def test_whatever_the_octets_are_a_probe_stands_at_an_instruction_or_nowhere(code: bytes, is_pointing: bool) -> None:
    found = cheap_place(code)
    if found is not None:
        begins = []
        for begin, end in instructions(code):
            begins.append(begin)
            if begin == found:
                assert EMULATED.fullmatch(code[begin:end])
                break
        assert found in begins
    inner_function(lambda _: code, WRAPPER, is_pointing)
    typed_functions(lambda _: code, WRAPPER)


LIBS = "confluent_kafka.libs"
LIBRARIES = {
    "the system's": lambda: library("libssl"),
    "OpenSSL 1.1": lambda: brought_by("psycopg2", "psycopg2_binary.libs/libssl-*.so.1.1"),
    "OpenSSL 3.3 and later, within Kafka's client": lambda: brought_by("confluent_kafka", f"{LIBS}/librdkafka*.so.1"),
}
WRAPPED = {
    Function.RECEIVES_POINTING: ("SSL_read", "SSL_read_ex"),
    Function.SENDS_POINTING: ("SSL_write", "SSL_write_ex"),
}


@pytest.mark.parametrize("brought", LIBRARIES.values(), ids=LIBRARIES)
def test_openssls_reads_and_writes_are_probed_where_objdump_sees_both_their_wrappers_lead(
    brought: Callable[[], Path],
) -> None:
    path = brought()
    with path.open("rb") as file:
        (code,) = (one for one in tls_code(file) if one.library is Library.OPENSSL)
        segments = Elf(file).segments
    functions = [one.function for one in code.entries]
    assert sorted(functions) == sorted(set(OPENSSL.values()) - {Function.SENDS, Function.RECEIVES})
    for place in code.entries:
        (shift,) = (one.address - one.offset for one in segments if 0 <= place.offset - one.offset < one.size)
        for name in WRAPPED.get(place.function, ()):
            assert place.offset + shift == cheap_address(path, handed_to(path, name))
