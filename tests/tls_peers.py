"""HTTP/2 over Python's ssl, blocking and asyncio: SBI servers and clients whose TLS the agent is to follow.

`python -m tests.tls_peers KIND CERTIFICATE KEY` serves, prints its port, and ends with its standard input; KIND is
blocking or asyncio. `... call-KIND PORT COUNT` has COUNT exchanges on one connection.
"""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

PATH = "/nudm-sdm/v2/imsi-001010000000001/am-data"
BODY = b'{"gpsis":["msisdn-1"]}' * 41


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def begun(is_client: bool) -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=is_client, header_encoding=None))
    connection.initiate_connection()
    return connection


def answered(connection: H2Connection, data: bytes) -> bytes:
    """Answer what `data` asks; return what to send."""
    for event in connection.receive_data(data):
        if isinstance(event, RequestReceived):
            headers = [(":status", "200"), ("content-type", "application/json"), ("content-length", str(len(BODY)))]
            connection.send_headers(event.stream_id, headers)
            connection.send_data(event.stream_id, BODY, end_stream=True)
    return connection.data_to_send()


def asked(connection: H2Connection, stream: int) -> bytes:
    headers = [(":method", "GET"), (":scheme", "https"), (":authority", "udm"), (":path", PATH), ("user-agent", "AMF")]
    connection.send_headers(stream, headers, end_stream=True)
    return connection.data_to_send()


def is_ended(connection: H2Connection, data: bytes) -> bool:
    if not data:
        raise ConnectionError("the server ended")
    return any(isinstance(event, StreamEnded) for event in connection.receive_data(data))


def serve_blocking(context: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept_blocking, args=(listener, context), daemon=True).start()
        sys.stdin.read()


def accept_blocking(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        link, _ = listener.accept()
        threading.Thread(target=answer_blocking, args=(link, context), daemon=True).start()


def answer_blocking(link: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(ssl.SSLError, ConnectionError), context.wrap_socket(link, server_side=True) as secure:
        connection = begun(is_client=False)
        secure.sendall(connection.data_to_send())
        while data := secure.recv(65_536):
            secure.sendall(answered(connection, data))


async def serve_asyncio(context: ssl.SSLContext) -> None:
    server = await asyncio.start_server(answer_asyncio, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def answer_asyncio(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = begun(is_client=False)
    writer.write(connection.data_to_send())
    while data := await reader.read(65_536):
        writer.write(answered(connection, data))
        await writer.drain()
    writer.close()


class BlockingClient:
    """One connection, one exchange at a time."""

    def __init__(self, port: int) -> None:
        self._link = client_context().wrap_socket(socket.create_connection(("127.0.0.1", port)))
        self.port = int(self._link.getsockname()[1])
        self._connection = begun(is_client=True)
        self._link.sendall(self._connection.data_to_send())

    def exchange(self) -> None:
        stream = self._connection.get_next_available_stream_id()
        self._link.sendall(asked(self._connection, stream))
        while not is_ended(self._connection, self._link.recv(65_536)):
            pass
        self._link.sendall(self._connection.data_to_send())

    def await_nothing(self) -> None:
        """Wait until this end hangs up."""
        with contextlib.suppress(OSError):
            assert not self._link.recv(1)

    def hang_up(self) -> None:
        socket.socket.shutdown(self._link, socket.SHUT_RDWR)  # of TCP alone

    def close(self) -> None:
        self._link.close()


async def call_asyncio(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context())
    connection = begun(is_client=True)
    writer.write(connection.data_to_send())
    for _ in range(count):
        writer.write(asked(connection, connection.get_next_available_stream_id()))
        while not is_ended(connection, await reader.read(65_536)):
            pass
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()


def call_blocking(port: int, count: int) -> None:
    client = BlockingClient(port)
    for _ in range(count):
        client.exchange()
    client.close()


def main() -> None:
    kind, *words = sys.argv[1:]
    if kind == "blocking":
        serve_blocking(server_context(*words))
    elif kind == "asyncio":
        asyncio.run(serve_asyncio(server_context(*words)))
    elif kind == "call-blocking":
        call_blocking(*map(int, words))
    else:
        asyncio.run(call_asyncio(*map(int, words)))


if __name__ == "__main__":
    main()
