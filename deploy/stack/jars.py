"""The jars of the broker: Maven resolves them once a user, a list of digests checks them."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from schemas.refusal import Refusal

FOLDER = Path(__file__).parent
POM, DIGESTS = FOLDER / "pom.xml", FOLDER / "kafka.sha256"
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_S = 600


def cache() -> Path:
    """Return the directory in which this user keeps what was fetched: $SBISCOPE_CACHE, else below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(os.environ.get("SBISCOPE_CACHE") or f"{base}/sbiscope")


def wanted() -> dict[str, str]:
    """Return the SHA-256 of each jar by its name."""
    lines = (line.split() for line in DIGESTS.read_text().splitlines())
    return {name: digest for digest, name in lines}


def directory() -> Path:
    """Return the directory of this release's jars, whether it is there or not; another list has another."""
    return cache() / f"kafka-{hashlib.sha256(DIGESTS.read_bytes()).hexdigest()[:12]}"


def fetched() -> bool:
    """Tell whether the jars are there for this user."""
    try:
        return directory().is_dir()
    except OSError:
        return False  # a cache that is another user's


def fetch(tell: Callable[[str], None]) -> Path:
    """Return the jars' directory, fetched with Maven where it is missing; `tell` hears of it.

    Raises Refusal: no Maven, Maven failed (no network), a jar that is not the one we know.
    """
    target = directory()
    if fetched():
        return target
    if shutil.which("mvn") is None:
        raise Refusal(
            "Kafka's jars are not there and Maven is missing", "mvn", "install it: sudo apt-get install maven"
        )
    tell(f"fetching Kafka with Maven, once ({len(wanted())} jars, 45 MB)")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="kafka-") as beside:
            jars = Path(beside) / "jars"
            _maven(jars)
            _check(jars)
            if not target.is_dir():
                jars.rename(target)
    except OSError as error:
        advice = "let SBISCOPE_CACHE name a directory you may write to"
        raise Refusal("cannot keep Kafka's jars", f"{error.filename}: {error.strerror}", advice) from error
    return target


def _maven(jars: Path) -> None:
    words = ["mvn", "-B", "-q", "-C", "-f", str(POM), GOAL, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=FETCH_S, check=False, cwd=jars.parent)
    except subprocess.TimeoutExpired as error:
        raise Refusal(
            "Maven did not finish", f"{FETCH_S} s", "is its repository reachable? repeat the command"
        ) from error
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        seen = (said or ["no message"])[0].replace("[ERROR] ", "")[:300]
        raise Refusal("Maven could not fetch Kafka", seen, "is its repository reachable? repeat the command")


def _check(jars: Path) -> None:
    expected = wanted()
    got = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in jars.glob("*.jar")}
    wrong = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
    if wrong:
        seen = f"{', '.join(wrong[:3])} of {len(wrong)}"
        raise Refusal("a jar is not the one that was checked", seen, f"compare with {DIGESTS}; nothing was kept")
