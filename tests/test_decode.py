"""The commands decode and collect as a user runs them: equal to tshark, repeatable, one line on bad input."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.fields import fields_of
from tests import tshark
from tests.wire import pcap

CAPTURES = tshark.CAPTURES
FULL = CAPTURES / "open5gs-registration-full.pcapng"
HALVES = {"open5gs-registration-full": (1_372, 1_372), "open5gs-suite-scp": (4_636, 4_633)}
RESETS = {"open5gs-registration-full": 0, "open5gs-suite-scp": 3}  # responses that a reset took the place of
NAMES = [name for name, _ in fields_of("sbi_event_batch", "SbiEvent")]


def sbiscope(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    command = [sys.executable, "-m", "deploy.cli", *map(str, words)]
    root = Path(__file__).parent.parent
    return subprocess.run(command, capture_output=True, cwd=root, env={**os.environ, **environment}, check=False)


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """Return the JSON lines written."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(event: dict[str, Any]) -> tshark.Row:
    """Return an event as tshark's row."""
    client = f"{event['client_address']}/{event['client_port']}"
    server = f"{event['server_address']}/{event['server_port']}"
    if event["half"] == "request":
        return tshark.request(client, server, event["stream_id"], event["method"], event["path"], event["authority"])
    return tshark.response(client, server, event["stream_id"], event["status"])


@pytest.mark.parametrize("name", tshark.WHOLE)
def test_decode_equals_tshark(name: str) -> None:
    events = lines(sbiscope("decode", "--plain-identifiers", CAPTURES / f"{name}.pcapng"))
    unanswered = [event for event in events if not event["header_bytes"] and event["ended"] == "reset"]
    assert [(event["half"], event["status"]) for event in unanswered] == [("response", None)] * RESETS[name]
    answered = [row(event) for event in events if event not in unanswered]
    assert sorted(answered, key=json.dumps) == tshark.golden(name)
    halves = Counter(event["half"] for event in events if event not in unanswered)
    assert (halves["request"], halves["response"]) == HALVES[name]
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_line_has_every_field_of_the_schema_in_its_order() -> None:
    (first, *_) = lines(sbiscope("decode", FULL))
    assert list(first) == NAMES
    assert (first["half"], first["vantage"], first["http_version"], first["ended"]) == (
        "request", "wire", "h2", "complete",
    )  # fmt: skip


def test_decode_and_collect_write_the_same_again_and_again(tmp_path: Path) -> None:
    packed, target = tmp_path / "full.gz", tmp_path / "events.jsonl"
    packed.write_bytes(gzip.compress(FULL.read_bytes()))
    first = sbiscope("decode", "--plain-identifiers", FULL)
    again = sbiscope("collect", "--plain-identifiers", "--source", packed, "--to", "-")
    filed = sbiscope("collect", "--plain-identifiers", "--source", FULL, "--to", target)
    assert (first.returncode, again.returncode, filed.returncode) == (0, 0, 0)
    assert first.stdout == again.stdout == target.read_bytes()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"\x1f\x8b", "gzip: "),
        (b"\x1f\x8b" + b"x" * 500, "gzip: "),
        (b"no capture at all", "neither pcap nor pcapng"),
        (pcap([(10**18, b"beacon")], link=105), "unsupported link types"),
        (pcap([])[:-2], "the capture is broken"),
    ],
)
@pytest.mark.parametrize("command", [["decode"], ["collect", "--to", "-", "--source"]], ids=lambda words: words[0])
def test_bad_input_is_told_in_one_line(command: list[str], content: bytes | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad\n.pcap"
    if content is not None:
        path.write_bytes(content)
    done = sbiscope(*command, path)
    error = done.stderr.decode()
    assert (done.returncode, error.count("\n"), text in error) == (1, 1, True), error


def test_a_cut_capture_gives_what_is_whole_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    path.write_bytes(FULL.read_bytes()[:700_001])
    done = sbiscope("decode", path)
    assert (done.returncode, done.stderr.count(b"\n"), done.stdout.count(b"\n") > 500) == (1, 1, True)
    assert b"ends in the middle" in done.stderr


def test_an_unreachable_kafka_is_told_in_one_line() -> None:
    done = sbiscope("collect", "--source", FULL, SBISCOPE_KAFKA_BOOTSTRAP="127.0.0.1:21299")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr
    assert b"cannot reach Kafka" in done.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan"])
def test_a_speed_must_be_one(speed: str) -> None:
    done = sbiscope("collect", "--source", FULL, "--to", "-", "--speed", speed)
    assert (done.returncode, b"--speed" in done.stderr, b"Traceback" in done.stderr) == (2, True, False)


def test_a_target_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    done = sbiscope("collect", "--source", FULL, "--to", tmp_path / "no" / "folder")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def test_a_reader_that_leaves_ends_decode_quietly() -> None:
    command = f"{sys.executable} -m deploy.cli decode {FULL} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, cwd=Path(__file__).parent.parent, check=False)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


def test_decode_needs_neither_kafka_nor_faust_nor_clickhouse() -> None:
    program = (
        "import sys\n"
        "for name in ('confluent_kafka', 'faust', 'clickhouse_connect', 'chdb', 'aiohttp'): sys.modules[name] = None\n"
        "from deploy.cli import main\n"
        f"sys.exit(main(['decode', {str(FULL)!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=Path(__file__).parent.parent, check=False
    )
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 2_744), done.stderr
