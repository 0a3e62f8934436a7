"""deploy/OPERATIONS.md: a place for every alert; commands, files, settings, metrics and counters that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from collector import reasons
from collector.record import BY_PLACE
from deploy.cli import COMMANDS
from schemas.config import Config
from schemas.topics import declared
from tests.test_prometheus import RULES
from tests.under_unit import UNITS, settings

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "deploy" / "OPERATIONS.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))


def anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_every_alert_has_its_place_and_none_is_left_over() -> None:
    places = {anchor(one) for one in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    for rule in RULES:
        file, _, place = rule["annotations"]["runbook"].partition("#")
        assert (file, place) == ("deploy/OPERATIONS.md", rule["alert"].lower())
        assert place in places
    told = set(re.findall(r"^### (.*)$", TEXT, re.MULTILINE))
    assert told == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("line", LINES)
def test_each_command_is_shell_that_names_what_there_is(line: str) -> None:
    assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0
    for name in re.findall(r"(?<!/)\bsbiscope ([a-z]+)\b", line):
        assert name in COMMANDS
    for unit in re.findall(r"\bsbiscope-[a-z]+(?:@|\.target)?", line):
        if "systemctl" in line:
            assert (UNITS / (unit if "." in unit else f"{unit}.service")).exists(), unit
    for path in re.findall(r"\bdeploy/[\w./-]+", line):
        assert (ROOT / path).exists() or "> " + path in line, path


def test_what_is_quoted_exists() -> None:
    sections = {name: type(getattr(Config(), name)) for name in Config.__slots__}
    for word in CODE:
        section, _, key = word.partition(".")
        if section in sections and re.fullmatch(r"[a-z_]+", key):
            assert key in sections[section].__slots__, word
        if re.fullmatch(r"(deploy|schemas|tests)/[\w./-]+", word):
            assert (ROOT / word).exists(), word
        if re.fullmatch(r"sbi\.[a-z-]+(\.json)?", word):
            assert word in declared(), word
        if word.startswith("sbiscope "):
            assert word.split()[1] in COMMANDS, word


def test_counters_named_at_an_alert_are_counted() -> None:
    counted = {name for name, _ in BY_PLACE.values()} | {str(one) for one in vars(reasons).values()}
    counted |= set(re.findall(r'"([a-z_]+)"', (ROOT / "collector" / "publisher.py").read_text()))
    part = TEXT.partition("### SbiscopeAgentLoses")[2].partition("###")[0]
    for word in re.findall(r"`([a-z_]+\*?)`", part):
        assert any(name.startswith(word.rstrip("*")) for name in counted), word


def test_the_rights_in_the_guide_are_those_of_unit_and_compose_file() -> None:
    (unit,) = settings("sbiscope-agent.service")["CapabilityBoundingSet"]
    table = TEXT.partition("## What each permission is for")[2].partition("##")[0]
    assert set(re.findall(r"CAP_[A-Z_]+", table)) - {"CAP_SETUID"} == set(unit.split())
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert {f"CAP_{name}" for name in compose["services"]["agent"]["cap_add"]} == set(unit.split())
