"""A real HTTP server in the place of an Alertmanager: keeps what it took, and fails as it is told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What was posted and taken, in order; `answer` decides: a status, 0 to hang up, 1 to take it and hang up."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.authorizations: list[str | None] = []
        self.answer: Callable[[list[dict[str, Any]]], int] = lambda _: 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/api/v2/alerts"
                posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.authorizations.append(self.headers.get("Authorization"))
                status = receiver.answer(posted)
                receiver.answers.append(status)
                if status in {1, 200}:
                    receiver.taken += posted
                if status > 1:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(b"" if status == 200 else b"as told")
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Give a receiver that serves."""
    one = Receiver()
    thread = threading.Thread(target=one.server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()
        thread.join()
