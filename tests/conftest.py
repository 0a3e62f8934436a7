"""What every test run has of its own: a pseudonym key that is not the user's, and which files run side by side."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# What watches the kernel sees all that is spoken on this host: one process runs these files, one after another; all
# others run beside them.
ALONE = ("test_end_to_end", "test_demo")
LONG = ("test_noc", "test_stage", "test_chaos", "test_privacy_stack", "test_bad_input")  # mostly waiting
# Of Java's two compilers the thorough one never pays before a test's broker is gone, and took half of its CPU.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
# Files run side by side fill the machine, and nothing is to be left out for that.
os.environ.setdefault("SBISCOPE_COLLECTOR_FULL_NODE_PERCENT", "0")

settings.register_profile("sbiscope", deadline=None)  # how long a busy machine takes is nobody's fault
settings.load_profile("sbiscope")


class ByFile(LoadScopeScheduling):
    """Gives the tests of one file to one process, so that they share its broker and engine.

    xdist's own `--dist=loadgroup` writes its groups where pytest 9.2 does not read them, and spreads all tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        name = Path(nodeid.partition("::")[0]).stem
        return "alone" if runs_alone(name) else name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Schedule by file where there are several processes."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: 0 if runs_alone(item.path.stem) else 1 if item.path.stem in LONG else 2)


def runs_alone(name: str) -> bool:
    """Tell whether a file of tests shares its process with those that need the machine."""
    return name in ALONE or name.endswith("_live")


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep commands, also those started as processes, away from the user's configuration folder."""
    folder: Path = tmp_path_factory.mktemp("configuration")
    key = folder / "sbiscope" / "pseudonym.key"
    key.parent.mkdir()
    key.touch(mode=0o600)
    key.write_bytes(b"5" * 64)
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    yield
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before
