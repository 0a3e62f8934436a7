"""A subscriber's exchanges as a capture: our decoder and tshark read again what was there, and nothing leaks."""

import json
import subprocess
from pathlib import Path
from typing import Any

import hpack
import pytest
from hyperframe.frame import DataFrame, Frame, HeadersFrame
from hypothesis import given
from hypothesis import strategies as st

from collector.http2_writing import frames
from collector.message import Ended, Half
from collector.redacted_message import Written
from tests import planted, tshark
from tests.test_decode import lines, sbiscope

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
SUBSCRIBER = "imsi-999700000000050"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "open5gs-exported.pcapng"
    done = sbiscope("export", "--subscriber", SUBSCRIBER, "--capture", SUITE, "--to", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"88 exchanges on 12 connections: ")
    return path


def told(row: Row) -> tuple[Any, ...]:
    """Return what of a transaction must be the same again: all that one exchange says by itself."""
    ends = (row["client_address"], row["client_port"], row["server_address"], row["server_port"], row["stream_id"])
    asked = (row["method"], row["path"], row["authority"], row["service"], row["operation"], row["user_agent"])
    answered = (row["status"], row["outcome"], row["cause"], row["response_ended"], row["location"], row["server"])
    return (*ends, *asked, *answered)


def test_read_again_it_is_what_it_was(exported: Path) -> None:
    own = lines(sbiscope("decode", "--transactions", SUITE))
    name = sbiscope("pseudonym", SUBSCRIBER).stdout.decode().strip()
    wanted = sorted((told(row) for row in own if row["supi"] == name), key=repr)
    again = lines(sbiscope("decode", "--transactions", exported))
    assert sorted(map(told, again), key=repr) == wanted
    assert {row["request_header_state"] for row in again} == {"exact"}
    assert {row["request_us"] for row in again} <= {row["request_us"] for row in own}


def test_tshark_reads_it_without_complaint(exported: Path) -> None:
    rows = tshark.ask(exported)
    assert len(rows) == 2 * 88
    assert rows == sorted((tshark_row(event) for event in lines(sbiscope("decode", exported))), key=json.dumps)
    asked = ["tshark", "-r", str(exported), "-d", "tcp.port==7777,http2", "-o", "tcp.check_checksum:TRUE"]
    for wrong in (
        "_ws.malformed",
        "_ws.expert.severity==error",
        "tcp.checksum.status==Bad",
        "tcp.analysis.lost_segment",
    ):
        done = subprocess.run([*asked, "-Y", wrong], capture_output=True, text=True, check=True)
        assert done.stdout == "", wrong


def tshark_row(event: Row) -> tshark.Row:
    client = f"{event['client_address']}/{event['client_port']}"
    server = f"{event['server_address']}/{event['server_port']}"
    if event["half"] == "request":
        return tshark.request(client, server, event["stream_id"], event["method"], event["path"], event["authority"])
    return tshark.response(client, server, event["stream_id"], event["status"])


def test_its_bodies_are_there_and_say_no_secret(exported: Path) -> None:
    octets = exported.read_bytes()
    assert b'"servingNetworkName":"5G:mnc070.mcc999.3gppnetwork.org"' in octets
    assert b'"authType":"5G_AKA"' in octets
    assert b'"5gAuthData":"removed"' in octets or b'"authenticationVector":"removed"' in octets
    assert SUBSCRIBER.encode() not in octets


def test_nothing_planted_is_in_it(tmp_path: Path) -> None:
    source, target = tmp_path / "planted.pcap", tmp_path / "exported.pcapng"
    source.write_bytes(planted.capture())
    supi = f"imsi-{planted.IDENTIFIERS['supi']}"
    done = sbiscope("export", "--subscriber", supi, "--capture", source, "--to", target)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 10
    assert planted.found_in_text(target.read_bytes()) == []
    assert planted.found_in_text(done.stdout + done.stderr) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--subscriber", "imsi-999709999999999"], "nothing of this subscriber is in the capture: imsi-999-k1-"),
        (["--subscriber", "nobody"], "this is no subscriber identifier: nobody"),
        (["--subscriber", SUBSCRIBER, "--to", "/nowhere/x.pcapng"], "cannot write the capture: /nowhere/x.pcapng"),
        (["--subscriber", SUBSCRIBER, "--capture", "/etc/passwd"], "not a capture: /etc/passwd"),
    ],
)
def test_it_is_refused_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    small = tshark.CAPTURES / "open5gs-registration-full.pcapng"
    if "--to" in words:
        small = SUITE
    done = sbiscope("export", "--capture", small, "--to", tmp_path / "x.pcapng", *words)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert done.stderr.decode().startswith(f"sbiscope export: {said}")
    assert list(tmp_path.iterdir()) == []


TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=300)
FIELDS = st.lists(st.tuples(TEXT.filter(bool), TEXT), min_size=1, max_size=8)


@given(FIELDS, st.binary(max_size=40_000), st.sampled_from(list(Ended)))
def test_other_decoders_read_the_frames(fields: list[tuple[str, str]], body: bytes, ended: Ended) -> None:
    message = Written(Half.REQUEST, 7, tuple(fields), body, 1, 2, ended)
    said = list(frames(message))
    octets = b"".join(piece for _, piece in said)
    read: list[Frame] = []
    while octets:
        one, length = Frame.parse_frame_header(memoryview(octets[:9]))
        one.parse_body(memoryview(octets[9 : 9 + length]))
        read.append(one)
        octets = octets[9 + length :]
    block = b"".join(one.data for one in read if not isinstance(one, DataFrame) and hasattr(one, "data"))
    assert isinstance(read[0], HeadersFrame)
    assert [(str(name), str(value)) for name, value in hpack.Decoder().decode(block)] == fields
    assert b"".join(one.data for one in read if isinstance(one, DataFrame)) == body
    assert any("END_STREAM" in one.flags for one in read) == (ended is Ended.COMPLETE)
    assert [time_ns for time_ns, _ in said] == sorted(time_ns for time_ns, _ in said)
