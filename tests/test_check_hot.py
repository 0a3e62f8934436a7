"""The guard of hot functions: this tree is clean, and the known traps are found."""

from pathlib import Path

import pytest

from deploy import check_hot

ROOT = Path(__file__).parent.parent
HEADER = '# cython: language_level=3\n"""Hot."""\nimport cython\n\n\n@cython.cfunc\n@cython.exceptval(check=False)\n'
TRAPS = {
    "plain C": ("def hot(x: cython.ulonglong) -> cython.ulonglong:\n    return x & 0xFFFFFFF\n", False),
    "a literal above 31 bits": (
        "def hot(x: cython.ulonglong) -> cython.ulonglong:\n    return x & 0xFFFFFFFFFFFFFFFF\n",
        True,
    ),
    "a variable without a type": ("def hot(x: object) -> cython.int:\n    return x + 1\n", True),
    "a name looked up": ("def hot(x: object) -> object:\n    return x.name\n", True),
}


def test_no_hot_function_of_the_tree_works_on_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert check_hot.main() == 0


@pytest.mark.parametrize(("code", "found"), TRAPS.values(), ids=TRAPS.keys())
def test_a_trap_is_found(code: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hot_module.py").write_text(HEADER + code)
    monkeypatch.chdir(tmp_path)
    told = check_hot.faults("hot_module", ("hot",), check_hot.annotated("hot_module", str(tmp_path)))
    assert bool(told) == found, told


def test_a_function_that_is_gone_is_told() -> None:
    assert check_hot.faults("some.module", ("gone",), []) == ["some.module.gone: no such function"]
