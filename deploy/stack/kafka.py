"""How the local broker is set up and started: Apache Kafka in KRaft mode, one process, on the machine's Java."""

import base64
import os
import re
import shutil
import string
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deploy.stack.class_archive import archive, make
from deploy.stack.jars import FOLDER, fetch
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


def prepare(tell: Callable[[str], None]) -> Path:
    """Return the directory of the jars, fetched, their classes archived; `tell` hears of what takes long.

    Raises Refusal where Java is missing or the jars cannot be fetched.
    """
    program = java()
    jars = fetch(tell)
    target = archive(jars, program, version(program))
    if not target.exists():
        tell("preparing Kafka's classes, once (6 s)")
        try:
            make(target, lambda place, *ports: _trained(Layout(place), jars, *ports))
        except (OSError, subprocess.TimeoutExpired, Refusal) as error:
            tell(f"Kafka will start more slowly, its classes are not prepared: {error}")
    return jars


def _trained(place: Layout, jars: Path, port: int, controller_port: int) -> list[str]:
    return command(replace(Stack(), kafka_port=port, kafka_controller_port=controller_port), place, jars)


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
    ready = archive(jars, program, version(program))
    classes = [f"-XX:SharedArchiveFile={ready}"] if ready.exists() else []
    words = [program, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *classes]
    words += [f"-Dlog4j2.configurationFile={FOLDER}/log4j2.xml", f"-Dsbiscope.logs={place.logs}"]
    words += ["-Djava.awt.headless=true", "-cp", f"{jars}/*"]
    if not (data / "meta.properties").exists():
        _format(words, settings)
    words[1:3] = ["-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", f"-Xmx{stack.kafka_heap_mb}m"]
    return [*words, "kafka.Kafka", str(settings)]


def _format(words: list[str], settings: Path) -> None:
    tool = [*words, "kafka.tools.StorageTool"]
    form = [*tool, "format", "-t", _cluster_id(), "-c", str(settings)]
    done = subprocess.run(form, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        seen = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Refusal("Kafka's storage could not be formatted", seen, f"look into {settings.parent}")


def _cluster_id() -> str:
    """Return a new id in Kafka's form; one that begins like an option would be taken for one."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not made.startswith("-"):
            return made
