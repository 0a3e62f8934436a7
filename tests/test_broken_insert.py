"""An insert that breaks off in the middle over TLS: the client sends nothing again by itself, the sink all of it."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from streams.clickhouse import FAILURES, Account, connect
from tests.certificates import Authority
from tests.front import front

pytestmark = pytest.mark.stack
CUT_AT = 300_000
PIECES = 41


class Cutting:
    """A TLS relay before a server; it closes the first connection on which so many octets went to the server."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._server, self._context = port, context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.inserts = 0  # begun
        self._has_cut = False
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listening.accept()
                threading.Thread(target=self._relay, args=(taken,), daemon=True).start()

    def _relay(self, taken: socket.socket) -> None:
        with (
            suppress(OSError),
            self._context.wrap_socket(taken, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self._server)) as server,
        ):
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            came = 0
            while octets := client.recv(65_536):
                self.inserts += b"INSERT" in octets
                came += len(octets)
                if came > CUT_AT and not self._has_cut:
                    self._has_cut = True
                    return
                server.sendall(octets.replace(b"127.0.0.1:%d" % self.port, b"127.0.0.1:%d" % self._server))  # Host

    def _back(self, server: socket.socket, client: ssl.SSLSocket) -> None:
        with suppress(OSError):
            while octets := server.recv(65_536):
                client.sendall(octets)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[tuple[Account, Cutting]]:
    pair = Authority(tmp_path, "authority").signed("relay")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with front(tmp_path) as one:
        assert one.ask("CREATE DATABASE d").status == 200
        assert one.ask("CREATE TABLE d.t (s String) ENGINE = MergeTree ORDER BY s").status == 200
        plain, cutting = one.account(), Cutting(one.port, context)
        url = f"https://127.0.0.1:{cutting.port}"
        yield Account(url, "d", plain.user, plain.password, str(pair.authority)), cutting
        cutting.close()


def test_only_who_has_all_of_it_sends_it_again(account: tuple[Account, Cutting]) -> None:
    where, cutting = account
    client = connect(where)

    def pieces() -> Iterator[bytes]:
        for _ in range(PIECES):
            yield os.urandom(131_072).hex().encode() + b"\n"

    with pytest.raises(FAILURES):
        client.raw_insert("t", ["s"], pieces(), fmt="TSV")
    assert cutting.inserts == 1
    assert client.command("SELECT count() FROM t") == 0
    client.raw_insert("t", ["s"], pieces(), fmt="TSV")
    assert client.command("SELECT count() FROM t") == PIECES
    client.close()
