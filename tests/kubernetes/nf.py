"""An NF-like program for pods, in Python over h2: the same words as nf.go, `serve PORT` and `call HOST:PORT [tls]`."""

import signal
import socket
import ssl
import sys
import threading
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded

PREFIX = "/nnrf-nfm/v1/nf-instances/"
READ_BYTES = 65_536


def answered(link: socket.socket) -> None:
    """Answer every request of a connection."""
    connection = H2Connection(H2Configuration(client_side=False, header_encoding="ascii"))
    connection.initiate_connection()
    paths = {}
    with link:
        link.sendall(connection.data_to_send())
        while data := link.recv(READ_BYTES):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    paths[event.stream_id] = dict(event.headers)[":path"]
                elif isinstance(event, StreamEnded):
                    body = (
                        b'{"nfInstanceId":"%s","nfType":"UDM"}'
                        % paths.pop(event.stream_id).removeprefix(PREFIX).encode()
                    )
                    headers = [(":status", "200"), ("content-type", "application/json")]
                    connection.send_headers(event.stream_id, headers)
                    connection.send_data(event.stream_id, body, end_stream=True)
            link.sendall(connection.data_to_send())


def serve(port: int) -> None:
    """Serve until ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server(("", port)) as listener:
        while True:
            link, _ = listener.accept()
            threading.Thread(target=answered, args=(link,), daemon=True).start()


def call(host: str, port: int, secure: bool) -> None:
    """Ask as the lines say."""
    link = socket.create_connection((host, port))
    if secure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        link = context.wrap_socket(link)
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="ascii"))
    connection.initiate_connection()
    link.sendall(connection.data_to_send())
    scheme = "https" if secure else "http"
    for line in sys.stdin:
        run, count, pause_ms = map(int, line.split())
        good = 0
        for number in range(count):
            stream = connection.get_next_available_stream_id()
            path = f"{PREFIX}{run:08x}-0000-4000-8000-{number:012x}"
            headers = [(":method", "GET"), (":scheme", scheme), (":authority", f"{host}:{port}"), (":path", path)]
            connection.send_headers(stream, [*headers, ("user-agent", "AMF")], end_stream=True)
            link.sendall(connection.data_to_send())
            good += status(link, connection, stream) == "200"
            time.sleep(pause_ms / 1_000)
        print(good, flush=True)


def status(link: socket.socket, connection: H2Connection, stream: int) -> str:
    """Read until `stream` has ended; return its status."""
    found = ""
    while True:
        data = link.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the server ended the connection")
        has_ended = False
        for event in connection.receive_data(data):
            if isinstance(event, ResponseReceived):
                found = dict(event.headers)[":status"]
            elif isinstance(event, DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded) and event.stream_id == stream:
                has_ended = True
        link.sendall(connection.data_to_send())
        if has_ended:
            return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        name, _, number = sys.argv[2].rpartition(":")
        call(name, int(number), len(sys.argv) > 3)
