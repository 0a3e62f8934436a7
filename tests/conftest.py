"""What every test run has of its own: a pseudonym key that is not the user's, and which files run side by side."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# What watches the kernel sees all that is spoken on this host, and what kills the parts of a whole stack counts on its
# time: one process runs these files, one after another; all others run beside them.
ALONE = (
    *("test_end_to_end", "test_demo", "test_noc", "test_privacy_stack", "test_stage", "test_chaos", "test_operate"),
    *("test_kpis_on_kafka", "test_bad_input", "test_doctor", "test_stack_restart", "test_webhook"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests of one file to one process, so that they share its broker and engine."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("alone" if runs_alone(name) else name))
    items.sort(key=lambda item: not runs_alone(item.path.stem))


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
