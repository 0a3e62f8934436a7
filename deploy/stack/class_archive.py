"""The broker's classes, read and checked once: an archive that every later start of the JVM maps (CDS).

With it a broker is up in 1.8 s instead of 3.5 s, for half the CPU. It is made by a broker of its own that is ended as
soon as it serves; without it everything works as well.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deploy.stack.java import Java
from deploy.stack.process import die_with

SERVES_S = 60.0
ENDS_S = 60.0


def path(jars: Path, java: Java) -> Path:
    """Return where the archive of these jars is for this Java, whether it is there or not."""
    program = Path(java.program).resolve()
    mark = hashlib.sha256(f"{program} {java.version} {program.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    return jars.with_name(f"{jars.name}-{mark}.jsa")


def is_wanted(archive: Path) -> bool:
    """Tell whether it is neither there nor found impossible before."""
    return not archive.exists() and not _impossible(archive).exists()


def make(archive: Path, command: Callable[[Path, int, int], list[str]]) -> bool:
    """Make the archive, unless somebody else is at it; false where this Java made none, which is not tried again.

    `command` returns the command of a broker in a directory of its own, on two ports. Raises OSError, TimeoutExpired
    where the broker does not end, or what `command` raises.
    """
    jars = os.open(archive.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(jars, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(jars)
        return True
    try:
        if not is_wanted(archive):
            return archive.exists()
        _train(archive, command)
        if not archive.exists():
            _impossible(archive).touch()
        return archive.exists()
    finally:
        os.close(jars)


def _impossible(archive: Path) -> Path:
    return archive.with_suffix(".none")


def _train(archive: Path, command: Callable[[Path, int, int], list[str]]) -> None:
    for left in archive.parent.glob("classes-*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="classes-") as directory:
        made = Path(directory) / archive.name
        ports = _free_ports()
        program, *words = command(Path(directory), *ports)
        if _ran([program, f"-XX:ArchiveClassesAtExit={made}", *words], ports[0]) and made.exists():
            made.rename(archive)


def _ran(words: list[str], port: int) -> bool:
    """Run a broker until it serves, and end it; false where it never did."""
    bound = die_with(os.getpid())  # a killed command leaves no broker
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=bound) as process:  # noqa: PLW1509
        try:
            served = _serves(process, port)
            process.terminate()
            process.wait(ENDS_S)
        finally:
            process.kill()
    return served


def _serves(process: "subprocess.Popen[bytes]", port: int) -> bool:
    end = time.monotonic() + SERVES_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return True
        time.sleep(0.1)
    return False


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
