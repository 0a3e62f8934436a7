"""Small servers of the tests: a program that runs until it answers by HTTP, a port that hands each link on."""

import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def answering(words: Sequence[str], log: Path, url: str, within_s: float) -> Iterator[None]:
    """Run a program from the time on when it answers at `url` with 200; it is killed afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, cwd=log.parent)
    try:
        end = time.monotonic() + within_s
        while not answers(url):
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait(10)


def answers(url: str) -> bool:
    """Tell whether a server gives 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def listening(take: Callable[[socket.socket], object]) -> Iterator[str]:
    """Give host:port of a listener that hands each link to `take`, one after another, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with link:
                    take(link)

        threading.Thread(target=listen, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
