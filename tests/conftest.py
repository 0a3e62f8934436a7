"""What every test run has of its own: a pseudonym key that is not the user's, and which files run side by side."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Files whose agents see all that is spoken on this host: one process runs them, one after another.
WATCHERS = ("test_end_to_end", "test_privacy_stack", "test_demo", "test_bad_input", "test_doctor")
FIRST = ("test_end_to_end", "test_demo", "test_agent_live", "test_stage", "test_chaos", "test_kpis_on_kafka")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests of one file to one process, so that they share its broker and engine; the longest files first."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        name = item.path.stem
        watches = name in WATCHERS or name.endswith("_live")
        item.add_marker(pytest.mark.xdist_group("watchers" if watches else name))
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


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
