"""The resolver and an agent's watch where 10,000 pods are, 100 of which change each second; figures are printed.

Nothing is asserted of time: what is held is that every change was told, once, rightly, and what memory the pods take.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench.line import show
from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import Cluster, until
from tests.kubernetes.crowd import NODES, PODS, Crowd, crowd
from tests.kubernetes.release import Release
from tests.kubernetes.settings import API, TOKEN

pytestmark = prerequisites.MARKS
CHANGES, RATE = 5_003, 100.0
MOST_MB = 20.0  # of pods in a process
ROOT = Path(__file__).parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
ROWS = "SELECT name, toUnixTimestamp64Micro(told_us), labels['app'], until_us IS NULL FROM places FINAL"

LAST = "ORDER BY told_us, until_us IS NULL"  # a pod may have had several, one after another


class Process:
    """A process of this machine, measured."""

    def __init__(self, words: bytes) -> None:
        """Find the one whose command line has `words`."""
        self._place = next(one.parent for one in Path("/proc").glob("[0-9]*/cmdline") if _has(one, words))

    def mb(self) -> float:
        """Return its memory that no file stands behind."""
        lines = dict(line.split(":", 1) for line in (self._place / "status").read_text().splitlines())
        return int(lines["RssAnon"].split()[0]) * 1_024 / 1e6

    def cpu_s(self) -> float:
        """Return the CPU time that it has used."""
        fields = (self._place / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def _has(place: Path, words: bytes) -> bool:
    try:
        return words in place.read_bytes()
    except OSError:
        return False


@contextmanager
def watching(kube: Cluster, node: str) -> Iterator[Process]:
    """Run an agent's watch of a node; its memory before and after is shown."""
    token = kube.root / "token"
    token.write_text(TOKEN)
    words = (sys.executable, "-m", "tests.kubernetes.watching", node, f"https://{API}:443", token, kube.root / "ca.crt")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with kube.begin(*words, **pipes) as running:
        assert running.stdout.readline() == "ready\n"
        process = Process(b"tests.kubernetes.watching")
        before = process.mb()
        running.stdin.write("\n")
        running.stdin.flush()
        time.sleep(5)
        yield process
        grown = process.mb() - before
        pods, _ = running.communicate()
    show("agent's watch of its node, memory", grown, "MB", pods=int(pods))
    assert grown <= MOST_MB


def told(release: Release) -> int:
    """Return how many of the pods stand, as far as was told."""
    return int(release.rows("SELECT count() FROM places_standing WHERE namespace = 'crowd'")[0][0])


@pytest.fixture(scope="module")
def pods(kube: Cluster, release: Release) -> Iterator[Crowd]:
    resolver = Process(b"deploy.cli\0resolve")
    before = resolver.mb()
    with crowd(kube) as one:
        until(lambda: told(release) == PODS, 300, f"{PODS} places")
        grown = resolver.mb() - before
        show("resolver, memory of the pods", grown, "MB", pods=PODS, before=round(before, 1))
        assert grown <= MOST_MB
        yield one


def test_every_change_is_told(kube: Cluster, pods: Crowd, release: Release) -> None:
    resolver = Process(b"deploy.cli\0resolve")
    with watching(kube, "kwok-7") as watch:
        began, of_resolver, of_watch = time.monotonic(), resolver.cpu_s(), watch.cpu_s()
        done = pods.change(CHANGES, RATE)
        seconds = time.monotonic() - began
        each_s = round(CHANGES / seconds)
        show("resolver, CPU", (resolver.cpu_s() - of_resolver) / seconds * 100, "% of a core", changes_a_second=each_s)
        used = (watch.cpu_s() - of_watch) / seconds * 100
        show("agent's watch, CPU", used, "% of a core", changes_a_second=round(each_s / NODES))
    gone = {f"nf-{number}" for number in range(0, CHANGES, 5)}
    wanted = {name: ("before", 0) if name in gone else (f"after-{name.removeprefix('nf-')}", 1) for name in done}
    rows: dict[str, list[Any]] = {}

    def is_told() -> bool:
        rows.update({name: row for name, *row in release.rows(f"{ROWS} WHERE namespace = 'crowd' {LAST}")})
        return {name: tuple(rows[name][1:]) for name in done} == wanted

    until(is_told, 120, "the last changes and ends, each right")
    assert (len(rows), told(release)) == (PODS, PODS - len(gone))
    late = sorted((rows[name][0] - done_us) / 1e6 for name, done_us in done.items())
    show(
        "a change is told after", late[len(late) // 2], "s", longest=late[-1], of_99_percent=late[len(late) * 99 // 100]
    )
