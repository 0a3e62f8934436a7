"""A program that speaks HTTP/2 by libnghttp2 over a TLS library that nobody can find: how it is built and called."""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "tls_programs/unseen_tls.c"
HEADERS = [Path("/usr/include/openssl/ssl.h"), Path("/usr/include/nghttp2/nghttp2.h")]
LINKED = ["-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-lnghttp2", "-lpthread", "-ldl"]


def missing() -> str:
    """Return what building it lacks here, "" if nothing."""
    if shutil.which("cc") and all(one.exists() for one in HEADERS):
        return ""
    return "no C compiler, or no headers of OpenSSL and libnghttp2"


def built(place: Path) -> Path:
    """Build it. Raises CalledProcessError."""
    program = place / "unseen_tls"
    subprocess.run(["cc", "-O1", "-s", "-o", program, SOURCE, *LINKED], check=True, capture_output=True)
    return program


def serves(program: Path, way: str, identity: tuple[str, ...]) -> list[str]:
    """Return the command of a server that prints its port."""
    return [str(program), way, "serve", *identity]


def calls(program: Path, way: str, port: int, count: int, *plain: int) -> list[str]:
    """Return that of a client of a connection, which has as many exchanges in cleartext at port `plain` before."""
    return [str(program), way, "call", *map(str, (port, count, *plain))]
