"""collector/tls_attacher.py: which files it opens, and which it holds for those that it opened before."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from collector.record import COUNTER_SLOTS, IGNORED, SBI, TLS_OFF, TLS_PROBED, TLS_UNSUPPORTED
from collector.tls_attached import FOREIGN_CALLS, MOST_ALONE, PROBED, TRIAL_S, Attached, program_of
from collector.tls_attacher import ANEW_S, LOOK_S, MOST_NEW, Attacher, epoch
from collector.tls_closing import MOST_CLOSING
from collector.tls_files import Code, code_of, file_id, open_code
from collector.tls_link import reaches_threads
from collector.tls_probing import MOST_FILES
from tests.chattering import PYTHON, own_libraries

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who mounts")
NO_PROGRAMS = ("tls_enter", "tls_leave", "go_enter", "go_leave")


@contextmanager
def attacher(*names: str) -> Iterator[tuple[Attacher, memoryview]]:
    """Give one whose programs are none: it opens files, says that they cannot be followed and counts each."""
    with ExitStack() as ending:
        shared = [os.memfd_create(name) for name in ("uses", "counters")]
        for one, slots in zip(shared, (MOST_FILES * 4, COUNTER_SLOTS), strict=True):
            os.truncate(one, -(-slots * 8 // 4_096) * 4_096)
            ending.callback(os.close, one)
        nothing = os.open("/dev/null", os.O_RDONLY)
        ending.callback(os.close, nothing)
        maps = {"tls_uses": shared[0], "counters": shared[1], "shown_processes": nothing}
        made = Attacher({**maps, **dict.fromkeys(names, nothing)})
        yield made, made._counters


OWN_DISK = "mount -t tmpfs none /mnt && cp {libraries}/libssl* /mnt"
OWN_LAYER = (
    "mount -t tmpfs none /mnt && mkdir /mnt/above /mnt/work /mnt/both"
    " && mount -t overlay none /mnt/both -o lowerdir={libraries},upperdir=/mnt/above,workdir=/mnt/work"
)


@contextmanager
def elsewhere(libraries: Path, mount: str = OWN_DISK, below: str = "/mnt") -> Iterator[int]:
    """Give a program that has mapped a library from `below`, where nobody else sees what it has there."""
    preloaded = f"env LD_PRELOAD=$(echo {below}/libssl*) cat"
    script = f"{mount.format(libraries=libraries)} && cd /mnt && echo && exec {preloaded}"
    command = ["unshare", "-m", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        if process.stdout.readline() != b"\n":
            pytest.skip(f"cannot be mounted here: {mount}")
        process.stdin.write(b"mapped\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"mapped\n"
        try:
            yield process.pid
        finally:
            process.kill()


def of_tls(process_id: int) -> Code:
    (code,) = (code for code in code_of(process_id) if code.path.startswith("/mnt/"))
    return code


def test_a_library_of_one_path_and_number_on_another_disk_is_another(tmp_path: Path) -> None:
    if not shutil.which("unshare") or not PYTHON.exists() or not own_libraries(tmp_path / "lib"):
        pytest.skip(f"no unshare, or no {PYTHON} with OpenSSL beside it")
    with (
        attacher(*NO_PROGRAMS) as (one, counters),
        elsewhere(tmp_path / "lib") as first,
        elsewhere(tmp_path / "lib") as second,
    ):
        codes = [of_tls(process_id) for process_id in (first, second)]
        assert (codes[0].path, codes[0].inode) == (codes[1].path, codes[1].inode)
        opened = []
        for process_id in (first, first, second, second):
            one.look_at(process_id)
            opened.append(counters[TLS_UNSUPPORTED])
    assert opened == [1, 1, 2, 2]


def test_a_library_below_several_overlays_is_one(tmp_path: Path) -> None:
    """As containers of one image have it: each overlay says that the file is on a device of its own."""
    if not shutil.which("unshare") or not PYTHON.exists() or not own_libraries(tmp_path / "lib"):
        pytest.skip(f"no unshare, or no {PYTHON} with OpenSSL beside it")
    layer = OWN_LAYER, "/mnt/both"
    with elsewhere(tmp_path / "lib", *layer) as first, elsewhere(tmp_path / "lib", *layer) as second:
        devices, known = set(), set()
        for process_id in (first, second):
            file = open_code(of_tls(process_id))
            assert file is not None
            with file:
                devices.add(os.fstat(file.fileno()).st_dev)
                known.add(file_id(file.fileno()))
    assert (len(devices), len(known)) == (2, 1)


@pytest.mark.parametrize(("padding", "opened"), [(1 << 20, 1), (1 << 10, 0)], ids=["large", "small"])
def test_a_library_of_any_name_is_looked_into_if_tls_may_be_linked_into_it(
    tmp_path: Path, padding: int, opened: int
) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    functions = "".join(f"int {name}(void) {{ return 0; }}" for name in ("SSL_read", "SSL_write"))
    source = f"const char padding[{padding}] = {{1}}; {functions}"
    (tmp_path / "other.c").write_text(source)
    other = tmp_path / "other.abi3.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", other, tmp_path / "other.c"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(other)}
    with (
        attacher(*NO_PROGRAMS) as (one, counters),
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"mapped\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"mapped\n"
        (code,) = (code for code in code_of(process.pid) if code.path == str(other))
        for _ in range(2):
            one.look(code, code.inode)
        assert counters[TLS_UNSUPPORTED] == opened
        process.kill()


def test_whatever_a_file_leads_to_is_counted_once_and_others_are_looked_at(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("unshare") or not PYTHON.exists() or not own_libraries(tmp_path / "lib"):
        pytest.skip(f"no unshare, or no {PYTHON} with OpenSSL beside it")
    with attacher() as (one, counters), elsewhere(tmp_path / "lib") as process_id:
        one.look_at(process_id)
        one.look_at(process_id)
        assert (counters[TLS_UNSUPPORTED], counters[TLS_PROBED], sum(one._calls._uses)) == (1, 0, 0)
    assert "libssl" in capfd.readouterr().err


def test_the_kernel_side_is_told_which_files_are_probed_and_whether_any_is() -> None:
    with attacher() as (one, counters):
        for number in range(3):
            one._files[number, 0, 0] = file = Attached(number)
            file.links = [os.open("/dev/null", os.O_RDONLY) for _ in range(2)]
            one._calls._uses[4 * number + PROBED] = 7 + number
        counters[TLS_PROBED] = 1
        one._detach(one._files[1, 0, 0])
        assert (counters[TLS_PROBED], *one._calls._uses[PROBED : 3 * 4 : 4]) == (1, 7, 0, 9)
        counters[TLS_OFF] = 1
        one.obey()
        assert (counters[TLS_PROBED], *one._calls._uses[PROBED : 3 * 4 : 4]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("served", "probed_s", "is_let_go"),
    [(0, 0.0, True), (1, 0.0, False), (1, TRIAL_S - 2, False), (1, TRIAL_S + 2, True)],
    ids=["never", "before it was probed anew", "before, and silent for a while", "before, and silent for long"],
)
def test_a_library_of_others_calls_is_let_go_unless_it_has_served_sbi_and_may_again(
    served: int, probed_s: float, is_let_go: bool
) -> None:
    with attacher() as (one, counters):
        one._files[0, 0, 0] = file = Attached(0)
        one._calls._uses[SBI], one._calls._uses[IGNORED] = served, 7
        file.links, file.calls = [os.open("/dev/null", os.O_RDONLY)], one._calls.of(file)
        file.since_s = time.monotonic() - probed_s
        one._calls._uses[IGNORED] += FOREIGN_CALLS - 1
        one.let_go()
        assert (bool(file.links), counters[TLS_PROBED]) == (True, epoch())
        one._calls._uses[IGNORED] += 1
        one.let_go()
        assert bool(file.links) != is_let_go
        while file.links:
            os.close(file.links.pop())


@contextmanager
def watched_alone(one: Attacher, file: Attached, process_id: int) -> Iterator[Attached]:
    """Let a file that was let go be probed for a process, by a link that is none."""
    made = one._calls.numbered(process_id=process_id)
    assert made is not None
    file.alone[process_id] = made
    made.links = [os.open("/dev/null", os.O_RDONLY)]
    one._calls.begin(made)
    one._calls.begun(made)
    yield made
    one._closing.wait()


def test_for_a_process_alone_a_library_is_let_go_by_its_own_calls_and_by_its_end() -> None:
    with attacher() as (one, counters), subprocess.Popen(["sleep", "60"]) as ending:
        one._files[0, 0, 0] = file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        with watched_alone(one, file, os.getpid()) as ours, watched_alone(one, file, ending.pid) as its:
            one._calls._uses[4 * its.number + IGNORED] = FOREIGN_CALLS - 1
            one._calls._uses[4 * ours.number + IGNORED] = FOREIGN_CALLS
            one.let_go()
            assert (len(ours.links), len(its.links)) == (0, 1)
            assert (one.is_probing, counters[TLS_PROBED]) == (True, epoch())
            ending.kill()
            ending.wait()
            assert one.pause_s == LOOK_S
            one.let_go()
            assert file.alone == {os.getpid(): ours}
            assert (one.is_probing, counters[TLS_PROBED]) == (False, 0)
            assert one.pause_s == LOOK_S  # it may have left children
        again = one._calls.numbered()
        assert again is not None
        assert (again.number, one._calls.of(again)) == (its.number, [0, 0, 0])


@contextmanager
def sleeping(count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    with ExitStack() as ending:
        processes = [ending.enter_context(subprocess.Popen(["sleep", "60"])) for _ in range(count)]
        for one in processes:
            ending.callback(one.kill)
        yield processes


def test_of_processes_that_come_too_fast_the_rest_waits_for_a_look_at_all(tmp_path: Path) -> None:
    with attacher() as (one, _), sleeping(MOST_NEW + 1) as processes:
        one._files[0, 0, 0] = file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        for process in processes:
            assert one.pause_s == TRIAL_S
            one._open_again(file, str(tmp_path), process.pid)
        assert list(file.alone) == [process.pid for process in processes[:-1]]
        assert one.pause_s == LOOK_S


def test_a_library_is_probed_for_a_bounded_number_of_processes_alone(tmp_path: Path) -> None:
    with attacher() as (one, counters), sleeping(1) as (process,):
        one._files[0, 0, 0] = file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        for number in range(MOST_ALONE):
            file.alone[-number] = its = Attached(1)
            its.links = [os.open("/dev/null", os.O_RDONLY)]
        one._open_again(file, str(tmp_path), process.pid)
        assert (process.pid in file.alone, one.pause_s, counters[TLS_UNSUPPORTED]) == (False, LOOK_S, 0)
        one._detach(its)
        one._open_again(file, str(tmp_path), process.pid)
        assert process.pid in file.alone
        counters[TLS_OFF] = 1
        one.obey()
        one._closing.wait()
        assert (file.alone, one.is_probing) == ({}, False)


def test_of_a_program_that_is_gone_no_number_is_taken(tmp_path: Path) -> None:
    with attacher() as (one, counters):
        file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        one._open_again(file, str(tmp_path), 1 << 30)
        assert (file.alone, one.pause_s, counters[TLS_UNSUPPORTED]) == ({}, LOOK_S, 0)
        assert (one._calls.numbered() or file).number == file.number + 1


def test_who_has_let_a_library_go_alone_is_tried_again_later() -> None:
    with attacher() as (one, _), sleeping(1) as (process,):
        one._files[0, 0, 0] = file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        with watched_alone(one, file, process.pid) as its:
            one._detach(its)
            one.let_go()
            assert process.pid in file.alone
            its.since_s -= ANEW_S + 1
            one.let_go()
            assert process.pid not in file.alone  # it maps no such library


def test_a_program_that_another_one_runs_in_its_place_is_another() -> None:
    command = ["sh", "-c", "read line; exec sleep 60"]
    with attacher() as (one, _), subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        one._files[0, 0, 0] = file = one._calls.numbered() or Attached(-1)
        file.is_foreign = True
        before = program_of(process.pid)
        with watched_alone(one, file, process.pid) as its:
            one._detach(its)
            one.let_go()
            assert file.alone == {process.pid: its}
            process.stdin.write(b"now\n")
            process.stdin.flush()
            while program_of(process.pid) == before:
                time.sleep(0.01)
            one.let_go()
            assert file.alone == {}  # it maps no such library
        process.kill()
        process.wait()
        assert program_of(process.pid) == ""


def test_links_are_closed_together_and_before_anything_is_attached(tmp_path: Path) -> None:
    with attacher() as (one, _):
        links = [os.open("/dev/null", os.O_RDONLY) for _ in range(3 * MOST_CLOSING + 1)]
        held = list(links)
        one._closing.add(links)
        assert links == []
        one._attach(Attached(0), str(tmp_path))
        assert not any(Path(f"/proc/self/fd/{link}").exists() for link in held)


@pytest.mark.parametrize(
    ("release", "reaches"),
    [("6.18.44-fc-v782", True), ("6.10.0", True), ("6.9.12", False), ("7.0-rc1", True), ("6.6", False)],
)
def test_links_for_one_process_reach_its_threads_since_linux_6_10(
    release: str, reaches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "node", release, "", "x86_64")))
    assert reaches_threads() == reaches
