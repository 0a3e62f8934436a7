"""The rules of the house hold: style, types, import directions, no address of a registry or download in any file."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TEXT = {
    ".py",
    ".pxd",
    ".md",
    ".toml",
    ".yaml",
    ".sh",
    ".xml",
    ".lock",
    ".c",
    ".h",
    ".sql",
    ".avsc",
    ".html",
    ".go",
    ".java",
}


def tracked() -> list[Path]:
    """Return the files that git tracks and the tree still has."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_the_tools_are_content(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_shell_and_c_are_content_as_far_as_their_tools_are_here() -> None:
    done = subprocess.run([ROOT / "deploy/check_foreign.sh"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_no_file_names_a_registry_or_a_download() -> None:
    address = re.compile(
        r"pypi\.org|files\.pythonhosted|repo1?\.maven|maven\.apache\.org/maven2|proxy\.golang|registry\.npmjs|--index-url|--extra-index"
    )
    found = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in tracked()
        if path.suffix in TEXT and path != Path(__file__)
        for hit in address.finditer(path.read_text(errors="replace"))
    ]
    assert not found


def test_no_source_file_is_longer_than_400_lines() -> None:
    long = {
        path.relative_to(ROOT): count
        for path in tracked()
        if path.suffix in {".py", ".c"}
        and "tests" not in path.parts
        and (count := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_only_the_folders_of_the_design_hold_sources() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    assert folders <= {"bpf", "collector", "streams", "schemas", "deploy", "tests", ".ci"}


def test_the_lock_holds_every_pinned_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    lock = (ROOT / "deploy/requirements.lock").read_text().lower()
    missing = [line for line in asked if not re.search(rf"^{re.escape(line.lower())}(==| \\)", lock, re.MULTILINE)]
    assert not missing, f"make lock: {missing}"
