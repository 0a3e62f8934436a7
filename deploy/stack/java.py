"""Which Java runs the broker: where it is, what version it has."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from schemas.refusal import Refusal

OLDEST = 17  # that Kafka 4's server runs on
INSTALL = "install one: sudo apt-get install openjdk-17-jre-headless"


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that is new enough."""

    program: str
    version: str


def java() -> Java:
    """Return the Java that runs Kafka, that of $JAVA_HOME first; raises Refusal where there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise Refusal("Kafka needs Java 17 or newer", "no java on the path", INSTALL)
    said = version(found)
    major = re.match(r"\d+", said)  # 17.0.15, 25-ea
    if major is None or int(major[0]) < OLDEST:
        raise Refusal("Kafka needs Java 17 or newer", f"{found} is {said or 'of no known version'}", INSTALL)
    return Java(found, said)


def version(program: str) -> str:
    """Return the version that a Java says it has, "" if it says none."""
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d[^"]*)"', said)
    return found[1] if found else ""
