"""Stands between a client and a server of any protocol over TCP, passes everything on, and keeps every byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PIECE = 65_536


@dataclass
class Passed:
    """One connection: its client's port, the port by which it went on, and the bytes, the client's under True."""

    client_port: int
    onward_port: int
    text: dict[bool, bytearray] = field(default_factory=lambda: {True: bytearray(), False: bytearray()})


class Relay:
    """What has passed so far."""

    def __init__(self, listener: socket.socket, server_port: int) -> None:
        self.port = int(listener.getsockname()[1])
        self.passed: list[Passed] = []
        self._listener = listener
        self._server = "127.0.0.1", server_port
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def end(self) -> None:
        """Take no more connections, and wait until every one has ended both ways."""
        with suppress(OSError):  # it has ended
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # it takes no more
            while True:
                front, _ = self._listener.accept()
                carrying = threading.Thread(target=self._carry, args=(front,))
                self._threads.append(carrying)
                carrying.start()

    def _carry(self, front: socket.socket) -> None:
        with front, socket.create_connection(self._server) as behind:
            one = Passed(front.getpeername()[1], behind.getsockname()[1])
            self.passed.append(one)
            back = threading.Thread(target=pass_on, args=(one.text[False], behind, front))
            back.start()
            pass_on(one.text[True], front, behind)
            back.join()


def pass_on(text: bytearray, source: socket.socket, target: socket.socket) -> None:
    """Pass one direction on until it ends, and keep it."""
    with suppress(ConnectionError):
        while data := source.recv(PIECE):
            text += data
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def relay(server_port: int) -> Iterator[Relay]:
    """Stand before a server of loopback as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Relay(listener, server_port)
        try:
            yield one
        finally:
            one.end()
