"""The broker's class archive: made once, used by the next start, never in the way where none can be made."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.stack import class_archive, kafka
from deploy.stack.java import java
from tests.local_stack import until

pytestmark = pytest.mark.stack
ROOT = Path(__file__).parent.parent
PREPARE = "from deploy.stack import kafka; kafka.prepare(print)"
OLD = """#!/bin/sh
case "$*" in
*-version*) echo 'openjdk version "25-ea"' >&2 ;;
*) exec {java} "$@" ;;
esac
"""
WITHOUT = """#!/bin/sh
case "$*" in
*ArchiveClassesAtExit*) echo 'Unrecognized option' >&2; exit 1 ;;
*) exec {java} "$@" ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache that has the jars and no archive."""
    jars = kafka.prepare(print)
    shutil.copytree(jars, tmp_path / "cache" / jars.name, copy_function=os.link)
    monkeypatch.setenv("SBISCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def standing(cache: Path) -> list[str]:
    """Return what there is besides the jars, by the end of its name."""
    return sorted(
        one.suffix or one.name[:8] for one in cache.iterdir() if not one.name.startswith("kafka-") or one.suffix
    )


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another Java on the path."""
    folder.mkdir()
    (folder / "java").write_text(text.format(java=java().program))
    (folder / "java").chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_it_is_made_once_and_used(cache: Path) -> None:
    told: list[str] = []
    jars = kafka.prepare(told.append)
    assert (told, standing(cache)) == (["preparing Kafka's classes, once"], [".jsa"])
    archive = class_archive.path(jars, java())
    words = [java().program, f"-XX:SharedArchiveFile={archive}", "-Xshare:on", "-cp", f"{jars}/*", "kafka.Kafka"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)  # -Xshare:on: mapped, or an error
    assert "USAGE" in said.stdout + said.stderr
    kafka.prepare(told.append)
    assert len(told) == 1


def test_a_java_that_archives_nothing_is_asked_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", WITHOUT, monkeypatch)
    told: list[str] = []
    kafka.prepare(told.append)
    kafka.prepare(told.append)
    assert told == ["preparing Kafka's classes, once", "Kafka starts more slowly here, this Java archives no classes"]
    assert standing(cache) == [".none"]


def test_a_killed_command_leaves_no_broker_and_the_next_makes_it(cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PREPARE], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        until(lambda: bool(brokers(cache)), pause_s=0.02)
        process.send_signal(signal.SIGKILL)
    until(lambda: not brokers(cache), 10)
    kafka.prepare(print)
    assert standing(cache) == [".jsa"]


def brokers(cache: Path) -> list[int]:
    """Return the processes whose command names the cache."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"ArchiveClassesAtExit={cache}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            pass  # it ended
    return found


def test_a_version_without_points_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", OLD, monkeypatch)
    assert java().version == "25-ea"


def test_two_at_once_make_one(cache: Path) -> None:
    command = [sys.executable, "-c", PREPARE]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    began = time.monotonic()
    assert [one.wait(120) for one in both] == [0, 0], time.monotonic() - began
    assert standing(cache) == [".jsa"]
