"""The agent with exactly the capabilities and system calls that its systemd unit leaves it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import live_hindrance
from deploy.demo_peers import talk
from schemas.config import load
from tests.test_agent_live import agent, each, seen
from tests.under_unit import is_possible, settings

COUNT = 7
ROOT = Path(__file__).parent.parent


@pytest.fixture
def start() -> list[str]:
    """Return how a program is started as its unit starts the agent: nobody, with some capabilities, under a filter."""
    unit = settings("sbiscope-agent.service")
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"]
    names = [name.removeprefix("CAP_").lower() for name in unit["CapabilityBoundingSet"][0].split()]
    caps = ",".join(["-all", *(f"+{name}" for name in names)])
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--bounding-set={caps}"]
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    rights = ["--no-new-privs", f"--inh-caps={caps}", f"--ambient-caps={caps}", "env", f"PYTHONPATH={ROOT}:{packages}"]
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        found = [*user, *rights, python]
        tried = subprocess.run([*found, "-c", "import collector.observer"], capture_output=True, check=False)
        if tried.returncode == 0:
            return [*found, "-m", "tests.under_unit", "sbiscope-agent.service", python]
    pytest.skip("no Python that nobody may run can read the program here")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that nobody may write to, with a key and a configuration."""
    with tempfile.TemporaryDirectory() as name:
        found = Path(name)
        (found / "key").write_bytes(b"7" * 64)
        (found / "key").chmod(0o600)
        (found / "agent.toml").write_text(f'[collector]\npseudonym_key_file = "{found}/key"\n')
        for path in (found, found / "key", found / "agent.toml"):
            os.chown(path, 65_534, 65_534)
        yield found


@pytest.mark.root
@pytest.mark.skipif(not is_possible(), reason="no systemd-analyze, or no numbers of system calls here")
def test_the_agent_observes_with_the_rights_of_its_unit(start: list[str], place: Path) -> None:
    if why := live_hindrance(load(None)):
        pytest.skip(f"no live capture here: {why}")
    with agent(place, "--config", str(place / "agent.toml"), start=start) as running:
        assert "observing" in running.said
        said = talk(COUNT)
        running.end()
    ports = {one.client_port for one in said}
    events = [event for event in running.events() if event["client_port"] in ports]
    assert seen(events, events[0]["server_port"]) == each(COUNT)
