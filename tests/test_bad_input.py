"""What a user may get wrong: one line that says what failed, what was seen and what to do; no traceback, code not 0."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack import jars
from tests.broker import free_ports

ROOT = Path(__file__).parent.parent
FULL = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"
NOWHERE = "127.0.0.1:1"  # tcpmux: nothing listens there


def run(
    *words: str | Path, launcher: tuple[str, ...] = (), within_s: float = 60, **environment: str
) -> tuple[int, str, str]:
    """Run a command; return its code, output and complaints."""
    command = [*launcher, sys.executable, "-m", "deploy.cli", *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=within_s, check=False
    )
    return done.returncode, done.stdout, done.stderr


def refused(done: tuple[int, str, str], *seen: str) -> None:
    """Check the one line: `sbiscope COMMAND: what failed: what was seen; what to do`, and that it names `seen`."""
    code, _, said = done
    assert code == 1, done
    assert re.fullmatch(r"sbiscope [a-z]+: [^\n]+\n", said), said
    for word in seen:
        assert word in said, said


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that are no good."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.pcap").write_text("this is no capture\n" * 23)
    (folder / "empty.pcap").touch()
    whole = FULL.read_bytes()
    (folder / "cut.pcapng").write_bytes(whole[: len(whole) // 2 + 7])
    (folder / "head.pcapng").write_bytes(whole[:11])
    (folder / "bad.toml").write_text("[kafka\nbootstrap = 1\n")
    (folder / "unknown.toml").write_text('[kafka]\nbootstrp = "x"\n')
    return folder


@pytest.mark.parametrize("command", ["decode", "collect"])
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("text.pcap", "not a capture"),
        ("empty.pcap", "empty"),
        ("head.pcapng", ""),
        ("missing.pcap", "No such file"),
        (".", "directory"),
    ],
)
def test_what_is_no_capture_is_refused(files: Path, command: str, name: str, seen: str) -> None:
    words = ["decode", files / name] if command == "decode" else ["collect", "--source", files / name, "--to", "-"]
    done = run(*words)
    refused(done, seen)
    assert done[1] == ""


def test_of_a_cut_capture_all_that_is_there_is_decoded_and_then_said(files: Path) -> None:
    code, out, said = run("decode", files / "cut.pcapng")
    refused((code, out, said), "cut")
    assert 500 < out.count("\n") < 2_744


@pytest.mark.parametrize(
    "words",
    [("collect", "--source", str(FULL)), ("streams", "--stage", "pairing"), ("schema",)],
    ids=lambda words: words[0],
)
def test_kafka_out_of_reach_is_said(words: tuple[str, ...]) -> None:
    refused(run(*words, SBISCOPE_KAFKA_BOOTSTRAP=NOWHERE, SBISCOPE_CLICKHOUSE_URL=f"http://{NOWHERE}"), NOWHERE)


@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("report",)], ids=lambda words: words[0])
def test_clickhouse_out_of_reach_is_said(words: tuple[str, ...]) -> None:
    refused(run(*words, SBISCOPE_CLICKHOUSE_URL=f"http://{NOWHERE}"), NOWHERE)


@pytest.mark.parametrize(("name", "seen"), [("bad.toml", "bad.toml"), ("unknown.toml", "bootstrp")])
def test_a_wrong_configuration_is_said(files: Path, name: str, seen: str) -> None:
    refused(run("config", "check", "--config", files / name), seen)


def test_a_hook_that_does_not_exist_is_said() -> None:
    refused(run("collect", "--hook", "magic", "--to", "-"), "magic", "sock")


def test_without_rights_the_kernel_is_not_asked() -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and not setpriv:
        pytest.skip("this is root, and setpriv is missing to become somebody else")
    nobody = ("setpriv", "--reuid=65534", "--clear-groups", "--") if os.geteuid() == 0 else ()
    refused(run("collect", "--to", "-", launcher=nobody), "CAP_BPF")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def stack(folder: Path) -> dict[str, str]:
    kafka, controller, clickhouse = free_ports(3)
    return {
        "SBISCOPE_STACK_DIRECTORY": str(folder),
        "SBISCOPE_STACK_KAFKA_PORT": str(kafka),
        "SBISCOPE_STACK_KAFKA_CONTROLLER_PORT": str(controller),
        "SBISCOPE_STACK_CLICKHOUSE_PORT": str(clickhouse),
    }


@pytest.mark.parametrize("key", ["KAFKA_PORT", "CLICKHOUSE_PORT"])
def test_a_taken_port_is_said(taken: int, tmp_path: Path, key: str) -> None:
    jars.fetch(lambda _: None)
    wrong = {f"SBISCOPE_STACK_{key}": str(taken)}
    refused(run("up", within_s=120, **stack(tmp_path) | wrong), f"127.0.0.1:{taken}", f"SBISCOPE_STACK_{key}")


def only(folder: Path, *programs: str) -> str:
    """Return a PATH with `programs` alone."""
    for name in programs:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return str(folder)


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = run("up", PATH=only(tmp_path / "bin"), JAVA_HOME="", **stack(tmp_path))
    refused(done, "Java", "openjdk-17-jre-headless")


def test_without_maven_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    path = only(tmp_path / "bin", "java")
    done = run("up", PATH=path, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), **stack(tmp_path))
    refused(done, "Maven", "apt")


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(run("up", **stack(tmp_path / "file" / "stack")), "file", "directory")
