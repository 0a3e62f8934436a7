"""Lets pods reach the engine's front, which listens on loopback and answers those only who call it by that name."""

import socket
import threading
from contextlib import suppress

from tests.kubernetes.settings import NODE_ADDRESS

LOOPBACK = "127.0.0.1"  # as long as the node's address: a name for the other changes no length
PIECE = 65_536


def forward(port: int) -> socket.socket:
    """Take connections at the node's address until what is returned is closed."""
    listener = socket.create_server((NODE_ADDRESS, port), backlog=64)
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
    return listener


def _accept(listener: socket.socket, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((LOOPBACK, port))
            ours, theirs = f"Host: {LOOPBACK}:{port}".encode(), f"Host: {NODE_ADDRESS}:{port}".encode()
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
