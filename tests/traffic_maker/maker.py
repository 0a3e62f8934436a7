"""Starts the programs that play: Go's server and client, built once; what was played comes back as records."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tests.traffic_maker.exchanges import Exchange

SOURCE = Path(__file__).parent / "traffic.go"


@dataclass(frozen=True, slots=True)
class Played:
    """One exchange as the client had it."""

    number: int
    client_port: int
    method: str
    path: str
    status: int
    response_bytes: int
    latency_us: int


class NoGo(Exception):  # noqa: N818 (what is missing)
    """There is no Go, or one without HTTP/2 in cleartext (before 1.24): the text says what is missing."""


@cache
def program() -> Path:
    """Return the compiled program. Raises NoGo."""
    if not shutil.which("go"):
        raise NoGo("Go is not installed")
    built = Path(tempfile.mkdtemp(prefix="sbiscope-traffic-")) / "traffic"
    command = ["go", "build", "-o", str(built), str(SOURCE)]
    done = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoGo(f"Go cannot build it: {done.stderr.splitlines()[-1]}")
    return built


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `process_id` for whoever measures it."""

    port: int
    process_id: int
    exchanges: Path
    is_tls: bool = False

    def play(self, connections: int, count: int, rate: float = 0, port: int = 0) -> list[Played]:
        """Let a client play `count` exchanges; `rate` a second in all, 0 = as fast as answered.

        `port`: where to ask, if something stands before the server. Raises CalledProcessError if one of them failed.
        """
        with tempfile.NamedTemporaryFile() as log:
            words = {"-connections": connections, "-count": count, "-rate": rate, "-log": log.name}
            options = [str(word) for pair in words.items() for word in pair]
            asked = ["-port", str(port or self.port), *(["-tls"] if self.is_tls else [])]
            subprocess.run([program(), "call", "-exchanges", self.exchanges, *asked, *options], check=True)
            return [Played(**json.loads(line)) for line in log.read().splitlines()]


@contextmanager
def serving(exchanges: Sequence[Exchange], identity: Sequence[str] = ()) -> Iterator[Server]:
    """Run a server that answers `exchanges` on a free port of loopback. Raises NoGo.

    `identity`: files of its certificate and its key; then over TLS.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "exchanges.json"
        file.write_text(json.dumps([asdict(one) for one in exchanges]))
        shown = [word for pair in zip(("-cert", "-key"), identity, strict=False) for word in pair]
        command = [str(program()), "serve", "-exchanges", str(file), *shown]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield Server(int(process.stdout.readline()), process.pid, file, bool(identity))
            finally:
                process.kill()
