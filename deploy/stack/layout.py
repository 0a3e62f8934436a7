"""Where everything of one local stack lies."""

import os
from dataclasses import dataclass
from pathlib import Path

from schemas.config import Stack


@dataclass(frozen=True, slots=True)
class Layout:
    """The files below `[stack] directory`."""

    root: Path

    @property
    def lock(self) -> Path:
        """Locked by the supervisor as long as it lives; the kernel frees it however that ends."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What the supervisor last told of its parts, JSON."""
        return self.root / "state.json"

    @property
    def passwords(self) -> Path:
        """The passwords of the ClickHouse front, for the owner alone."""
        return self.root / "passwords.json"

    @property
    def kafka(self) -> Path:
        """The broker's settings and data."""
        return self.root / "kafka"

    @property
    def clickhouse(self) -> Path:
        """The engine's data; all that its process can see."""
        return self.root / "clickhouse"

    def figures(self, worker: str) -> Path:
        """Return where a worker tells its figures each second."""
        return self.root / f"{worker}.figures.json"

    @property
    def logs(self) -> Path:
        """One log a part, rotated."""
        return self.root / "logs"


def layout(stack: Stack) -> Layout:
    """Return the layout of the configured stack, its root absolute."""
    return Layout(Path(os.path.abspath(stack.directory)))  # noqa: PTH100 (resolve() would follow a symlink)
