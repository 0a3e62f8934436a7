"""Which functions of real files are probed for TLS, told against the system's own tools."""

import io
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.elf import Octets
from collector.go_binary import GoTableError, go_functions
from collector.tls_events import MAPPED, Mapped, mapped
from collector.tls_files import Code, code_of, codes, file_id, is_program, open_code
from collector.tls_library import GNUTLS, OPENSSL, Function, Library, TlsCode, tls_code
from tests.disassembly import cheap_address
from tests.foreign_tls import brought_by

GO_METHODS = ("Read", "Write", "clientHandshake")  # of a client
DEFERRED = {"Read": "Read.deferwrap1", "Write": "Write.deferwrap2"}  # what unlocks; Go 1.21 and later
GO_SOURCE = """package main

import (
	"crypto/tls"
	"os"
)

func main() {
	link, err := tls.Dial("tcp", os.Args[1], nil)
	if err != nil {
		os.Exit(1)
	}
	link.Write(make([]byte, 23))
	link.Read(make([]byte, 23))
}
"""
# For OpenSSL's reads and writes and GnuTLS's reads stand their inner functions (tests/test_probe_place.py).
WRAPPED = {"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "gnutls_record_recv"}
INNER = {Function.RECEIVES_POINTING, Function.SENDS_POINTING}
# How a Go program may be built: with C code or without, by whose linker, to be loaded anywhere (pie) or not.
GO_BUILDS = {
    "pure": (0, []),
    "cgo": (1, []),
    "by a C linker": (1, ["-ldflags=-linkmode=external"]),
    "movable": (0, ["-buildmode=pie"]),
    "movable, cgo": (1, ["-buildmode=pie"]),
    "movable, by a C linker": (1, ["-buildmode=pie", "-ldflags=-linkmode=external"]),
    "at another address": (0, ["-ldflags=-T 0x800000"]),
}


def library(name: str) -> Path:
    """Return a shared library that this process has, or that the system has."""
    for code in code_of(os.getpid()):
        if f"/{name}.so" in code.path:
            return Path(code.path)
    found = sorted(Path("/usr/lib/x86_64-linux-gnu").glob(f"{name}.so.*"))
    if not found:
        pytest.skip(f"{name} is not here")
    return found[0]


def stand_at_their_symbols(path: Path, code: TlsCode, symbols: dict[str, int], functions: dict[str, Function]) -> None:
    """Hold each of these to be probed once, and exactly at its begin or at the push or jump behind a comparison."""
    places = [(one.offset, one.function) for one in code.entries if one.function not in INNER and not one.form]
    assert sorted(places) == sorted((cheap_address(path, symbols[name]), does) for name, does in functions.items())


def dynamic_symbols(path: Path) -> dict[str, int]:
    """Return the file offsets of a library's functions, as readelf has them; its text lies where its address says."""
    return symbols_of(path, "--dyn-syms")


def symbols_of(path: Path, table: str) -> dict[str, int]:
    if not shutil.which("readelf"):
        pytest.skip("no readelf to compare with")
    text = subprocess.run(["readelf", "-W", table, path], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[7].partition("@")[0]: int(row[1], 16) for row in rows if len(row) >= 8 and row[3] == "FUNC"}


@pytest.mark.parametrize(
    ("name", "kind", "table"), [("libssl", Library.OPENSSL, OPENSSL), ("libgnutls", Library.GNUTLS, GNUTLS)]
)
def test_functions_stand_where_readelf_has_them(name: str, kind: Library, table: dict[str, Function]) -> None:
    path = library(name)
    with path.open("rb") as file:
        (found,) = tls_code(file)
    symbols = dynamic_symbols(path)
    assert found.library is kind
    stand_at_their_symbols(path, found, symbols, {name: does for name, does in table.items() if name not in WRAPPED})


@pytest.mark.parametrize(
    ("package", "files", "others"),
    [
        ("psycopg2", "psycopg2_binary.libs/libssl-*.so.1.1", WRAPPED),
        ("curl_cffi", "curl_cffi/_wrapper.abi3.so", {"SSL_read_ex", "SSL_write_ex"}),
    ],
    ids=["OpenSSL 1.1", "BoringSSL within an extension"],
)
def test_functions_of_wheels_stand_where_readelf_has_them_stripped_only_those_that_others_may_call(
    tmp_path: Path, package: str, files: str, others: set[str]
) -> None:
    path = brought_by(package, files)
    symbols = symbols_of(path, "--syms")
    with path.open("rb") as file:
        (found,) = tls_code(file)
    assert found.library is Library.OPENSSL
    stand_at_their_symbols(path, found, symbols, {name: does for name, does in OPENSSL.items() if name not in others})
    subprocess.run(["strip", "-o", tmp_path / "stripped", path], check=True)
    with (tmp_path / "stripped").open("rb") as file:
        assert bool(tls_code(file)) == (package == "psycopg2")


@pytest.mark.parametrize(("cgo", "options"), GO_BUILDS.values(), ids=GO_BUILDS)
def test_a_stripped_go_programs_places_are_those_of_gos_own_disassembler(
    tmp_path: Path, cgo: int, options: list[str]
) -> None:
    if not shutil.which("go") or not shutil.which("strip") or (cgo and not shutil.which("gcc")):
        pytest.skip("no Go, no strip or no gcc here")
    (tmp_path / "one.go").write_text(GO_SOURCE)
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": str(cgo)}
    subprocess.run(["go", "build", *options, "-o", "whole", "one.go"], cwd=tmp_path, check=True, env=environment)
    shutil.copy(tmp_path / "whole", tmp_path / "stripped")
    subprocess.run(["strip", tmp_path / "stripped"], check=True)
    for name in ("whole", "stripped"):
        with (tmp_path / name).open("rb") as file:
            (found,) = tls_code(file)
        assert found.library is Library.GO
        for method, does in (("Read", Function.RECEIVES), ("Write", Function.SENDS)):
            wanted = min(go_places(tmp_path / "whole", DEFERRED[method], "PUSHQ BP"))
            (one,) = (one for one in found.returns if one.function is does)
            assert (one.offset, one.deferral and one.deferral.slot) == (wanted, slot_of(tmp_path / "whole", method))
        begins = [min(go_places(tmp_path / "whole", method, "PUSHQ BP")) for method in GO_METHODS]
        assert sorted(one.offset for one in found.entries) == sorted(begins)


@pytest.mark.parametrize("options", [["-gcflags=all=-N -l"], ["-race"]], ids=["for a debugger", "for races"])
def test_a_go_program_that_defers_otherwise_is_probed_at_its_returns(tmp_path: Path, options: list[str]) -> None:
    if not shutil.which("go") or not shutil.which("gcc"):
        pytest.skip("no Go or no gcc here")
    (tmp_path / "one.go").write_text(GO_SOURCE)
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "1"}
    subprocess.run(["go", "build", *options, "-o", "one", "one.go"], cwd=tmp_path, check=True, env=environment)
    with (tmp_path / "one").open("rb") as file:
        (found,) = tls_code(file)
    wanted = {place for method in ("Read", "Write") for place in go_places(tmp_path / "one", method, "RET")}
    assert {one.offset for one in found.returns} == wanted
    assert not any(one.deferral for one in found.returns)


def slot_of(program: Path, method: str) -> int:
    """Return the word of its frame that a method loads behind each call of what it has deferred."""
    (slot,) = set(re.findall(r"CALL AX.*\n.*MOVQ 0x([0-9a-f]+)\(SP\), AX", disassembled(program, method)))
    return int(slot, 16) // 8


def disassembled(program: Path, method: str) -> str:
    """Return what Go's disassembler says of a method of tls.Conn."""
    command = ["go", "tool", "objdump", "-s", rf"^crypto/tls.\(\*Conn\).{method}$", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def go_places(program: Path, method: str, instruction: str) -> list[int]:
    """Return the file offsets of an instruction of a method of tls.Conn."""
    text = disassembled(program, method)
    sections = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout
    code = re.search(r" \.text +PROGBITS +(\w+) (\w+)", sections)
    assert code is not None
    found = re.findall(rf"\t0x([0-9a-f]+)\t.*\t{instruction}\t", text)
    return [int(address, 16) - int(code[1], 16) + int(code[2], 16) for address in found]


def test_static_openssl_is_found_by_its_symbols(tmp_path: Path) -> None:
    """Functions of the same names in a program's own symbol table."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    source = "".join(f"int {name}(void) {{ return 0; }}\n" for name in OPENSSL) + "int main(void) { return 0; }\n"
    (tmp_path / "static.c").write_text(source)
    subprocess.run(["cc", "-o", tmp_path / "static", tmp_path / "static.c"], check=True)
    with (tmp_path / "static").open("rb") as file:
        (found,) = tls_code(file)
    assert found.library is Library.OPENSSL
    assert {one.function for one in found.entries} == set(OPENSSL.values())
    subprocess.run(["strip", tmp_path / "static"], check=True)
    with (tmp_path / "static").open("rb") as file:
        assert tls_code(file) == ()


@given(st.binary(max_size=300))
def test_any_octets_are_a_file_without_tls(octets: bytes) -> None:
    assert tls_code(io.BytesIO(octets)) == ()
    assert tls_code(io.BytesIO(b"\x7fELF\x02\x01\x01" + octets)) == ()


@given(st.binary(max_size=300))
def test_a_broken_table_of_go_is_said_to_be(octets: bytes) -> None:
    nothing = Octets(io.BytesIO(), 0, 0)
    table = b"\xf1\xff\xff\xff\0\0\1\10" + octets
    try:
        found = go_functions(Octets(io.BytesIO(table), 0, len(table)), nothing, 1, ["crypto/tls.(*Conn).Read"], 1)
    except GoTableError:
        return
    assert not found


def test_maps_are_read_line_by_line() -> None:
    lines = [
        "7f00-7f01 r-xp 00001000 fe:01 77 /usr/lib/libssl.so.3",
        "7f01-7f02 r--p 00002000 fe:01 77 /usr/lib/libssl.so.3",
        "7f02-7f03 r-xp 00003000 fe:01 77 /usr/lib/libssl.so.3",
        "7f03-7f04 r-xp 00000000 fe:01 78 /tmp/with space.so",
        "7f04-7f05 r-xp 00000000 fe:01 79 /tmp/gone.so (deleted)",
        "7f05-7f06 r-xp 00000000 00:00 0 [vdso]",
        "7f06-7f07 rwxp 00000000 00:00 0 ",
    ]
    assert list(codes(5, lines)) == [Code(5, "/usr/lib/libssl.so.3", 77), Code(5, "/tmp/with space.so", 78)]


def test_a_process_own_code_is_opened_and_known_by_any_name(tmp_path: Path) -> None:
    assert ssl.OPENSSL_VERSION
    code = next(one for one in code_of(os.getpid()) if "libssl" in one.path or "_ssl" in one.path)
    linked = tmp_path / "other-name"
    linked.symlink_to(code.path)
    file = open_code(code)
    assert file is not None
    with file, linked.open("rb") as other:
        assert file_id(file.fileno()) == file_id(other.fileno())
    assert not is_program(code)
    assert open_code(Code(os.getpid(), code.path, code.inode + 1)) is None
    assert list(code_of(1 << 22)) == []


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "libssl.so")
    inode = (tmp_path / "libssl.so").stat().st_ino
    assert open_code(Code(os.getpid(), str(tmp_path / "libssl.so"), inode)) is None


def test_an_event_of_the_kernel_is_read() -> None:
    body = MAPPED.pack(7, 8, 254, 1, 77, 3, 5, 2) + b"/usr/lib/libssl.so.3\0\0\0\0" + b"\0" * 8
    assert mapped(body) == Mapped(7, "/usr/lib/libssl.so.3", (254, 1, 77, 3))
