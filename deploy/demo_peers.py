"""Two small HTTP/2 programs that talk SBI on loopback, for the demo and the tests: producers, and an AMF that asks.

`python -m deploy.demo_peers serve` prints its port and serves until its standard input ends; `call PORT EXCHANGES RATE`
prints one JSON line per exchange that it had. Both know by number what is said (deploy.demo_script).
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded

from deploy.demo_script import PROBLEM, Request, request

ROOT = Path(__file__).parent.parent
LOOPBACK = "127.0.0.1"
READ_BYTES = 65_536
THINK_S = 0.001  # what a producer takes for an answer, at least
NUMBER = "x-exchange"  # a header that tells the producer which exchange this is


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange as the AMF had it."""

    number: int
    client_port: int
    server_port: int
    stream_id: int
    method: str
    path: str
    authority: str
    status: int


class Consumer:
    """The AMF: one connection to each producer, one request at a time."""

    def __init__(self, port: int, address: str = LOOPBACK) -> None:
        self._peer = address, port
        self._links: dict[str, tuple[socket.socket, H2Connection]] = {}

    def exchange(self, number: int) -> Exchange:
        """Have exchange `number`. Raises ConnectionError if the producer ends in the middle."""
        asked = request(number)
        link, connection = self._link(asked.producer)
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, _request_headers(asked, number), end_stream=not asked.body)
        if asked.body:
            connection.send_data(stream, asked.body, end_stream=True)
        link.sendall(connection.data_to_send())
        status = _answer(link, connection, stream)
        ports = link.getsockname()[1], link.getpeername()[1]
        return Exchange(number, *ports, stream, asked.method, asked.path, asked.authority, status)

    def close(self) -> None:
        """Take leave of every producer."""
        for link, connection in self._links.values():
            connection.close_connection()
            link.sendall(connection.data_to_send())
            link.close()

    def _link(self, producer: str) -> tuple[socket.socket, H2Connection]:
        if producer not in self._links:
            link = socket.create_connection(self._peer)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
            connection.initiate_connection()
            self._links[producer] = link, connection
        return self._links[producer]


def _request_headers(asked: Request, number: int) -> list[tuple[str, str]]:
    headers = [
        (":method", asked.method),
        (":scheme", "http"),
        (":authority", asked.authority),
        (":path", asked.path),
        ("user-agent", "AMF"),
        ("accept", f"application/json,{PROBLEM}"),
        ("3gpp-sbi-max-rsp-time", "10000"),
        (NUMBER, str(number)),
    ]
    if asked.body:
        kind = "application/json-patch+json" if asked.method == "PATCH" else "application/json"
        headers += [("content-type", kind), ("content-length", str(len(asked.body)))]
    return headers


def _answer(link: socket.socket, connection: H2Connection, stream: int) -> int:
    """Read until the stream has ended; return the status."""
    status = 0
    while True:
        data = link.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the producer ended the connection")
        for event in connection.receive_data(data):
            if isinstance(event, ResponseReceived):
                status = int(dict(event.headers)[b":status"])
            elif isinstance(event, DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded) and event.stream_id == stream:
                _flush(link, connection)
                return status
        _flush(link, connection)


def _flush(link: socket.socket, connection: H2Connection) -> None:
    data = connection.data_to_send()
    if data:
        link.sendall(data)


def serve_connection(link: socket.socket) -> None:
    """Answer every request of a connection until it ends."""
    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    numbers: dict[int, int] = {}
    with link:
        _flush(link, connection)
        while data := link.recv(READ_BYTES):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    numbers[event.stream_id] = int(dict(event.headers)[NUMBER.encode()])
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    _respond(link, connection, event.stream_id, request(numbers.pop(event.stream_id)))
            _flush(link, connection)


def _respond(link: socket.socket, connection: H2Connection, stream: int, asked: Request) -> None:
    time.sleep(THINK_S)
    headers = [(":status", str(asked.status)), ("server", f"{asked.producer.upper()}-{asked.authority}")]
    if asked.location:
        headers.append(("location", asked.location))
    if asked.answer:
        headers += [("content-type", PROBLEM if asked.status >= 400 else "application/json")]
        headers += [("content-length", str(len(asked.answer)))]
    connection.send_headers(stream, headers, end_stream=not asked.answer)
    _flush(link, connection)  # as Open5GS does: one send for HEADERS, one for DATA
    if asked.answer:
        connection.send_data(stream, asked.answer, end_stream=True)


def serve(listener: socket.socket) -> None:
    """Accept connections until the process ends."""
    while True:
        link, _ = listener.accept()
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve_connection, args=(link,), daemon=True).start()


def call(port: int, exchanges: int, rate: float) -> Iterator[Exchange]:
    """Have `exchanges`, at most `rate` a second (0 = as fast as it goes)."""
    consumer = Consumer(port)
    began = time.monotonic()
    for number in range(exchanges):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield consumer.exchange(number)
    consumer.close()


@contextmanager
def producers() -> Iterator[int]:
    """Run the producers as a process of their own; give the port they listen on."""
    command = [sys.executable, "-m", "deploy.demo_peers", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def talk(exchanges: int, rate: float = 0.0) -> list[Exchange]:
    """Let an AMF and its producers, two processes, have `exchanges`; return what they said."""
    with producers() as port:
        command = [sys.executable, "-m", "deploy.demo_peers", "call", str(port), str(exchanges), str(rate)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return [Exchange(**json.loads(line)) for line in done.stdout.splitlines()]


def main() -> None:
    """Be one of the two programs."""
    if sys.argv[1] == "serve":
        listener = socket.create_server((LOOPBACK, 0))
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        sys.stdin.read()
    else:
        port, exchanges, rate = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
        for exchange in call(port, exchanges, rate):
            print(json.dumps(asdict(exchange)), flush=True)


if __name__ == "__main__":
    main()
