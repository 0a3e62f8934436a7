"""OpenSSL 1.1 and BoringSSL as wheels bring them, called through ctypes: HTTP/2 of servers and clients over either.

`python -m tests.foreign_tls LIBRARY WAY serve CERTIFICATE KEY` prints its port and ends with its standard input;
`... call PORT COUNT CONNECTIONS` has COUNT exchanges on each of so many connections at once and writes each down.
LIBRARY is openssl11 or boringssl. WAY is how it is used, lazy-memory both:

- plain: SSL_do_handshake, then SSL_read and SSL_write on a socket;
- counting: as plain, by SSL_read_ex and SSL_write_ex;
- lazy: no handshake is asked for, the first SSL_read or SSL_write makes it;
- early: of BoringSSL, the first request within the handshake (RFC 8446 2.3), by a ticket of a connection before;
- memory: on BIOs in memory; the bytes go through sockets elsewhere.
"""

import contextlib
import ctypes
import functools
import importlib.util
import json
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

from collector.elf import Elf
from collector.tls_library import defined
from tests.said import Said
from tests.tls_peers import BODY, PATH, answered, asked, begun

PEM, NONE = 1, 0  # SSL_FILETYPE_PEM, SSL_VERIFY_NONE
CLIENTS = 1  # SSL_SESS_CACHE_CLIENT
WANTS_READ = 2  # SSL_ERROR_WANT_READ
ALPN = b"\x02h2"
MOST = 16_384
pointer, number, octets = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
CHOOSE = ctypes.CFUNCTYPE(
    number, pointer, ctypes.POINTER(pointer), ctypes.POINTER(ctypes.c_ubyte), pointer, ctypes.c_uint, pointer
)
# Both libraries declare them alike (ssl(7)): result and arguments.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "TLS_method": (pointer,),
    "SSL_CTX_new": (pointer, pointer),
    "SSL_CTX_use_certificate_chain_file": (number, pointer, octets),
    "SSL_CTX_use_PrivateKey_file": (number, pointer, octets, number),
    "SSL_CTX_set_alpn_select_cb": (None, pointer, CHOOSE, pointer),
    "SSL_CTX_set_verify": (None, pointer, number, pointer),
    "SSL_new": (pointer, pointer),
    "SSL_free": (None, pointer),
    "SSL_set_fd": (number, pointer, number),
    "SSL_set_bio": (None, pointer, pointer, pointer),
    "SSL_set_alpn_protos": (number, pointer, octets, ctypes.c_uint),
    "SSL_set_accept_state": (None, pointer),
    "SSL_set_connect_state": (None, pointer),
    "SSL_do_handshake": (number, pointer),
    "SSL_read": (number, pointer, octets, number),
    "SSL_write": (number, pointer, octets, number),
    "SSL_get_error": (number, pointer, number),
    "BIO_new": (pointer, pointer),
    "BIO_s_mem": (pointer,),
    "BIO_read": (number, pointer, octets, number),
    "BIO_write": (number, pointer, octets, number),
}
MET = ctypes.CFUNCTYPE(number, pointer, pointer)
EARLY: dict[str, tuple[Any, ...]] = {
    "SSL_CTX_set_early_data_enabled": (None, pointer, number),
    "SSL_CTX_set_session_cache_mode": (number, pointer, number),
    "SSL_CTX_sess_set_new_cb": (None, pointer, MET),
    "SSL_set_session": (number, pointer, pointer),
    "SSL_early_data_accepted": (number, pointer),
}
COUNTED: dict[str, tuple[Any, ...]] = {
    name: (number, pointer, octets, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t))
    for name in ("SSL_read_ex", "SSL_write_ex")
}


def brought_by(package: str, files: str) -> Path:
    """Return the file of a wheel that was installed. Raises StopIteration where it was not."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None, f"{package} is not installed: make setup"
    return next(Path(found.origin).parent.parent.glob(files))


def openssl11() -> dict[str, Callable[..., Any]]:
    """Return the functions of psycopg2-binary's OpenSSL, a library of its own name."""
    files = [brought_by("psycopg2", f"psycopg2_binary.libs/{name}-*.so.1.1") for name in ("libcrypto", "libssl")]
    crypto, ssl = (ctypes.CDLL(str(one)) for one in files)  # its authors found one by the other in this order
    return {
        name: typed(getattr(crypto if name.startswith("BIO") else ssl, name), kind)
        for name, kind in (FUNCTIONS | COUNTED).items()
    }


def boringssl() -> dict[str, Callable[..., Any]]:
    """Return the functions of curl_cffi's BoringSSL, which only its table of symbols tells."""
    path = brought_by("curl_cffi", "curl_cffi/_wrapper.abi3.so").resolve()
    ctypes.CDLL(str(path))
    with path.open("rb") as file:
        places = defined(Elf(file), FUNCTIONS | EARLY)
    begin = next(
        int(line.partition("-")[0], 16) - int(line.split()[2], 16)
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(path)) and line.split()[2] == "00000000"
    )
    return {name: ctypes.CFUNCTYPE(*kind)(begin + places[name].address) for name, kind in (FUNCTIONS | EARLY).items()}


def typed(function: Any, kind: tuple[Any, ...]) -> Callable[..., Any]:
    function.restype, *function.argtypes = kind
    return function  # type: ignore[no-any-return]


LIBRARIES = {"openssl11": openssl11, "boringssl": boringssl}


class Library:
    """A library's functions, and what the two ends of connections share of it."""

    def __init__(self, name: str, identity: tuple[str, ...] = (), way: str = "") -> None:
        self.session: int | None = None
        self.calls = LIBRARIES[name]()
        self.is_server = bool(identity)
        self.context = self("SSL_CTX_new", self("TLS_method"))
        self._choose = CHOOSE(self._chosen)
        self._alpn = ctypes.create_string_buffer(ALPN)
        self("SSL_CTX_set_verify", self.context, NONE, None)
        if identity:
            certificate, key = (one.encode() for one in identity)
            assert self("SSL_CTX_use_certificate_chain_file", self.context, certificate) == 1
            assert self("SSL_CTX_use_PrivateKey_file", self.context, key, PEM) == 1
            self("SSL_CTX_set_alpn_select_cb", self.context, self._choose, None)
        if way == "early":
            self._met = MET(self._remembered)
            self("SSL_CTX_set_early_data_enabled", self.context, 1)
            self("SSL_CTX_set_session_cache_mode", self.context, CLIENTS)
            self("SSL_CTX_sess_set_new_cb", self.context, self._met)

    def __call__(self, name: str, *words: object) -> Any:
        return self.calls[name](*words)

    def _chosen(self, ssl: int, out: Any, length: Any, *_: object) -> int:
        out[0] = ctypes.addressof(self._alpn) + 1
        length[0] = len(ALPN) - 1
        return 0  # SSL_TLSEXT_ERR_OK

    def _remembered(self, ssl: int, session: int) -> int:
        self.session = session
        return 1  # it is ours now


class Secure:
    """A TLS connection over `link`, used in one of the ways."""

    def __init__(self, library: Library, way: str, link: socket.socket) -> None:
        self._library, self._way, self._link = library, way, link
        self.sent, self.received = bytearray(), bytearray()
        self._buffer = ctypes.create_string_buffer(MOST)
        self._ssl = library("SSL_new", library.context)
        library("SSL_set_accept_state" if library.is_server else "SSL_set_connect_state", self._ssl)
        if not library.is_server:
            assert library("SSL_set_alpn_protos", self._ssl, ALPN, len(ALPN)) == 0
            if library.session:
                assert library("SSL_set_session", self._ssl, library.session) == 1
        if "memory" in way:
            self._from_link, self._to_link = (library("BIO_new", library("BIO_s_mem")) for _ in range(2))
            library("SSL_set_bio", self._ssl, self._from_link, self._to_link)
        else:
            assert library("SSL_set_fd", self._ssl, link.fileno()) == 1
        if "lazy" not in way:
            self._done(lambda: library("SSL_do_handshake", self._ssl))

    def recv(self) -> bytes:
        """Return what has come, b"" at the end."""
        length = self._done(self._read)
        data = self._buffer.raw[: max(0, length)]
        self.received += data
        return data

    def sendall(self, data: bytes) -> None:
        if data:
            assert self._done(functools.partial(self._write, data)) == len(data)
            self.sent += data

    @property
    def was_early(self) -> bool:
        """Whether the server took what was sent within the handshake."""
        return bool(self._library("SSL_early_data_accepted", self._ssl))

    def close(self) -> None:
        self._link.close()
        self._library("SSL_free", self._ssl)

    def _read(self) -> int:
        if "counting" in self._way:
            return self._counted("SSL_read_ex", self._buffer, MOST)
        return int(self._library("SSL_read", self._ssl, self._buffer, MOST))

    def _write(self, data: bytes) -> int:
        if "counting" in self._way:
            return self._counted("SSL_write_ex", data, len(data))
        return int(self._library("SSL_write", self._ssl, data, len(data)))

    def _counted(self, name: str, data: object, length: int) -> int:
        moved = ctypes.c_size_t()
        return moved.value if self._library(name, self._ssl, data, length, moved) == 1 else -1

    def _done(self, call: Callable[[], int]) -> int:
        """Return the result of a call, made again as long as memory has too few bytes for it."""
        while True:
            result = call()
            if "memory" not in self._way:
                return result
            while (count := self._library("BIO_read", self._to_link, self._buffer2, MOST)) > 0:
                self._link.sendall(self._buffer2.raw[:count])
            if result > 0 or self._library("SSL_get_error", self._ssl, result) != WANTS_READ:
                return result
            if not (data := self._link.recv(MOST)):
                return 0
            assert self._library("BIO_write", self._from_link, data, len(data)) == len(data)

    @functools.cached_property
    def _buffer2(self) -> Any:
        return ctypes.create_string_buffer(MOST)


class Client:
    """One connection, one exchange at a time."""

    def __init__(self, library: Library, way: str, port: int) -> None:
        link = socket.create_connection(("127.0.0.1", port))
        self.port = int(link.getsockname()[1])
        self.secure = Secure(library, way, link)
        self._connection: H2Connection = begun(is_client=True)
        self.secure.sendall(self._connection.data_to_send())

    def exchange(self) -> Said:
        self.secure.sendall(asked(self._connection, self._connection.get_next_available_stream_id()))
        status = length = 0
        while True:
            data = self.secure.recv()
            if not data:
                raise ConnectionError("the server ended")
            for event in self._connection.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                elif isinstance(event, DataReceived):
                    length += len(event.data)
                elif isinstance(event, StreamEnded):
                    self.secure.sendall(self._connection.data_to_send())
                    return Said(self.port, "GET", PATH, status, 0, length)

    def close(self) -> None:
        self.secure.close()


def serve(library: Library, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, args=(listener, library, way), daemon=True).start()
        sys.stdin.read()


def accept(listener: socket.socket, library: Library, way: str) -> None:
    while True:
        link, _ = listener.accept()
        threading.Thread(target=answer, args=(library, way, link), daemon=True).start()


def answer(library: Library, way: str, link: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        secure = Secure(library, way, link)
        connection = begun(is_client=False)
        if "lazy" not in way:  # a server that has not heard its client cannot speak
            secure.sendall(connection.data_to_send())
        while data := secure.recv():
            secure.sendall(answered(connection, data))
        secure.close()


def call(library: Library, way: str, port: int, count: int, connections: int) -> None:
    """Open every connection, then have their exchanges at once."""
    said: list[Said] = []

    def have(client: Client) -> None:
        said.extend([client.exchange() for _ in range(count)])
        assert way != "early" or client is before or client.secure.was_early
        client.close()

    before = Client(library, way, port) if way == "early" else None  # it brings the ticket
    if before:
        have(before)
    clients = [Client(library, way, port) for _ in range(connections)]

    threads = [threading.Thread(target=have, args=(client,)) for client in clients]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.response_bytes for one in said} == {len(BODY)}
    for exchange in said:
        print(json.dumps(asdict(exchange)))


def serves(library: str, way: str, identity: tuple[str, ...]) -> list[str]:
    """Return the command of a server that prints its port."""
    return [sys.executable, "-m", "tests.foreign_tls", library, way, "serve", *identity]


def calls(library: str, way: str, port: int, count: int, connections: int) -> list[str]:
    """Return that of a client."""
    return [sys.executable, "-m", "tests.foreign_tls", library, way, "call", *map(str, (port, count, connections))]


def main() -> None:
    name, way, what, *words = sys.argv[1:]
    if what == "serve":
        serve(Library(name, tuple(words), way), way)
    else:
        port, count, connections = map(int, words)
        call(Library(name, (), way), way, port, count, connections)


if __name__ == "__main__":
    main()
