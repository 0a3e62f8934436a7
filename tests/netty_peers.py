"""Netty's HTTP/2 over BoringSSL, which a jar brings as a library: fetched with Maven, compiled, how it is called."""

import subprocess
import tempfile
from pathlib import Path

from deploy.stack.jars import FETCH_S, GOAL, cache
from tests.debian import installed

HERE = Path(__file__).parent / "netty"
KEEPS = "-Dio.netty.native.deleteLibAfterLoading=false"  # else its file is gone once it is loaded


def jars() -> Path:
    """Return the directory of its jars, fetched once a user with the Maven that fetches Kafka."""
    target = cache() / "netty-4.1.135"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as beside:
            found = Path(beside) / "jars"
            words = ["mvn", "-B", "-q", "-C", "-f", str(HERE / "pom.xml"), GOAL, f"-DoutputDirectory={found}"]
            done = subprocess.run(words, capture_output=True, timeout=FETCH_S, check=False, cwd=beside)
            assert done.returncode == 0, done.stdout.decode()[-300:]
            if not target.is_dir():
                found.rename(target)
    return target


def built(place: Path) -> list[str]:
    """Return the command of the compiled peers. Raises CalledProcessError."""
    installed("javac", "openjdk-17-jdk-headless")
    libraries = f"{jars()}/*"
    command = ["javac", "-cp", libraries, "-d", str(place), str(HERE / "Peers.java")]
    subprocess.run(command, check=True, capture_output=True)
    return ["java", "-Xmx200m", KEEPS, "-cp", f"{libraries}:{place}", "Peers"]
