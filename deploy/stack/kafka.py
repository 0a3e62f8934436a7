"""How the local broker is set up and started: Apache Kafka in KRaft mode, one process, on the machine's Java."""

import base64
import string
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deploy.stack import class_archive
from deploy.stack.jars import FOLDER, fetch
from deploy.stack.java import java
from deploy.stack.layout import Layout
from schemas.config import Stack
from schemas.refusal import Refusal


def prepare(tell: Callable[[str], None]) -> Path:
    """Return the directory of the jars, fetched, their classes archived; `tell` hears of what takes long.

    Raises Refusal where Java is missing or the jars cannot be fetched.
    """
    found = java()
    jars = fetch(tell)
    archive = class_archive.path(jars, found)
    if class_archive.is_wanted(archive):
        tell("preparing Kafka's classes, once")
        try:
            made = class_archive.make(archive, lambda place, *ports: _trained(Layout(place), jars, *ports))
        except (OSError, subprocess.TimeoutExpired, Refusal) as error:
            tell(f"Kafka starts more slowly here, its classes cannot be prepared: {error}")
        else:
            if not made:
                tell("Kafka starts more slowly here, this Java archives no classes")
    return jars


def _trained(place: Layout, jars: Path, port: int, controller_port: int) -> list[str]:
    return command(replace(Stack(), kafka_port=port, kafka_controller_port=controller_port), place, jars)


def command(stack: Stack, place: Layout, jars: Path) -> list[str]:
    """Return the command that runs the broker; writes its settings and, the first time, formats its storage.

    Raises Refusal where Java is missing or the storage cannot be formatted.
    """
    found = java()
    settings = place.kafka / "server.properties"
    data = place.kafka / "data"
    place.kafka.mkdir(parents=True, exist_ok=True)
    place.logs.mkdir(parents=True, exist_ok=True)
    places = {"port": stack.kafka_port, "controller_port": stack.kafka_controller_port, "data": data}
    settings.write_text(string.Template((FOLDER / "server.properties").read_text()).substitute(places))
    archive = class_archive.path(jars, found)
    classes = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    words = [found.program, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *classes]
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
