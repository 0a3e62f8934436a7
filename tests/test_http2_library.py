"""Which places of libnghttp2's file are probed, told against the system's tools; which programs cannot be followed."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.http2_library import HTTP2, http2_code, sends_past
from collector.tls_files import code_of
from collector.tls_further import hides_bodies
from collector.tls_library import Function, Library, Place, UnfollowableError
from tests.debian import installed
from tests.test_agent_live import free_port
from tests.test_tls_library import dynamic_symbols, library

CALL = re.compile(r"^ *([0-9a-f]+):\tcall +\*[^\n]*\n *([0-9a-f]+):", re.MULTILINE)
NAMES = ("nghttp2_session_mem_recv", "nghttp2_session_mem_send", "nghttp2_session_del")
SOURCE = "".join(f"void {name}(void) {{}}\n" for name in NAMES) + "int (*called)(void);\n"


def test_functions_stand_where_readelf_has_them() -> None:
    path = library("libnghttp2")
    symbols = dynamic_symbols(path)
    with path.open("rb") as file:
        (found,) = http2_code(file)
    assert found.library is Library.NGHTTP2
    assert {one for one in found.entries if one.function is not Function.SENDS} == {
        Place(symbols[name], does) for name, does in HTTP2.items() if name in symbols
    }


def test_the_call_of_the_sending_callback_stands_where_objdump_has_it() -> None:
    path = library("libnghttp2")
    if not shutil.which("objdump"):
        pytest.skip("no objdump to compare with")
    command = ["objdump", "-d", "--no-show-raw-insn", "--disassemble=nghttp2_session_send", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ((at, behind),) = CALL.findall(text)
    with path.open("rb") as file:
        (found,) = http2_code(file)
    assert [one for one in found.entries if one.function is Function.SENDS] == [Place(int(at, 16), Function.SENDS)]
    assert found.returns == (Place(int(behind, 16), Function.SENDS),)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("called(); called(); return 0;", "2 calls of callbacks"),
        ("return 0;", "0 calls of callbacks"),
        ('__asm__ volatile(".byte 0x06"); return called();', "opcode 0x6"),
    ],
)
def test_a_library_whose_callback_cannot_be_found_for_certain_is_not_probed(
    tmp_path: Path, calls: str, expected: str
) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    source = f"{SOURCE}int nghttp2_session_send(void) {{ {calls} }}"
    (tmp_path / "made.c").write_text(source)
    made = tmp_path / "made.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", made, tmp_path / "made.c"], check=True)
    with made.open("rb") as file, pytest.raises(UnfollowableError, match=expected):
        http2_code(file)


def test_other_and_broken_files_have_nothing() -> None:
    octets = library("libnghttp2").read_bytes()
    for length in range(0, len(octets), 4_099):
        try:
            http2_code(io.BytesIO(octets[:length]))
        except UnfollowableError:
            assert length > 0x10000  # its functions are told by a table before them
        sends_past(io.BytesIO(octets[:length]))
    with library("libssl").open("rb") as file:
        assert http2_code(file) == ()


def test_programs_that_send_bodies_past_the_library_are_told_by_what_they_import() -> None:
    installed("nghttpd", "nghttp2-server")
    port = free_port()
    with subprocess.Popen(["nghttpd", "--no-tls", str(port)], stdout=subprocess.DEVNULL) as server:
        try:
            codes = list(code_of(server.pid))
            while not any("libnghttp2" in code.path for code in codes):
                assert server.poll() is None
                codes = list(code_of(server.pid))
            assert hides_bodies(codes)
        finally:
            server.kill()
    with library("libnghttp2").open("rb") as file:
        assert sends_past(file)  # it defines what others import: who asks leaves it out
    with library("libssl").open("rb") as file:
        assert not sends_past(file)
