"""The README names what there is: every command, every make target, the table of late joins' totals."""

import re
from pathlib import Path

from deploy.cli import COMMANDS

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


def test_the_rows_of_late_joins_add_up() -> None:
    rows = re.findall(r"^\| re[a-z]+ `?:[a-z]+`? \| (\d+) \| (\d+) \| (\d+) \|", TEXT, re.MULTILINE)
    assert rows and {sum(map(int, row)) for row in rows} == {1116}
