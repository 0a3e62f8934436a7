"""The agent's little HTTP server: /metrics for Prometheus, /healthz for the kubelet; on loopback unless configured."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from schemas.listening import listening
from schemas.refusal import Refusal

SILENCE_S = 5.0  # a client that says nothing is hung up on: there is one thread for all
METRICS = "text/plain; version=0.0.4; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"

Answer = tuple[HTTPStatus, str, str]  # status, content type, text


class HealthServer:
    """Serves what the two functions say until `close`."""

    def __init__(self, address: str, port: int, metrics: Callable[[], str], ailment: Callable[[], str]) -> None:
        """Listen; `ailment` returns what is wrong, "" for nothing. Raises Refusal: the address is taken, or none."""
        answers: dict[str, Callable[[], Answer]] = {
            "/metrics": lambda: (HTTPStatus.OK, METRICS, metrics()),
            "/healthz": lambda: health(ailment()),
        }
        self._server = HTTPServer((address, port), handler(answers), bind_and_activate=False)
        self._server.socket.close()
        try:
            self._server.socket = listening(address, port)
        except OSError as error:
            seen = f"{address}:{port}: {error.strerror or error}"
            raise Refusal("cannot serve metrics", seen, "set collector.metrics_port, 0 = none") from error
        self.port = int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def health(ailment: str) -> Answer:
    """Return the answer of /healthz."""
    if ailment:
        return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, ailment + "\n"
    return HTTPStatus.OK, PLAIN, "well\n"


def handler(answers: dict[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers GET by path."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENCE_S
        server_version = "sbiscope"
        sys_version = ""

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            status, kind, text = answer() if answer else (HTTPStatus.NOT_FOUND, PLAIN, "/metrics and /healthz\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 (the base class calls it so)
            """Say nothing of requests."""

    return Handler
