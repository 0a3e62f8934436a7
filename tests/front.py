"""A ClickHouse front for tests: the local stack's, on a free port, in a fresh directory, its own process."""

import http.client
import json
import signal
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from deploy.stack.layout import Layout
from deploy.stack.passwords import READER, WRITER, digests, passwords
from deploy.stack.process import START_S, ended
from streams.clickhouse import Account
from tests.broker import free_ports
from tests.certificates import Pair


@dataclass(slots=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> int:
        """ClickHouse's number of the error, 0 for none."""
        return int(self.headers.get("X-ClickHouse-Exception-Code", "0"))


class Front:
    """A running front and how to ask it by plain HTTP."""

    def __init__(self, place: Layout, port: int, pair: Pair | None = None) -> None:
        self.place, self.port, self.pair = place, port, pair
        self.password = passwords(place)[WRITER]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *launcher: str) -> None:
        how = self._start(launcher)
        assert not how, f"the front {how}: {self.log()}"

    def _start(self, launcher: tuple[str, ...]) -> str:
        """Return how it ended or hung, empty once it answers."""
        self.place.clickhouse.mkdir(exist_ok=True)
        words = [*launcher, sys.executable, "-m", "deploy.stack.front", str(self.port), str(self.place.clickhouse)]
        if self.pair is not None:
            words += [str(self.pair.certificate), str(self.pair.key)]
        with (self.place.root / "front.log").open("ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=log, stdout=log)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it ended already: its log says why
            self.process.stdin.write(json.dumps(digests(self.place)).encode())
            self.process.stdin.close()
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.ask("SELECT 1").status == 200:
                    return ""
            except OSError:
                time.sleep(0.05)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGABRT)  # it writes where it stands
            self.process.wait(30)
            return f"did not answer in {START_S:.0f} s"
        return ended(self.process.returncode)

    def log(self) -> str:
        return (self.place.root / "front.log").read_text()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
        """Send a request as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if self.pair is not None:
            trusted = ssl.create_default_context(cafile=self.pair.authority)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=trusted)
        try:
            connection.request(method, path, body, headers or {})  # type: ignore[arg-type]
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def ask(
        self, body: object = b"", reader: bool = False, headers: dict[str, str] | None = None, **given: object
    ) -> Reply:
        """Ask as the writer, or as the reader; `given` stands in the address."""
        user = READER if reader else WRITER
        token = b64encode(f"{user}:{passwords(self.place)[user]}".encode()).decode()
        content = body.encode() if isinstance(body, str) else body
        path = "/?" + urlencode({name: str(value) for name, value in given.items()})
        return self.send("POST", path, content, {"Authorization": f"Basic {token}", **(headers or {})})

    def account(self, database: str = "default", reader: bool = False) -> Account:
        user = READER if reader else WRITER
        authority = "" if self.pair is None else str(self.pair.authority)
        return Account(self.url, database, user, passwords(self.place)[user], authority)

    @property
    def url(self) -> str:
        return f"{'http' if self.pair is None else 'https'}://127.0.0.1:{self.port}"


@contextmanager
def front(directory: Path, *launcher: str, pair: Pair | None = None) -> Iterator[Front]:
    """Give a running front; afterwards it is gone."""
    place = Layout(directory)
    digests(place)
    one = Front(place, free_ports(1)[0], pair)
    try:
        one.start(*launcher)
        yield one
    finally:
        if one.process is not None:
            one.kill()
