"""What a user may get wrong: one line that says what failed, what was seen and what to do; no traceback, code not 0."""

import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.demo import live_hindrance
from deploy.stack import kafka
from schemas.config import load
from tests.broker import broker, free_ports
from tests.debian import installed

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


def begin(*words: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start a command."""
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    with started:
        out, said = started.communicate(timeout=120)
    return started.returncode, out, said


def away(bootstrap: str) -> dict[str, str]:
    """Return a configuration whose ClickHouse, and perhaps Kafka, is out of reach."""
    return {"SBISCOPE_KAFKA_BOOTSTRAP": bootstrap, "SBISCOPE_CLICKHOUSE_URL": f"http://{NOWHERE}"}


OTHERS = re.compile(r"sbiscope: TLS of [^\n]+ is not followed: [^\n]+\n")
"""What a live agent says of programs that other tests have running meanwhile."""


def refused(done: tuple[int, str, str], *seen: str) -> None:
    """Check the one line: `sbiscope COMMAND: what failed: what was seen; what to do`, and that it names `seen`."""
    code, _, said = done
    assert code == 1, done
    assert re.fullmatch(r"sbiscope [a-z]+: [^\n]+; [^\n]+\n", said), said
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
    (folder / "type.toml").write_text('[kafka]\npartitions = "many"\n')
    (folder / "latin.toml").write_bytes(b'[site]\nname = "M\xfcnchen"\n')
    (folder / "text.pcap.gz").write_bytes(gzip.compress(b"this is no capture\n" * 23))
    (folder / "cut.pcapng.gz").write_bytes(gzip.compress(whole)[:20_011])
    return folder


@pytest.mark.parametrize("command", ["decode", "collect"])
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("text.pcap", "not a capture"),
        ("empty.pcap", "empty"),
        ("head.pcapng", "the capture is broken"),
        ("text.pcap.gz", "not a capture"),
        ("missing.pcap", "No such file"),
        (".", "directory"),
    ],
)
def test_what_is_no_capture_is_refused(files: Path, command: str, name: str, seen: str) -> None:
    words = ["decode", files / name] if command == "decode" else ["collect", "--source", files / name, "--to", "-"]
    done = run(*words)
    refused(done, seen)
    assert done[1] == ""


@pytest.mark.parametrize("name", ["cut.pcapng", "cut.pcapng.gz"])
def test_of_a_cut_capture_all_that_is_there_is_decoded_and_then_said(files: Path, name: str) -> None:
    code, out, said = run("decode", files / name)
    refused((code, out, said), "cut", "what stood before was read")
    assert 100 < out.count("\n") < 2_744


@pytest.mark.parametrize(
    "words",
    [
        ("decode", FULL),
        ("decode", "--transactions", FULL),
        ("collect", "--source", FULL, "--to", "-"),
        ("config", "check"),
    ],
    ids=["events", "transactions", "collect", "config"],
)
def test_a_full_disk_is_said(words: tuple[str | Path, ...]) -> None:
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    refused((done.returncode, "", done.stderr), "No space left on device")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ([], "no pod"),
        (["--api", "kubernetes"], "kubernetes"),
        (["--api", "ftp://host"], "ftp://host"),
        (["--api", "https://host", "--token-file", "nowhere/token"], "nowhere/token"),
        (["--api", "https://host", "--ca-file", "README.md"], "README.md"),
        (["--api", "https://host", "--metrics", "here"], "here"),
        (["--api", "https://host", "--metrics", ":70000"], ":70000"),
        (["--api", "http://127.0.0.1:1"], NOWHERE),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_a_resolver_says_what_it_cannot_use(words: list[str], seen: str) -> None:
    refused(run("resolve", *words, KUBERNETES_SERVICE_HOST="", **away(NOWHERE)), seen)


def test_kafka_out_of_reach_is_said_by_each_command_that_needs_it() -> None:
    """All at once: each waits ten seconds for an answer."""
    commands = [["collect", "--source", FULL], ["streams", "--stage", "pairing"], ["schema"]]
    if not live_hindrance(load(None)):
        commands.append(["collect"])
    for started in [begin(*words, **away(NOWHERE)) for words in commands]:
        code, out, said = ended(started)
        refused((code, out, OTHERS.sub("", said)), NOWHERE)


@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("report",)], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("address", "seen"), [(NOWHERE, "refused"), ("nosuch.invalid:8123", "resolve")], ids=["closed", "unknown"]
)
def test_clickhouse_out_of_reach_is_said(words: tuple[str, ...], address: str, seen: str) -> None:
    refused(run(*words, SBISCOPE_CLICKHOUSE_URL=f"http://{address}"), address, seen)


@pytest.mark.stack
def test_tables_and_sink_say_that_clickhouse_is_out_of_reach() -> None:
    with broker() as kafka:
        there = away(kafka.bootstrap)
        refused(run("schema", **there), "ClickHouse", NOWHERE)
        refused(run("streams", "--stage", "sink", **there), "ClickHouse", NOWHERE)


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("query", "SELECT 1"),
        ("report",),
        ("schema",),
        ("streams",),
        ("collect", "--source", FULL),
    ],
    ids=lambda words: words[0],
)
def test_where_no_stack_is_up_it_says_how_to_start_one(tmp_path: Path, words: tuple[str | Path, ...]) -> None:
    refused(run(*words, **stack(tmp_path / "none")), "no stack is up", "sbiscope up")


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("bad.toml", "bad.toml"),
        ("unknown.toml", "bootstrp"),
        ("type.toml", "partitions"),
        ("latin.toml", "latin.toml"),
        ("missing.toml", "No such file"),
    ],
)
def test_a_wrong_configuration_is_said(files: Path, name: str, seen: str) -> None:
    refused(run("config", "check", "--config", files / name), seen)


def test_a_wrong_variable_is_said() -> None:
    refused(run("config", "check", SBISCOPE_KAFKA_PARTITIONS="many"), "SBISCOPE_KAFKA_PARTITIONS")


@pytest.mark.parametrize(
    ("variable", "value", "seen"),
    [
        ("SBISCOPE_KAFKA_BOOTSTRP", "a:1", "known: SBISCOPE_KAFKA_BOOTSTRAP"),
        ("SBISCOPE_COLLECTOR_BATCH_EVENTS", "0", "write 1 to"),
        ("SBISCOPE_COLLECTOR_HOOK", "zz", "sock"),
        ("SBISCOPE_COLLECTOR_PORTS", "80, http", "'80, http'"),
        ("SBISCOPE_COLLECTOR_KUBERNETES", "on", "write auto or off"),
        ("SBISCOPE_KAFKA_SECURITY_PROTOCOL", "TLS", "SASL_SSL"),
        ("SBISCOPE_STACK_KAFKA_PORT", "18123", "stack.clickhouse_port = 18123"),
    ],
)
def test_the_check_refuses_what_the_commands_would(variable: str, value: str, seen: str) -> None:
    refused(run("config", "check", **{variable: value}), seen)


def test_variables_of_a_service_of_kubernetes_are_none_of_ours() -> None:
    of_service = {"SBISCOPE_KAFKA_SERVICE_HOST": "10.96.0.7", "SBISCOPE_KAFKA_PORT_9092_TCP_ADDR": "10.96.0.7"}
    assert run("config", "check", **of_service, SBISCOPE_CLICKHOUSE_PORT="tcp://10.96.0.8:8123")[0] == 0


def test_a_hook_that_does_not_exist_is_said() -> None:
    refused(run("collect", "--hook", "magic", "--to", "-"), "magic", "sock")


def test_without_rights_the_kernel_is_not_asked() -> None:
    refused(run("collect", "--to", "-", launcher=nobody()), "CAP_BPF", "run as root")


@pytest.fixture
def home() -> Iterator[Path]:
    """Have a place for everybody that holds `closed`, into which nobody but root may look."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o777)
        (Path(place) / "closed").mkdir(mode=0)
        yield Path(place)


@pytest.mark.parametrize(
    "words", [("decode", FULL), ("up",), ("pseudonym", "imsi-999700000000001")], ids=lambda one: one[0]
)
def test_a_home_of_another_user_is_said(words: tuple[str | Path, ...], home: Path) -> None:
    folders = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(home / "closed"))
    place = {"SBISCOPE_STACK_DIRECTORY": str(home / "stack")}
    refused(run(*words, launcher=nobody(), **folders, **place), "ermission denied", str(home / "closed"))


def test_the_doctor_tells_of_a_cache_out_of_reach(home: Path) -> None:
    cache = str(home / "closed" / "below")
    code, out, said = run("doctor", launcher=nobody(), HOME=str(home), SBISCOPE_CACHE=cache)
    assert (said, "Kafka" in out, "rror" in out, code) == ("", True, False, 1)


def nobody() -> tuple[str, ...]:
    """Return what makes a command somebody's who has no rights; skip where he cannot even start it."""
    if os.geteuid() != 0:
        return ()
    become = (installed("setpriv", "util-linux"), "--reuid=65534", "--clear-groups", "--")
    if run("--help", launcher=become)[0] != 0:
        pytest.skip(f"{ROOT} or its Python cannot be read by others than root")
    return become


def test_a_kernel_without_types_is_said() -> None:
    """BTF is hidden from the command alone, by a mount of its own."""
    hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"')
    if os.geteuid() != 0 or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root, unshare and a kernel with BTF to hide")
    refused(run("collect", "--to", "-", launcher=hide), "BTF", "CONFIG_DEBUG_INFO_BTF")


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


@pytest.mark.parametrize("key", ["KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "CLICKHOUSE_PORT"])
def test_a_taken_port_is_said(taken: int, tmp_path: Path, key: str) -> None:
    kafka.prepare(lambda _: None)
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
