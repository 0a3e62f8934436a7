"""Jars that tests run: fetched once a user, by the Maven that fetches Kafka."""

import subprocess
import tempfile
from pathlib import Path

from deploy.stack.jars import FETCH_S, GOAL, cache


def jars(name: str, pom: Path, *options: str) -> Path:
    """Return the directory of what `pom` depends on, kept under `name`."""
    target = cache() / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as beside:
            found = Path(beside) / "jars"
            words = ["mvn", "-B", "-q", "-C", "-f", str(pom), GOAL, *options, f"-DoutputDirectory={found}"]
            done = subprocess.run(words, capture_output=True, timeout=FETCH_S, check=False, cwd=beside)
            assert done.returncode == 0, done.stdout.decode()[-300:]
            if not target.is_dir():
                found.rename(target)
    return target
