"""A program that speaks HTTP/2 by libnghttp2 over a TLS library that nobody can find: how it is built and called."""

import subprocess
from pathlib import Path

from tests.debian import NGHTTP2, OPENSSL, can_build_with

SOURCE = Path(__file__).parent / "tls_programs/unseen_tls.c"
LINKED = ["-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-lnghttp2", "-lpthread", "-ldl"]


def built(place: Path) -> Path:
    """Build it; what that lacks is installed, and who may not skips. Raises CalledProcessError."""
    can_build_with(OPENSSL, NGHTTP2)
    program = place / "unseen_tls"
    subprocess.run(["cc", "-O1", "-s", "-o", program, SOURCE, *LINKED], check=True, capture_output=True)
    return program


def serves(program: Path, way: str, identity: tuple[str, ...]) -> list[str]:
    """Return the command of a server that prints its port."""
    return [str(program), way, "serve", *identity]


def calls(program: Path, way: str, port: int, count: int, *plain: int) -> list[str]:
    """Return that of a client of a connection, which has as many exchanges in cleartext at port `plain` before."""
    return [str(program), way, "call", *map(str, (port, count, *plain))]
