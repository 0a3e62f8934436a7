"""The command line: help lists each command, mistakes end in one line and a code above 0."""

import subprocess
import sys

import pytest

from deploy.cli import COMMANDS, main, parser_for
from schemas.refusal import Refusal


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run([sys.executable, "-m", "deploy.cli", *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_module_and_its_help(name: str) -> None:
    assert COMMANDS[name] in parser_for(name).format_help().replace("\n", " ").replace("  ", " ")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("words", [[], ["nonsense"]])
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    assert main(words) == 2


def test_a_refusal_is_one_line_without_a_traceback() -> None:
    done = run("config", "check", "--config", "/nonexistent")
    assert done.returncode == 1
    assert done.stderr.startswith("sbiscope config: cannot read the configuration")
    assert done.stderr.count("\n") == 1


def test_control_characters_in_a_refusal_are_made_visible() -> None:
    assert str(Refusal("bad", "a\x1b[31mb\n")) == "bad: a\\x1b[31mb\\x0a"
