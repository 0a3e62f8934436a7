"""tests/other_kernel: what pytest skips on another kernel is no success, but for hooks that this kernel has not."""

import sys

import pytest

from tests.other_kernel.init import followed, is_missing

AT = "SKIPPED [17] tests/test_kernel_live.py:32:"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f"{AT} hook sock does not load here: no such tracepoint", False),
        (f"{AT} hook fexit does not load here: fexit: the kernel refuses to load it (EPERM)", True),
        (f"{AT} hook kprobe does not load here: Failed to attach", True),
        (f"{AT} hook syscall does not load here: x", True),
        (f"{AT} this kernel has no BTF", True),
        ("51 passed, 17 skipped in 800.00s", False),
        (".................ssss", False),
    ],
)
def test_only_what_the_kernel_has_not_may_be_skipped(line: str, wanted: bool) -> None:
    assert is_missing(line) == wanted


@pytest.mark.parametrize(
    ("said", "ended", "wanted"),
    [
        ("17 passed", 0, 0),
        (f"{AT} hook sock does not load here: x", 0, 0),
        (f"{AT} needs root", 0, 1),
        ("17 passed", 2, 2),
        ("no tests ran", 5, 5),
    ],
)
def test_the_machine_tells_it_as_a_failure(said: str, ended: int, wanted: int) -> None:
    command = [sys.executable, "-c", f"print({said!r}); raise SystemExit({ended})"]
    assert followed(command, "/", {}) == wanted
