"""What each process of the agent imports: memory and a start within a second are lost by one import too many."""

import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

import pytest

from collector import c_memory
from collector.c_memory import unchanged

ROOT = Path(__file__).parent.parent
MB = 1_048_576

LEFT_OUT = "from collector.lean_imports import leave_out; leave_out()"
# What a process is made of, and what must not come with it (in MB of its memory: asyncio 3, OpenSSL 4, fastavro 5).
PROCESSES = {
    "supervisor": (
        f"{LEFT_OUT}; import collector.lean_kafka as k; k.import_little(); import deploy.live, collector.publisher",
        {"asyncio", "ssl", "fastavro", "yaml", "http.client", "tomllib", "collector.loader", "collector.connections"}
        | {"ast", "dis", "tempfile", "random", "shutil", "difflib", "traceback", "_locale"},
    ),
    "observer": (
        f"{LEFT_OUT}; import collector.observer, collector.http1",
        {"confluent_kafka", "subprocess", "tempfile", "tomllib", "ssl", "collector.loader", "fastavro"}
        | {"ast", "dis", "difflib", "traceback", "_locale"},
    ),
    "attacher": (
        f"import collector.tls_attacher_start; {LEFT_OUT}; import collector.tls_attacher",
        {"msgspec", "json", "subprocess", "hashlib", "pathlib", "ast", "dis"},
    ),
    "keeper": ("import collector.tls_keeper", {"pathlib", "typing", "enum", "re", "dataclasses", "collector.record"}),
}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_imports_what_it_needs(process: str) -> None:
    imports, without = PROCESSES[process]
    program = f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]}; {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not without & set(done.stdout.split())


def test_a_producer_is_all_that_the_light_client_knows_and_it_works() -> None:
    program = (
        "from collector.lean_kafka import import_little; assert import_little();"
        "from collector.publisher import Publisher; from collector.message import Counters;"
        "from tests.mock_broker import mock_broker"
    )
    refused = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "cannot import name 'Consumer'" in refused.stderr


def test_who_has_the_whole_client_keeps_it() -> None:
    program = (
        "import confluent_kafka; from collector.lean_kafka import import_little;"
        "print(import_little(), confluent_kafka.Consumer.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "Consumer"]


def test_what_is_left_out_is_there_for_who_looks_into_it() -> None:
    """`inspect` when it is used; hashlib and hmac without OpenSSL give what they give with it."""
    program = (
        f"import sys; {LEFT_OUT}; import dataclasses, hashlib, hmac, msgspec; before = 'ast' in sys.modules;"
        "import inspect; print(before, inspect.isclass(int), sys.modules['inspect'].isclass(str),"
        "hashlib.sha256(b'a').hexdigest() + hmac.digest(b'k', b'a', 'sha256').hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    digests = hashlib.sha256(b"a").hexdigest() + hmac.digest(b"k", b"a", "sha256").hex()
    assert done.stdout.split() == ["False", "True", "True", digests]


def test_of_a_processs_mappings_what_is_a_files_and_unchanged_is_let_go() -> None:
    lines = """\
55d0c0000000-55d0c0001000 r--p 00000000 fe:01 7 /usr/bin/python3.11
Rss:                   4 kB
Anonymous:             0 kB
55d0c0001000-55d0c0003000 r-xp 00001000 fe:01 7 /usr/bin/python3.11
Anonymous:             0 kB
7eff00000000-7eff00001000 r--p 00000000 fe:01 7 /usr/lib/locale/C.utf8/LC_CTYPE
Anonymous:             0 kB
7f0000000000-7f0000003000 r-xp 00001000 fe:01 8 /usr/lib/lib with spaces.so
Anonymous:             0 kB
7f0000003000-7f0000004000 r--p 00004000 fe:01 8 /usr/lib/relocated.so
Anonymous:             4 kB
7f0000004000-7f0000005000 rw-p 00005000 fe:01 8 /usr/lib/written.so
Anonymous:             0 kB
7f0000005000-7f0000006000 r--s 00000000 00:01 9 /memfd:shared
Anonymous:             0 kB
7f0000006000-7f0000007000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000007000-7f0000008000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
""".splitlines()
    assert unchanged(lines) == [(0x55D0C0000000, 0x1000), (0x55D0C0001000, 0x2000), (0x7F0000000000, 0x3000)]


def test_a_process_runs_on_in_code_that_it_let_go_of() -> None:
    program = (
        "from collector.c_memory import let_go, let_go_of_code, unchanged; import json;"
        "before = len(unchanged(open('/proc/self/smaps'))); places = let_go_of_code(); import decimal;"
        "let_go(places); print(before == len(places) > 0, json.loads('[1]'), decimal.Decimal(2).sqrt() > 1)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True [1] True\n"


def test_where_the_kernel_does_not_tell_everything_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(c_memory, "MAPS", str(tmp_path / "smaps"))
    c_memory.let_go_of_code()


@pytest.mark.parametrize(("kept", "stays"), [(0, False), (4 * MB, True)])
def test_memory_of_a_turn_stays_for_the_next_one_until_it_is_given_back(kept: int, stays: bool) -> None:
    program = (
        "import collector.c_memory as m, os; m.give_back();"
        "of = lambda: int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE');"
        f"m.keep_free({kept}); before = of(); turn = [bytes(4_000) for _ in range(800)]; del turn;"
        "between = of(); m.give_back(); print(between - before, of() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    between, after = map(int, done.stdout.split())
    assert (between > 2 * MB) is stays
    assert after < MB
