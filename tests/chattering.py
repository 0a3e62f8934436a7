"""A program that speaks TLS about anything but SBI, with a TLS library that no other program of this machine uses."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parent / "tls_programs/chatter.py"
PYTHON = Path("/usr/bin/python3")  # its module ssl is linked with the system's library


def own_libraries(folder: Path) -> bool:
    """Copy OpenSSL's libraries into a new folder; False where Python has none beside it."""
    command = [PYTHON, "-c", "import ssl; print(open('/proc/self/maps').read())"]
    maps = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {Path(line.split()[-1]) for line in maps if "libssl" in line or "libcrypto" in line}
    folder.mkdir()
    for file in found:
        shutil.copy(file, folder)
    return bool(found)


@contextmanager
def chattering(libraries: Path, identity: tuple[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run it; it begins to speak when it is written a line."""
    command = [PYTHON, PROGRAM, *identity]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def begin(process: "subprocess.Popen[str]") -> None:
    """Let it speak."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def line_of(process: "subprocess.Popen[str]") -> str:
    """Return what it says next: the file of its library, then how many exchanges there were."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
