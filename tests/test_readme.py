"""The README names what there is: every command, every make target; its tables are what the captures give."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import COMMANDS
from tests import test_figures
from tests.test_repair import late_join_table

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_every_command_stands_in_the_readme_and_no_other() -> None:
    table = TEXT.partition("## Commands")[2].partition("##")[0]
    named = {
        word for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for word in re.findall(r"[a-z]+", cell)
    }
    assert named - {"sbiscope"} == set(COMMANDS)


def test_make_knows_each_target_named() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", TEXT)) <= targets


def cells(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without its head."""
    part = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


def test_what_is_known_of_late_joins_is_what_the_table_says() -> None:
    table = late_join_table()
    for title, *said in cells("A connection joined late"):
        counts = table[title.replace("`", "")]
        assert [int(count) for count in said] == [counts["exact"], counts["inferred"], counts["unknown"]], title


@pytest.mark.parametrize("name", test_figures.CAPTURES)
def test_what_is_understood_is_what_the_table_says(name: str) -> None:
    path = test_figures.CAPTURES[name]
    if not path.exists():
        pytest.skip(f"{path} is not there")
    assert test_figures.line(name, path) in TEXT


def test_the_trace_that_is_shown_can_be_run(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^\$ sbiscope (trace .*)$", TEXT, re.MULTILINE)
    command = [sys.executable, "-m", "deploy.cli", *shlex.split(shown)]
    command[command.index("suite.pcapng")] = str(test_figures.SUITE)
    command[command.index("ladder.html")] = str(tmp_path / "ladder.html")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "</svg>" in (tmp_path / "ladder.html").read_text()
