"""What every test run has of its own: a pseudonym key that is not the user's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


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
