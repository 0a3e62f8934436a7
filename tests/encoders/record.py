"""Records what other HTTP/2 libraries write, for tests/golden: python -m tests.encoders.record (needs go and java).

Go's net/http writes both ends; Java's HTTP client asks a server of python h2 for HTTP/2 by Upgrade (RFC 7540 3.2).
"""

import gzip
import socket
import subprocess
import threading
from pathlib import Path

import h2.config
import h2.connection
import h2.events

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
REQUESTS = 101
Written = list[tuple[bool, bytes]]  # from the client?, octets of one send() or recv()


def load(name: str) -> Written:
    """Return a recorded conversation."""
    lines = gzip.decompress((GOLDEN / f"{name}.txt.gz").read_bytes()).decode().splitlines()
    return [(line[0] == ">", bytes.fromhex(line[2:])) for line in lines]


def save(name: str, text: str) -> None:
    """Keep a conversation for tests that have neither Go nor Java."""
    (GOLDEN / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def go() -> str:
    """Let Go's client and server talk."""
    command = ["go", "run", "hpack_vectors.go", "1", str(REQUESTS)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout


def java() -> str:
    """Let Java's client talk to a server here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        written: Written = []
        server = threading.Thread(target=serve, args=(listener, written))
        server.start()
        port = str(listener.getsockname()[1])
        subprocess.run(["java", "Requests.java", port, str(REQUESTS)], cwd=HERE, check=True)
        server.join()
    return "".join(f"{'>' if side else '<'} {data.hex()}\n" for side, data in written)


def serve(listener: socket.socket, written: Written) -> None:
    """Answer one connection that begins with a request for HTTP/2, until its client ends."""
    peer, _ = listener.accept()
    ask = b""
    while b"\r\n\r\n" not in ask:
        ask += peer.recv(65_536)
    written.append((True, ask))
    offered = next(line for line in ask.split(b"\r\n") if line.lower().startswith(b"http2-settings:"))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_upgrade_connection(offered.split(b":")[1].strip())
    _answer(server, 1, b"GET")
    grant = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    _send(peer, written, grant + server.data_to_send())
    methods: dict[int, bytes] = {}
    while data := _receive(peer):
        written.append((True, data))
        for event in server.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                methods[event.stream_id] = dict(event.headers)[b":method"]
            elif isinstance(event, h2.events.StreamEnded):
                _answer(server, event.stream_id, methods.pop(event.stream_id))
        _send(peer, written, server.data_to_send())


def _receive(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65_536)
    except ConnectionResetError:
        return b""


def _send(peer: socket.socket, written: Written, data: bytes) -> None:
    if data:
        written.append((False, data))
        peer.sendall(data)


def _answer(server: h2.connection.H2Connection, stream_id: int, method: bytes) -> None:
    status = {b"POST": "201", b"DELETE": "204"}.get(method, "200")
    headers = [(":status", status), ("server", "UDM"), ("content-type", "application/json")]
    server.send_headers(stream_id, headers + [("location", f"/x/{stream_id}")] * (status == "201"))
    server.send_data(stream_id, b"" if status == "204" else b"{}", end_stream=True)


def main() -> None:
    """Record both."""
    save("hpack-go", go())
    save("hpack-java", java())


if __name__ == "__main__":
    main()
