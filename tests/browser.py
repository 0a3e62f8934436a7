"""A real browser without a screen: a page opened from a file, its document read back, what it asked the network for."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.answering import listening
from tests.debian import installed

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--virtual-time-budget=3000")


def opened(page: Path, *more: str) -> str:
    """Return the document that a page has become, as HTML."""
    command = [program(), *FLAGS, f"--user-data-dir={page.parent / 'profile'}", *more, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@cache
def program() -> str:
    """Return a browser, Debian's where there is none yet."""
    return next(filter(None, map(shutil.which, NAMES)), None) or installed("chromium", "chromium")


def texts(document: str, css_class: str) -> list[str]:
    """Return the texts of the SVG text elements of a class."""
    return re.findall(rf'<text class="{css_class}"[^>]*>([^<]*)</text>', document)


@contextmanager
def trap() -> Iterator[tuple[str, list[bytes]]]:
    """Listen where a page's resources may be asked for; yield the address and what was asked."""
    asked: list[bytes] = []
    with listening(lambda link: asked.append(link.recv(1_000))) as place:
        yield f"http://{place}/", asked
