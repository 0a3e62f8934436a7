"""How the local broker is set up and started: Apache Kafka in KRaft mode, one process, on the machine's Java."""

import os
import re
import shutil
import string
import subprocess
from pathlib import Path

from deploy.stack.jars import FOLDER
from deploy.stack.layout import Layout
from schemas.config import Stack
from schemas.refusal import Refusal

JAVA = 17  # the oldest that Kafka 4's server runs on
INSTALL = "install one: sudo apt-get install openjdk-17-jre-headless"


def java() -> str:
    """Return the path of a Java that runs Kafka; raises Refusal where there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise Refusal("Kafka needs Java 17 or newer", "no java on the path", INSTALL)
    said = version(found)
    if int(said.partition(".")[0] or 0) < JAVA:
        raise Refusal("Kafka needs Java 17 or newer", f"{found} is {said or 'of no known version'}", INSTALL)
    return found


def version(program: str) -> str:
    """Return the version that a Java says it has, "" if it says none."""
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d[^"]*)"', said)
    return found[1] if found else ""


def command(stack: Stack, place: Layout, jars: Path) -> list[str]:
    """Return the command that runs the broker; writes its settings and, the first time, formats its storage.

    Raises Refusal where Java is missing or the storage cannot be formatted.
    """
    program = java()
    settings = place.kafka / "server.properties"
    data = place.kafka / "data"
    place.kafka.mkdir(parents=True, exist_ok=True)
    place.logs.mkdir(parents=True, exist_ok=True)
    places = {"port": stack.kafka_port, "controller_port": stack.kafka_controller_port, "data": data}
    settings.write_text(string.Template((FOLDER / "server.properties").read_text()).substitute(places))
    words = [program, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={FOLDER}/log4j2.xml"]
    words += [f"-Dsbiscope.logs={place.logs}", "-Djava.awt.headless=true", "-cp", f"{jars}/*"]
    if not (data / "meta.properties").exists():
        _format(words, settings)
    words[1:3] = ["-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", f"-Xmx{stack.kafka_heap_mb}m"]
    return [*words, "kafka.Kafka", str(settings)]


def _format(words: list[str], settings: Path) -> None:
    tool = [*words, "kafka.tools.StorageTool"]
    made = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=False)
    uuid = made.stdout.strip()
    form = [*tool, "format", "-t", uuid, "-c", str(settings)]
    done = subprocess.run(form, capture_output=True, text=True, check=False) if uuid else made
    if done.returncode != 0:
        seen = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Refusal("Kafka's storage could not be formatted", seen, f"look into {settings.parent}")
