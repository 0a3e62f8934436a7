"""Netty's HTTP/2 over BoringSSL, which a jar brings as a library: fetched with Maven, compiled, how it is called."""

import subprocess
from pathlib import Path

from tests.debian import installed
from tests.maven import jars

HERE = Path(__file__).parent / "netty"
KEEPS = "-Dio.netty.native.deleteLibAfterLoading=false"  # else its file is gone once it is loaded


def built(place: Path) -> list[str]:
    """Return the command of the compiled peers. Raises CalledProcessError."""
    installed("javac", "openjdk-17-jdk-headless")
    libraries = f"{jars('netty-4.1.135', HERE / 'pom.xml')}/*"
    command = ["javac", "-cp", libraries, "-d", str(place), str(HERE / "Peers.java")]
    subprocess.run(command, check=True, capture_output=True)
    return ["java", "-Xmx200m", KEEPS, "-cp", f"{libraries}:{place}", "Peers"]
