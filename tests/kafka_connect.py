"""Kafka Connect as a user has it: its own runtime from Maven, one process, the example's configuration."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.broker import free_ports
from tests.maven import jars

POM = Path(__file__).parent / "connect" / "pom.xml"
EXAMPLE = Path(__file__).parent.parent / "deploy" / "examples" / "connect"
LOG = """<Configuration><Appenders><Console name="out"/></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers></Configuration>"""


def runtime() -> Path:
    """Return the directory of its jars."""
    found = jars("connect-4.1.0", POM, "-DincludeScope=runtime")
    assert list(found.glob("connect-file-*.jar"))
    return found


@contextmanager
def connect(directory: Path, bootstrap: str) -> Iterator[Path]:
    """Run the example with its addresses and files put in; give the file that it writes."""
    libraries, (port,) = runtime(), free_ports(1)
    out = directory / "rows.jsonl"
    places = {
        "bootstrap.servers": bootstrap,
        "plugin.path": str(libraries),
        "offset.storage.file.filename": str(directory / "offsets"),
        "listeners": f"http://127.0.0.1:{port}",
        "file": str(out),
        "name": f"file-{os.getpid()}",  # its group: one that has read nothing yet
    }
    words = ["java", "-Xmx256m", f"-Dlog4j2.configurationFile={directory / 'log.xml'}", "-cp", f"{libraries}/*"]
    words.append("org.apache.kafka.connect.cli.ConnectStandalone")
    (directory / "log.xml").write_text(LOG)
    for name in ("worker.properties", "kpis-to-file.properties"):
        text = (EXAMPLE / name).read_text()
        for key, value in places.items():
            text = re.sub(rf"^{re.escape(key)}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
        (directory / name).write_text(text)
        words.append(str(directory / name))
    with (directory / "connect.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, cwd=directory, env=os.environ | {"LOG_DIR": "."})
    try:
        yield out
    finally:
        process.terminate()
        process.wait(60)
