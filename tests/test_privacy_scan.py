"""Nothing planted leaves: identifiers and secrets, in any spelling, from synthetic traffic and from the captures."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import planted, tshark
from tests.messages import messages
from tests.test_decode import sbiscope

ROOT = Path(__file__).parent.parent
CAPTURES = sorted(tshark.CAPTURES.glob("*.pcapng"))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planted") / "planted.pcap"
    path.write_bytes(planted.capture())
    return path


def test_the_traffic_holds_all_that_is_planted(synthetic: Path) -> None:
    said = b"".join(
        " ".join(headers.values()).encode() + body for pair in planted.exchanges() for headers, body in pair
    )
    assert {value for value, _ in planted.found(said)} >= set(planted.PLANTED.values())


@pytest.mark.parametrize("name", planted.PLANTED)
def test_the_scan_finds_every_spelling(name: str) -> None:
    value = planted.PLANTED[name]
    for form, octets in planted.forms(value).items():
        hits = planted.found(b"\0before" + octets + b"after\n", [value])
        assert hits, form


@pytest.mark.parametrize("bodies", ["false", "true"])
def test_decode_lets_nothing_planted_out(synthetic: Path, bodies: str) -> None:
    done = sbiscope("decode", synthetic, SBISCOPE_COLLECTOR_CAPTURE_BODIES=bodies)
    assert done.returncode == 0, done.stderr
    events = done.stdout.splitlines()
    assert len(events) == 2 * len(planted.exchanges())
    assert planted.found_in_text(done.stdout) == []
    assert planted.found_in_text(done.stderr) == []
    assert any(json.loads(event)["body"] for event in events) == (bodies == "true")


def test_the_laboratory_sees_identifiers_but_no_secrets(synthetic: Path) -> None:
    done = sbiscope("decode", "--plain-identifiers", synthetic, SBISCOPE_COLLECTOR_CAPTURE_BODIES="true")
    assert planted.found(done.stdout, [planted.IDENTIFIERS["supi"]])
    assert planted.found_in_text(done.stdout, planted.SECRETS.values()) == []


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_decode_lets_nothing_out_of_the_captures(path: Path) -> None:
    said = set(values(path))
    assert len(said) > 20
    done = sbiscope("decode", path, SBISCOPE_COLLECTOR_CAPTURE_BODIES="true")
    assert done.returncode == 0, done.stderr
    texts = b"\n".join(set(done.stdout.split(b'"')))  # each text of the output once: no form goes beyond one
    assert planted.found_in_text(texts, said) == []


# The mistake that a test can only make up: something on the way raises what it has at hand.
MISTAKEN = """
import sys
from collector.redaction import Redaction
def hidden(self, value):
    if "imsi-" in value:
        try:
            raise ValueError(f"no good: {value}")
        except ValueError as error:
            raise KeyError(value) from error
    return value
Redaction._hidden = hidden
from deploy.cli import main
sys.exit(main(sys.argv[1:]))
"""
DYING = """
import sys
from schemas.crash import tell_no_texts
tell_no_texts()
class Held:
    def __del__(self):
        raise ValueError(sys.argv[1])
Held()
{}[sys.argv[1]]
"""


@pytest.mark.parametrize("kind", [(), ("--transactions",), ("--procedures",)], ids=" ".join)
def test_a_crash_tells_where_and_nothing_planted(synthetic: Path, kind: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISTAKEN, "decode", *kind, synthetic], capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode == 70
    assert b"ValueError (its text is not told)\n" in done.stderr
    assert done.stderr.endswith(b"KeyError (its text is not told)\n")
    assert planted.found_in_text(done.stdout + done.stderr) == []


def test_what_ends_an_observer_tells_nothing_planted() -> None:
    supi = f"imsi-{planted.IDENTIFIERS['supi']}"
    done = subprocess.run([sys.executable, "-c", DYING, supi], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"(its text is not told)") == 2
    assert planted.found_in_text(done.stderr) == []


SECRET_KEYS = {
    "rand", "autn", "auts", "xresStar", "hxresStar", "resStar", "kausf", "kseaf", "encPermanentKey", "encOpcKey", "sqn",
    "supi", "supiOrSuci", "gpsi", "gpsis", "pei", "ipv4Address", "ipv4Addr", "ipv6AddressPrefix", "ipv6Prefix",
    "nrCellId",
}  # fmt: skip


def values(path: Path) -> Iterator[str]:
    """Return what stands in the bodies of a capture under the names of identifiers and secrets, by a plain walk."""
    for _, message in messages(path):
        begin, end = message.body.find(b"{"), message.body.rfind(b"}")
        if begin >= 0:
            try:
                yield from walk(json.loads(message.body[begin : end + 1]))
            except ValueError:
                continue


def walk(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "pcfIpEndPoints" and name != "nfServiceList" and name != "nfServices":
                yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, key)
    elif isinstance(value, str) and key in SECRET_KEYS and "suci-" not in value:
        core = value.split("-")[-1].split("/128")[0]
        if len(core) >= planted.SHORTEST and core.strip("0"):
            yield core
