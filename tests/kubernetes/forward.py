"""Lets pods reach the engine's front, which listens on loopback and answers those only who call it by that name.

`python -m tests.kubernetes.forward PORT`: takes connections at the node's address until it is ended.
"""

import socket
import sys
import threading
from contextlib import suppress

from tests.kubernetes.settings import NODE_ADDRESS

LOOPBACK = "127.0.0.1"  # as long as the node's address: a name for the other changes no length
PIECE = 65_536


def forward(port: int) -> None:
    """Serve for ever."""
    ours, theirs = f"Host: {LOOPBACK}:{port}".encode(), f"Host: {NODE_ADDRESS}:{port}".encode()
    with socket.create_server((NODE_ADDRESS, port), backlog=64) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((LOOPBACK, port))
            threading.Thread(target=_pump, args=(client, server, theirs, ours), daemon=True).start()
            threading.Thread(target=_pump, args=(server, client, b"", b""), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, old: bytes, new: bytes) -> None:
    """Pass on until the end; a request's head comes in one piece."""
    with suppress(OSError):
        while data := source.recv(PIECE):
            target.sendall(data.replace(old, new, 1) if old else data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    forward(int(sys.argv[1]))
