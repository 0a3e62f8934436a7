"""What the build says where nothing can be compiled: one line; the same files then run as they are."""

import pytest

from deploy.compile import COMPILED, extensions, modules


def test_without_a_compiler_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SBISCOPE_PURE", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert extensions() == []
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "sbiscope: no C compiler (cc, gcc) found; nothing is compiled, decoding is 30 to 100 times slower"
    ]


def test_who_wants_no_compiled_modules_is_told_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBISCOPE_PURE", "1")
    assert extensions() == []
    assert capsys.readouterr().out.splitlines() == [
        "sbiscope: SBISCOPE_PURE is set; nothing is compiled, decoding is 30 to 100 times slower"
    ]


def test_every_module_of_the_list_is_there() -> None:
    assert modules() == list(COMPILED)
