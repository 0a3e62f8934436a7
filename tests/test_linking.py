"""collector/linking.py: a library of a program that the dynamic linker has in hand, and of one that runs."""

import mmap
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.elf import Segment
from collector.linking import is_linked, is_protected
from collector.record import TLS_OFF, TLS_UNSUPPORTED
from collector.tls_attacher import AGAIN_S, IDLE_S, LOOK_S
from collector.tls_files import Code, Mapping, code_of, mappings
from collector.tls_further import Further
from tests.test_tls_attacher import attacher

LIBRARY = next(Path("/usr/lib/x86_64-linux-gnu").glob("libnghttp2.so.*"), None)
WAIT_S = 20.0
BASE = 0x7F00_0000_0000
FIRST, RELOCATED = Segment(0, 0x4E98, 0), Segment(0x2BF50, 0x20B0, 0x2BF50)


def mapped(*parts: tuple[int, int, str]) -> list[Mapping]:
    return [Mapping(BASE + begin, BASE + end, rights) for begin, end, rights in parts]


@pytest.mark.parametrize(
    ("parts", "is_done"),
    [
        ([(0, 0x2F000, "r--p")], False),
        ([(0, 0x5000, "r--p"), (0x5000, 0x1C000, "r-xp"), (0x1C000, 0x2F000, "r--p")], False),
        (
            [(0, 0x5000, "r--p"), (0x5000, 0x1C000, "r-xp"), (0x1C000, 0x2B000, "r--p"), (0x2B000, 0x2F000, "rw-p")],
            False,
        ),
        (
            [
                (0, 0x5000, "r--p"),
                (0x5000, 0x1C000, "r-xp"),
                (0x1C000, 0x2B000, "r--p"),
                (0x2B000, 0x2E000, "r--p"),
                (0x2E000, 0x2F000, "rw-p"),
            ],
            True,
        ),
    ],
)
def test_the_steps_of_the_dynamic_linker(parts: list[tuple[int, int, str]], is_done: bool) -> None:
    assert is_protected(mapped(*parts), RELOCATED, FIRST) == is_done


def test_less_than_a_page_is_never_protected() -> None:
    parts = mapped((0, 0x1000, "r-xp"), (0x1000, 0x2000, "rw-p"))
    assert is_protected(parts, Segment(0x1100, 0x200, 0x1100), FIRST)


def test_what_runs_is_linked_and_so_is_what_tells_nothing(tmp_path: Path) -> None:
    own = list(code_of(os.getpid()))
    assert all(is_linked(one) for one in own if "/libc." in one.path or "/ld-" in one.path)
    assert is_linked(Code(1 << 30, "/usr/lib/libnghttp2.so.14", 1))
    assert is_linked(Code(os.getpid(), str(tmp_path), 1))
    with text_to_be_run(tmp_path / "text") as text:
        assert is_linked(text)


@contextmanager
def text_to_be_run(file: Path) -> Iterator[Code]:
    """Have a file mapped as a program is, that is none."""
    file.write_bytes(b"text")
    rights = mmap.PROT_READ | mmap.PROT_EXEC
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 4, mmap.MAP_PRIVATE, rights):
        yield next(one for one in code_of(os.getpid()) if one.path == str(file))


@pytest.mark.parametrize("end", "\r\v\f\x1c\x85\u2028")
def test_a_name_forges_no_line(tmp_path: Path, end: str) -> None:
    folder = tmp_path / f"x{end}q x q q q "
    folder.mkdir()
    with text_to_be_run(folder / f"y{end}zz-yy r-xp 0 0 77 ") as found:
        (mapped,) = mappings(found)
        assert mapped.rights == "r-xp"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Code, Path]]:
    """Give libnghttp2 of a program whose linker waits for the next library's octets, and where it waits for them."""
    if LIBRARY is None:
        pytest.skip("libnghttp2 is not installed")
    pipe = tmp_path / "later.so"
    os.mkfifo(pipe)
    environment = {**os.environ, "LD_PRELOAD": f"{LIBRARY}:{pipe}"}
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            yield awaited(process.pid), pipe
        finally:
            process.kill()


def awaited(process_id: int) -> Code:
    """Wait until a process has mapped the library."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        for code in code_of(process_id):
            if "libnghttp2" in code.path:
                return code
        time.sleep(0.01)
    raise TimeoutError


def let_on(pipe: Path) -> None:
    """Give the linker, which waits in open(2), what it waits for: nothing that is a library, so it leaves that out."""
    octets = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    os.write(octets, b"none")
    os.close(octets)


def until_linked(code: Code) -> None:
    end_s = time.monotonic() + WAIT_S
    while not is_linked(code):
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_program_that_is_being_linked_is_not_linked(held: tuple[Code, Path]) -> None:
    code, pipe = held
    time.sleep(0.1)  # it waits behind the library
    assert not is_linked(code)
    let_on(pipe)
    until_linked(code)


def test_it_is_early_until_it_is_linked_or_too_slow(held: tuple[Code, Path]) -> None:
    code, pipe = held
    further, late_s = Further(-1, memoryview(bytearray(8)).cast("Q")), time.monotonic() + WAIT_S
    assert further.is_early(code, "a name", late_s)
    assert further.is_awaiting
    assert further.take_early() == {(code, "a name"): late_s}
    assert not further.is_awaiting
    assert not further.is_early(code, "a name", time.monotonic())
    let_on(pipe)
    until_linked(code)
    assert not further.is_early(code, "a name", late_s)
    assert not further.is_awaiting


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose is /proc")
def test_the_attacher_looks_at_it_once_it_is_linked(held: tuple[Code, Path]) -> None:
    code, pipe = held
    with attacher() as (one, counters):
        one.look(code, "a name")
        assert (one.pause_s, counters[TLS_UNSUPPORTED]) == (AGAIN_S, 0)
        let_on(pipe)
        until_linked(code)
        one.look_again()
        assert (one.pause_s > AGAIN_S, counters[TLS_UNSUPPORTED]) == (True, 1)  # its programs are none
        one.look(code, "another name")  # of a file that has nothing to be probed
        assert one.pause_s > AGAIN_S


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose is /proc")
def test_back_off_waits_for_nobody(held: tuple[Code, Path]) -> None:
    code, _ = held
    with attacher() as (one, counters):
        one.look(code, "a name")
        counters[TLS_OFF] = 1
        one.obey()
        one.look_again()
        assert (one.pause_s > AGAIN_S, counters[TLS_UNSUPPORTED]) == (True, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose is /proc")
def test_a_program_that_is_gone_needs_nothing() -> None:
    if LIBRARY is None:
        pytest.skip("libnghttp2 is not installed")
    with attacher() as (one, counters):
        one.look(Code(1 << 30, str(LIBRARY), LIBRARY.stat().st_ino), "a name")
        assert (counters[TLS_UNSUPPORTED], one.pause_s) == (0, LOOK_S)
        one.is_off = True
        one.let_go()  # nor under back-off
        assert (counters[TLS_UNSUPPORTED], one.pause_s) == (0, LOOK_S)
        one.is_off = False
        one.let_go()  # looks at all processes once: it may have left children
        assert one.pause_s in {IDLE_S, AGAIN_S}
